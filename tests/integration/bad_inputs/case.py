"""A bad input with everything that must become of it, and the words to write one down."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

# When the suite was collected. It may come to these cases an hour later, so none of them stands as near to a limit.
NOW: Final = datetime.now(UTC)
FIELD: Final = {
    "weighing": '"trade_no":"T1","kind":"sale","net_g":500,"unit_price_fen_per_kg":20,"amount_fen":10,"stable":true',
    "scan": '"code":"4101000010001","purpose":"sale","result":"ok"',
    "coldchain": '"temperature_c":2.1',
    "status": '"uptime_s":60',
}
KIND: Final = {"weighing": "trace_scale", "scan": "trace_scale", "coldchain": "logger", "status": "logger"}
WHOLE: Final = -1


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that must be there: why, of which record (-1: the message), for how many records it stands."""

    reason: str
    index: int = WHOLE
    records: int = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """One publication; without a topic it is the device's own on the case's stream."""

    payload: bytes
    topic: bytes | None = None
    qos: int = 1
    retain: bool = False
    dup: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, by a device of its own, and what must be there afterwards; nothing else may."""

    row: str
    name: str
    sent: tuple[Sent, ...]
    letters: tuple[Letter, ...] = ()
    # The sequence numbers of the records stored on the case's stream.
    stored: tuple[int, ...] = ()
    duplicate: int = 0
    conflict: int = 0
    clock_ahead: bool = False
    stream: str = "coldchain"
    # Of the device in the ledger; None: it is in none.
    state: str | None = "in_service"
    # Columns of the first stored row, by name.
    first_row: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What pytest calls it."""
        return f"{self.row}: {self.name}"


def at(**ahead: float) -> str:
    """Now, so much ahead, as JSON text."""
    return json.dumps((NOW + timedelta(**ahead)).isoformat())


def good(stream: str = "coldchain", more: str = "") -> str:
    """A record nobody can find fault with."""
    return f'{{"at":{at()},{FIELD[stream]}{more}}}'


def message(*records: str, seq: str = "0", boot: str = '"b1"', v: str = "1", more: str = "") -> bytes:
    """A payload of the contract, from JSON texts; *more* is appended to its fields."""
    return f'{{"v":{v},"boot":{boot},"seq":{seq},"records":[{",".join(records)}]{more}}}'.encode()


def among(raw: str, stream: str = "coldchain") -> bytes:
    """Three records, of which the middle one is *raw*."""
    return message(good(stream), raw, good(stream))


def bad_record(row: str, name: str, raw: str | bytes, reason: str, stream: str = "coldchain") -> Case:
    """A record that is refused between two that are stored."""
    text = raw if isinstance(raw, str) else "RAW"
    payload = among(text, stream)
    if isinstance(raw, bytes):
        payload = payload.replace(b"RAW", raw)
    return Case(row, name, (Sent(payload),), (Letter(reason, 1),), stored=(0, 2), stream=stream)


def bad_value(row: str, name: str, json_value: str, reason: str) -> Case:
    """A cold-chain record whose temperature is *json_value*."""
    return bad_record(row, name, f'{{"at":{at()},"temperature_c":{json_value}}}', reason)


def bad_time(row: str, name: str, json_value: str, reason: str) -> Case:
    """A cold-chain record whose time is *json_value*."""
    return bad_record(row, name, f'{{"at":{json_value},"temperature_c":1}}', reason)


def bad_message(row: str, name: str, payload: bytes, reason: str) -> Case:
    """A message of which nothing can be stored."""
    return Case(row, name, (Sent(payload),), (Letter(reason),))


def harmless(row: str, name: str, payload: bytes, *, stream: str = "coldchain", **first_row: object) -> Case:
    """A message that looks bad, and whose records 0 … 2 are stored all the same."""
    return Case(row, name, (Sent(payload),), stored=(0, 1, 2), stream=stream, first_row=first_row)


def with_qos(case: Case, qos: int) -> Case:
    """The same case, sent with another quality of service."""
    return replace(case, name=f"{case.name}, QoS {qos}", sent=tuple(replace(sent, qos=qos) for sent in case.sent))
