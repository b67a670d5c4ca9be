"""From what was measured of both sides to what is reported: each run, the medians, and ours as a multiple. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, TypeAlias

from deploy.bench.peer_database import Side

# The process under test, among those whose CPU time is told apart.
TESTED: Final = "tested"


@dataclass(frozen=True, slots=True)
class Measured:
    """One side given one load: from the first message sent to the last commit seen."""

    messages: int
    stored: int
    seconds: float
    # Of it, how long the generator took until the broker had acknowledged everything.
    publish_seconds: float
    # User and system time by process: the tested one, broker, postgres, generator.
    cpu_seconds: Mapping[str, float]
    wal_bytes: int
    rss_bytes: int


Round: TypeAlias = Mapping[Side, Measured]
RATIOS: Final = ("messages_per_second", "messages_per_cpu_second", "messages_per_cpu_second_of_all")


def entry(measured: Measured) -> dict[str, Any]:
    """What is reported of one run of one side."""
    tested = measured.cpu_seconds[TESTED]
    everybody = sum(measured.cpu_seconds.values())
    return {
        "messages_per_second": _rate(measured.stored, measured.seconds),
        "messages_per_cpu_second": _rate(measured.stored, tested),
        # With the work that it makes for the broker and for PostgreSQL.
        "messages_per_cpu_second_of_all": _rate(measured.stored, everybody),
        "cpu_microseconds_per_message": {
            name: round(used * 1e6 / measured.messages, 2) for name, used in measured.cpu_seconds.items()
        },
        "busy_cores": {name: round(used / measured.seconds, 2) for name, used in measured.cpu_seconds.items()},
        "seconds": round(measured.seconds, 3),
        "publish_seconds": round(measured.publish_seconds, 3),
        "wal_bytes_per_message": round(measured.wal_bytes / measured.messages, 1),
        "rss_mb": round(measured.rss_bytes / 1e6, 1),
        "sent": measured.messages,
        "stored": measured.stored,
        "lost": measured.messages - measured.stored,
    }


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Every run, the medians of each side, and ours over the peer's."""
    told = [{side: entry(measured) for side, measured in one.items()} for one in rounds]
    medians = {side: _median_of([one[side] for one in told]) for side in told[0]}
    return {
        "rounds": told,
        "median": medians,
        "ratio": {name: _ratio(medians["ours"][name], medians["peer"][name]) for name in RATIOS},
        "ratio_of_each_round": {
            name: [_ratio(one["ours"][name], one["peer"][name]) for one in told] for name in RATIOS
        },
        "lost": {side: sum(one[side]["lost"] for one in told) for side in told[0]},
    }


def sentence(side: str, told: Mapping[str, Any]) -> str:
    """A run, or a median, in one line for people."""
    busy = ", ".join(f"{name} {cores:.2f}" for name, cores in told["busy_cores"].items())
    return (
        f"{side}: {told['messages_per_second']:,.0f} messages/s, {told['messages_per_cpu_second'] or 0:,.0f} "
        f"messages/CPU-s, busy cores: {busy}; {told['rss_mb']:.0f} MB, {told['lost']:,} of {told['sent']:,} lost"
    )


def verdict(told: Mapping[str, Any]) -> str:
    """The ratios in one line for people."""
    ratio = told["ratio"]
    return (
        f"ours is {ratio['messages_per_second']} × the peer per second, {ratio['messages_per_cpu_second']} × per "
        f"CPU-second of the process, {ratio['messages_per_cpu_second_of_all']} × per CPU-second of everything"
    )


def _median_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number by number; what holds numbers by process likewise."""
    return {
        name: _median_of([one[name] for one in entries])
        if isinstance(value, Mapping)
        else _median(one[name] for one in entries)
        for name, value in entries[0].items()
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 3) if known else None


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 1) if seconds else None


def _ratio(ours: float | None, peers: float | None) -> float | None:
    return round(ours / peers, 3) if ours is not None and peers else None
