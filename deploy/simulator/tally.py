"""The account of a run: what the broker acknowledged, and what it did not, to be compared with what was stored.

With a broker that delivers each message once: records + resent + conflicting = stored + duplicate + conflict + dead
letters. A connection that broke hides whether its last messages arrived; those are sent again and counted once, as
``sent_again``, so up to that many more duplicates may arrive.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from deploy.simulator.message import PRESENCE, Outgoing

TELEMETRY: Final = ("weighing", "scan", "coldchain", "status")


@dataclass(slots=True)
class StreamTally:
    """What was acknowledged of one stream. Bad records are among *records*; copies are not."""

    messages: int = 0
    records: int = 0
    bad_records: int = 0
    resent_messages: int = 0
    resent_records: int = 0
    conflicting_messages: int = 0
    conflicting_records: int = 0


@dataclass(slots=True)
class Tally:
    """Counters of a run; :meth:`as_dict` is what is printed and kept."""

    devices: int
    seed: int
    rate: float
    run: str
    started_at: str
    ended_at: str | None = None
    connections: int = 0
    connections_lost: int = 0
    made_messages: int = 0
    made_records: int = 0
    # Published a second time because the connection broke before the acknowledgement.
    sent_again_messages: int = 0
    sent_again_records: int = 0
    overwritten_records: int = 0
    # At the end: published and not acknowledged; made and never published.
    unacknowledged_messages: int = 0
    unacknowledged_records: int = 0
    buffered_records: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    streams: dict[str, StreamTally] = field(
        default_factory=lambda: {stream: StreamTally() for stream in (*TELEMETRY, PRESENCE)}
    )

    def acknowledged(self, message: Outgoing) -> None:
        """Count a message that the broker has acknowledged. A birth or death counts as one record."""
        count = self.streams[message.stream]
        records = len(message.records) if message.stream != PRESENCE else 1
        if message.copy == "first":
            count.messages += 1
            count.records += records
            count.bad_records += message.bad_records
        elif message.copy == "resent":
            count.resent_messages += 1
            count.resent_records += records
        else:
            count.conflicting_messages += 1
            count.conflicting_records += records

    def totals(self) -> StreamTally:
        """The four telemetry streams together."""
        total = StreamTally()
        for stream in TELEMETRY:
            for name, value in asdict(self.streams[stream]).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def as_dict(self) -> dict[str, Any]:
        """The account with its totals; ``acknowledged_records`` is everything ingest should have received."""
        total = self.totals()
        return asdict(self) | {
            "telemetry": asdict(total),
            "acknowledged_records": total.records + total.resent_records + total.conflicting_records,
            "good_records": total.records - total.bad_records,
        }

    def as_json(self) -> bytes:
        """One JSON object, indented."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def write(self, path: Path) -> None:
        """Replace the file at *path* whole, so that a killed run leaves one that can be read."""
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(self.as_json())
        beside.replace(path)
