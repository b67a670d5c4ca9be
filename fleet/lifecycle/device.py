"""A device as moves find it and leave it, and the statements that take it from the ledger and put it back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.lifecycle.states import State

# An import locks the table before any row of it; who took rows first and the table then would wait for it crosswise.
TAKE_TABLE: Final = "LOCK TABLE devices IN ROW EXCLUSIVE MODE"
# Whether a serial number is free is asked of all devices, so nobody else may write one meanwhile.
TAKE_TABLE_ALONE: Final = "LOCK TABLE devices IN SHARE ROW EXCLUSIVE MODE"
# In one order, so that two who move the same devices wait instead of deadlocking. NO KEY: ingest, whose rows refer to
# devices, goes on.
TAKE_ROWS: Final = """
SELECT device_id FROM devices WHERE device_no = ANY(%(device_nos)s::text[]) ORDER BY device_id FOR NO KEY UPDATE
"""
DEVICES: Final = """
SELECT d.device_id, d.device_no, m.kind, k.streams, m.vendor, d.acquired_on, d.exemption_document,
       ARRAY(SELECT h.kind FROM device_holds AS h
             WHERE h.device_id = d.device_id AND h.begins_at <= now() AND (h.ends_at IS NULL OR h.ends_at > now())
             ORDER BY h.kind) AS holds,
       d.state, d.commissioned_on, s.site_no, d.stall_no, c.merchant_code, g.device_no AS gateway_no,
       p.device_no AS predecessor_no, d.decommissioned_at IS NOT NULL AS is_decommissioned, o.case_no,
       d.address, d.lat, d.lon, d.custodian, d.custodian_phone_sealed, d.custodian_phone_masked,
       d.storage_place, d.installed_on, d.factory_no, d.mac, d.hardware_version
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN kinds AS k USING (kind)
JOIN sites AS s USING (site_id)
LEFT JOIN merchants AS c USING (merchant_id)
LEFT JOIN devices AS g ON g.device_id = d.gateway_id
LEFT JOIN devices AS p ON p.device_id = d.predecessor_id
LEFT JOIN cases AS o ON o.device_id = d.device_id
    AND NOT is_over(o.state)
WHERE d.device_no = ANY(%(device_nos)s::text[])
"""
WRITE: Final = """
UPDATE devices AS d
SET state = e.state, commissioned_on = e.commissioned_on, site_id = s.site_id, stall_no = e.stall_no,
    merchant_id = c.merchant_id, gateway_id = g.device_id, predecessor_id = p.device_id, address = e.address,
    lat = e.lat, lon = e.lon, custodian = e.custodian, custodian_phone_sealed = e.custodian_phone_sealed,
    custodian_phone_masked = e.custodian_phone_masked, storage_place = e.storage_place, installed_on = e.installed_on,
    factory_no = e.factory_no, mac = e.mac, hardware_version = e.hardware_version, updated_at = now(),
    state_since = CASE WHEN e.state = d.state THEN d.state_since ELSE greatest(now(), d.state_since) END,
    state_reason = CASE WHEN e.state = d.state THEN d.state_reason ELSE e.reason END
FROM unnest(
    %(device_id)s::int4[], %(state)s::text[], %(commissioned_on)s::date[], %(site_no)s::text[], %(stall_no)s::text[],
    %(merchant_code)s::text[], %(gateway_no)s::text[], %(predecessor_no)s::text[], %(address)s::text[],
    %(lat)s::float8[], %(lon)s::float8[], %(custodian)s::text[], %(custodian_phone_sealed)s::bytea[],
    %(custodian_phone_masked)s::text[], %(storage_place)s::text[], %(installed_on)s::date[], %(factory_no)s::text[],
    %(mac)s::text[], %(hardware_version)s::text[], %(reason)s::text[]
) AS e (device_id, state, commissioned_on, site_no, stall_no, merchant_code, gateway_no, predecessor_no, address, lat,
        lon, custodian, custodian_phone_sealed, custodian_phone_masked, storage_place, installed_on, factory_no, mac,
        hardware_version, reason)
JOIN sites AS s USING (site_no)
LEFT JOIN merchants AS c USING (merchant_code)
LEFT JOIN devices AS g ON g.device_no = e.gateway_no
LEFT JOIN devices AS p ON p.device_no = e.predecessor_no
WHERE d.device_id = e.device_id
"""
WRITTEN: Final = (
    "device_id",
    "state",
    "commissioned_on",
    "site_no",
    "stall_no",
    "merchant_code",
    "gateway_no",
    "predecessor_no",
    "address",
    "lat",
    "lon",
    "custodian",
    "custodian_phone_sealed",
    "custodian_phone_masked",
    "storage_place",
    "installed_on",
    "factory_no",
    "mac",
    "hardware_version",
)


@dataclass(frozen=True, slots=True)
class Device:
    """What moves read of a device, and from *state* on, what they may change. Others are named by their numbers."""

    device_id: int
    device_no: str
    kind: str
    streams: tuple[str, ...]
    vendor: str
    acquired_on: date | None
    exemption_document: str | None
    holds: tuple[str, ...]
    state: State
    commissioned_on: date | None
    site_no: str
    stall_no: str | None
    merchant_code: str | None
    gateway_no: str | None
    predecessor_no: str | None
    address: str | None
    lat: float | None
    lon: float | None
    custodian: str | None
    custodian_phone_sealed: bytes | None
    custodian_phone_masked: str | None
    storage_place: str | None
    installed_on: date | None
    factory_no: str | None
    mac: str | None
    hardware_version: str | None
    # Its identity was retired by a case, wherever the thing itself still is.
    is_decommissioned: bool = False
    # The case that is under way.
    case_no: str | None = None


def take(connection: Connection[Any], device_nos: Iterable[str], *, alone: bool = False) -> dict[str, Device]:
    """The devices of these numbers as they are now, kept from others until the end of the transaction.

    *alone*: nobody else changes any device meanwhile.
    """
    numbers = {"device_nos": sorted(set(device_nos))}
    connection.execute(TAKE_TABLE_ALONE if alone else TAKE_TABLE)
    connection.execute(TAKE_ROWS, numbers)
    return look(connection, numbers["device_nos"])


def look(connection: Connection[Any], device_nos: Iterable[str]) -> dict[str, Device]:
    """The devices of these numbers, by number."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(DEVICES, {"device_nos": sorted(set(device_nos))}).fetchall()
    return {row["device_no"]: Device(**_tuples(row)) for row in rows}


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"streams": tuple(row["streams"]), "holds": tuple(row["holds"])}


def put_back(connection: Connection[Any], devices: Sequence[Device], reason: str) -> None:
    """Write *devices* as they shall be, in one statement, whatever their number; *reason* goes with new states."""
    arrays: dict[str, list[Any]] = {name: [getattr(device, name) for device in devices] for name in WRITTEN}
    connection.execute(WRITE, arrays | {"reason": [reason] * len(devices)})
