"""The records of the telemetry streams: what a device may send, what a table holds, what the API shows.

Units are in the names. Limits are those of the columns, so what passes here is taken by the database; a value beyond
them is out of range, not rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=128)]
Code = Annotated[str, Field(min_length=1, max_length=128)]
Grams = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Fen = Annotated[int, Field(ge=-(10**15), le=10**15)]
Percent = Annotated[float, Field(ge=0, le=100)]
COLDEST_C: Final = -273.15
WARMEST_C: Final = 1000


class Record(BaseModel):
    """What every record has in common: strictness. Fields nobody knows are ignored, and counted by ingest."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Weighing(Record):
    """One line of a trade on a trace scale. Integers only: grams and fen (0.01 yuan)."""

    trade_no: Code
    kind: Literal["sale", "return", "void"]
    net_g: Grams
    unit_price_fen_per_kg: Grams
    amount_fen: Fen
    stable: bool
    gross_g: Grams | None = None
    tare_g: Grams | None = None
    printed: bool | None = None
    trace_code: Text | None = None
    stall_no: Text | None = None
    merchant_code: Text | None = None
    plu: Text | None = None
    goods_code: Text | None = None
    goods_name: Text | None = None
    batch_no: Text | None = None
    ref_trade_no: Text | None = None


class Scan(Record):
    """One code read by a scanner, a handheld or a kiosk."""

    code: Annotated[str, Field(min_length=1, max_length=512)]
    purpose: Literal["inbound", "outbound", "sale", "lookup", "inspection"]
    result: Literal["ok", "unknown", "error"]
    symbology: Text | None = None
    elapsed_ms: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class Coldchain(Record):
    """One reading of a store or a vehicle. A probe that cannot read says so; it never sends a number."""

    temperature_c: Annotated[float, Field(ge=COLDEST_C, le=WARMEST_C)] | None
    probe: Text | None = None
    humidity_pct: Percent | None = None
    door_open: bool | None = None
    battery_pct: Percent | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    external_power: bool | None = None
    fault: Code | None = None

    @model_validator(mode="after")
    def _a_missing_reading_has_a_fault(self) -> "Coldchain":
        if not reads_or_says_why(self):
            raise ValueError("temperature_c is null without a fault")
        return self


class Reading(Protocol):
    """A cold-chain record in whatever form."""

    temperature_c: float | None
    fault: str | None


def reads_or_says_why(record: Reading) -> bool:
    """Whether a cold-chain record has a reading, or the fault that kept it from having one."""
    return record.temperature_c is not None or record.fault is not None


class Status(Record):
    """How a device says it is."""

    uptime_s: Annotated[int, Field(ge=0, lt=2**63)]
    firmware: Text | None = None
    battery_pct: Percent | None = None
    rssi_dbm: Annotated[float, Field(ge=-200, le=100)] | None = None
    storage_free_pct: Percent | None = None
    backlog: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    clock_offset_ms: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    errors: Annotated[list[Text], Field(max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A telemetry stream: its topic level and table (the same word) and the columns that hold a record's fields."""

    name: str
    model: type[Record]
    # PostgreSQL type names, in the order of the model's fields.
    types: tuple[str, ...]
    # What must hold between the fields of a record, beside each field's own limits; None when nothing does.
    rule: Callable[[Any], bool] | None = None
    # The fields of a record, which are the last columns of its table.
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.model.model_fields))


# The columns that every stream's table has beside the fields: the identity, how the record came and when it was made.
# In this order: the last and the fields after it are what a device tells.
IDENTITY_COLUMNS: Final = ("device_id", "boot_id", "seq", "received_at", "clock_ahead", "at")
IDENTITY_TYPES: Final = ("int4", "int8", "int8", "timestamptz", "bool", "timestamptz")

TELEMETRY: Final = {
    stream.name: stream
    for stream in (
        Stream(
            "weighing",
            Weighing,
            ("text", "text", "int4", "int4", "int8", "bool", "int4", "int4", "bool", *["text"] * 8),
        ),
        Stream("scan", Scan, ("text", "text", "text", "text", "int4")),
        Stream(
            "coldchain",
            Coldchain,
            ("float8", "text", "float8", "bool", "float8", "float8", "float8", "bool", "text"),
            reads_or_says_why,
        ),
        Stream("status", Status, ("int8", "text", "float8", "float8", "float8", "int8", "int8", "text[]")),
    )
}
PRESENCE: Final = "presence"
# What a worker may read: the streams, and whatever comes below the root on no stream, so that nothing is unseen.
OTHER: Final = "other"
READABLE: Final = (*TELEMETRY, PRESENCE, OTHER)
