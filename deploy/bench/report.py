"""From what was measured to what is reported. Pure.

Rates count messages and records once, however often they were sent: copies are work, not result.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.bench.scenario import Scenario

PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Capacity:
    """As fast as it goes: from the first message sent to the last commit seen."""

    messages: int
    records: int
    seconds: float
    # Of it, how long the generator took until the broker had acknowledged everything.
    publish_seconds: float
    wal_bytes: int
    # CPU-seconds by process: ingest, broker, postgres (where it is ours), generator.
    cpu_seconds: Mapping[str, float]

    @property
    def messages_per_second(self) -> float:
        """Of ingest, to the commit."""
        return self.messages / self.seconds

    @property
    def records_per_second(self) -> float:
        """Of ingest, to the commit."""
        return self.records / self.seconds


@dataclass(frozen=True, slots=True)
class Latency:
    """At a steady rate, from when each message was due to when its rows were visible to others."""

    messages_per_second: float
    seconds: Sequence[float]
    # How late the generator itself was, tick by tick; it is part of the latencies.
    generator_late_seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the same machine does at most."""

    copy_records_per_second: float
    null_messages_per_second: float
    null_messages_per_cpu_second: float
    decode_records_per_second: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of all records of a scenario, warm-up included."""

    # Different records that the broker acknowledged.
    sent: int
    stored: int
    # Records that ingest was given, copies and redeliveries included, and what it made of those it did not store.
    received: int
    duplicates: int
    conflicts: int
    dead_lettered: int


def distribution_ms(seconds: Iterable[float]) -> dict[str, float | None]:
    """p50, p95, p99 and max in milliseconds, by nearest rank: each is a value that occurred; None of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return dict.fromkeys((*PERCENTILES, "max"))
    ranks = {name: max(1, math.ceil(share * len(ordered))) for name, share in PERCENTILES.items()}
    return {**{name: _ms(ordered[rank - 1]) for name, rank in ranks.items()}, "max": _ms(ordered[-1])}


def entry(
    scenario: Scenario, capacity: Capacity, latency: Latency, ceilings: Ceilings, outcome: Outcome, *, rss_bytes: int
) -> dict[str, Any]:
    """What is reported of one scenario."""
    cpu = capacity.cpu_seconds["ingest"]
    return {
        "name": scenario.name,
        "records_per_message": scenario.records_per_message,
        "devices": scenario.devices,
        "duplicate_share": scenario.troubled_share,
        "out_of_order_share": scenario.troubled_share,
        "bad_share": round(1 / scenario.bad_every, 4) if scenario.bad_every else 0.0,
        "messages_per_second": round(capacity.messages_per_second, 1),
        "records_per_second": round(capacity.records_per_second, 1),
        "copy_ceiling_records_per_second": round(ceilings.copy_records_per_second, 1),
        "copy_share": _share(capacity.records_per_second, ceilings.copy_records_per_second),
        "null_subscriber_messages_per_second": round(ceilings.null_messages_per_second, 1),
        "null_subscriber_share": _share(capacity.messages_per_second, ceilings.null_messages_per_second),
        "null_subscriber_messages_per_cpu_second": round(ceilings.null_messages_per_cpu_second, 1),
        "decode_records_per_second": round(ceilings.decode_records_per_second, 1),
        "decode_share": _share(capacity.records_per_second, ceilings.decode_records_per_second),
        "messages_per_cpu_second": round(capacity.messages / cpu, 1) if cpu else None,
        "cpu_seconds_per_million_messages": round(cpu * 1e6 / capacity.messages, 2),
        "busy_cores": {name: round(used / capacity.seconds, 2) for name, used in capacity.cpu_seconds.items()},
        "measured_seconds": round(capacity.seconds, 3),
        "publish_seconds": round(capacity.publish_seconds, 3),
        "latency_messages_per_second": round(latency.messages_per_second, 1),
        "latency_ms": distribution_ms(latency.seconds),
        "latency_samples": len(latency.seconds),
        "generator_late_ms": distribution_ms(latency.generator_late_seconds),
        "rss_mb": round(rss_bytes / 1e6, 1),
        "wal_bytes_per_record": round(capacity.wal_bytes / capacity.records, 1),
        "sent": outcome.sent,
        "stored": outcome.stored,
        "lost": outcome.sent - outcome.stored - outcome.dead_lettered,
        "received": outcome.received,
        "duplicates": outcome.duplicates,
        "conflicts": outcome.conflicts,
        "dead_lettered": outcome.dead_lettered,
    }


def sentence(told: Mapping[str, Any]) -> str:
    """An entry in one line for people."""
    latency = told["latency_ms"]
    return (
        f"{told['messages_per_second']:,.0f} messages/s, {told['records_per_second']:,.0f} records/s "
        f"({told['copy_share']:.0%} of COPY, {told['null_subscriber_share']:.0%} of the null subscriber, "
        f"{told['decode_share']:.0%} of decode alone), {told['messages_per_cpu_second'] or 0:,.0f} messages/CPU-s, "
        f"p50 {latency['p50']} p99 {latency['p99']} max {latency['max']} ms, {told['rss_mb']:.0f} MB, "
        f"{told['lost']:,} of {told['sent']:,} lost"
    )


def _share(measured: float, ceiling: float) -> float:
    return round(measured / ceiling, 4) if ceiling else 0.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
