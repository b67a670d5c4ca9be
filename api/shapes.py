"""What a device reported, as it looks over HTTP: records of the streams, and the buckets of the roll-ups."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from store.records import TELEMETRY

# Shown as stored, not validated again: a rule that became stricter since must not hide what a device once sent.
# `api.openapi` puts the schemas of the streams' records where these references point.
RecordFields = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "title": "Record",
            "description": "The fields of the stream's record, units in the names.",
            "anyOf": [{"$ref": f"#/components/schemas/{stream.model.__name__}"} for stream in TELEMETRY.values()],
        }
    ),
]


class OfDevice(BaseModel):
    """Whose an item is, where a list holds those of several devices; elsewhere it is left out."""

    device_no: str | None = Field(
        None, exclude_if=lambda device_no: device_no is None, description="with `lineage=true`: whose it is"
    )


class RawRecord(OfDevice):
    """One record as the device sent it."""

    at: datetime = Field(description="when the device made it")
    boot: str = Field(description="power-up of the device", examples=["6f1e3e43a0b1c2d3"])
    seq: int = Field(description="within the boot", examples=[4711])
    received_at: datetime = Field(description="when it arrived")
    clock_ahead: bool = Field(description="the device's clock was more than 5 minutes ahead")
    record: RecordFields


class PresenceRecord(OfDevice):
    """A birth or a death of a device's line."""

    at: datetime
    boot: str = Field(examples=["6f1e3e43a0b1c2d3"])
    state: Literal["online", "offline"]


class ColdchainBucket(OfDevice):
    """Readings of one probe in 5 minutes or an hour."""

    bucket_at: datetime = Field(description="start of the bucket")
    probe: str = Field(description="empty when the device has only one", examples=["door side"])
    samples: int
    readings: int = Field(description="samples with a temperature")
    faults: int = Field(description="samples of a probe that could not read")
    temperature_c_avg: float | None
    temperature_c_min: float | None
    temperature_c_max: float | None
    humidity_pct_avg: float | None
    door_open_samples: int
    battery_pct_min: float | None


class WeighingBucket(OfDevice):
    """Trades of an hour."""

    bucket_at: datetime = Field(description="start of the bucket")
    sales: int
    returns: int
    voids: int
    printed: int
    unstable: int
    net_g: int | None = Field(description="of the sales, in grams")
    amount_fen: int | None = Field(description="of the sales, in fen (0.01 yuan)")


class ScanBucket(OfDevice):
    """Scans of an hour."""

    bucket_at: datetime = Field(description="start of the bucket")
    scans: int
    lookups: int
    unknown: int
    errors: int
    elapsed_ms_avg: float | None


Bucket = ColdchainBucket | WeighingBucket | ScanBucket
Item = RawRecord | PresenceRecord | Bucket
BUCKETS: Final[dict[str, type[Bucket]]] = {
    "coldchain": ColdchainBucket,
    "weighing": WeighingBucket,
    "scan": ScanBucket,
}
