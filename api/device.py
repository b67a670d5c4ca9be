"""``/api/v1/devices/{device_no}``: one device as the ledger has it, each axis apart, and its latest values."""

from datetime import UTC, datetime
from typing import Any, Final, LiteralString

from fastapi import APIRouter
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from api.callers import MAY_READ
from api.database import DatabaseDep
from api.device_parts import (
    Asset,
    ConnectivityPart,
    FreshnessPart,
    Hold,
    Identity,
    Lifecycle,
    MetrologyPart,
    Place,
    Responsibility,
)
from api.ledger import EXAMPLE_DEVICE, EXAMPLE_LOGGER, Model, Presence, Site
from api.parameters import DeviceNo
from api.problems import UNKNOWN_DEVICE, ProblemError, documented
from api.shapes import RecordFields
from fleet.business_day import day_of
from fleet.ledger.net_value import net_value_fen
from fleet.lifecycle import freshness, metrology
from fleet.lifecycle.metrology import Verification
from fleet.lifecycle.states import State
from fleet.presence import thresholds

router = APIRouter(prefix="/api/v1/devices", tags=["Devices"], dependencies=MAY_READ)

DETAIL: Final[LiteralString] = f"""
SELECT d.device_no, d.state, d.stall_no, c.merchant_code, d.created_at, d.updated_at,
       m.model_no AS model__model_no, m.kind AS model__kind, m.vendor AS model__vendor, k.streams AS model__streams,
       s.site_no AS site__site_no, s.name_zh AS site__name_zh, s.name_en AS site__name_en, s.kind AS site__kind,
       s.region_code AS site__region_code,
       p.state AS presence__state, p.state_at AS presence__state_at, p.last_heard_at AS presence__last_heard_at,
       p.clock_offset_ms AS presence__clock_offset_ms,
       b.boot AS presence__boot, p.boot_at AS presence__boot_at,
       d.name AS identity__name, d.factory_no AS identity__factory_no, d.mac AS identity__mac,
       d.imei_masked AS identity__imei, d.iccid_masked AS identity__iccid,
       d.hardware_version AS identity__hardware_version, d.firmware AS identity__firmware,
       d.photo_sha256 AS identity__photo_sha256,
       d.asset_no AS asset__asset_no, d.asset_class_standard AS asset__asset_class_standard,
       d.asset_class_code AS asset__asset_class_code, d.owner_type AS asset__owner_type,
       d.fund_source AS asset__fund_source, d.contract_no AS asset__contract_no, d.supplier AS asset__supplier,
       d.acquired_on AS asset__acquired_on, d.accepted_on AS asset__accepted_on,
       d.original_value_fen AS asset__original_value_fen, d.depreciation_months AS asset__depreciation_months,
       d.warranty_until AS asset__warranty_until, d.min_service_months AS asset__min_service_months,
       d.address AS place__address, d.lat AS place__lat, d.lon AS place__lon, d.storage_place AS place__storage_place,
       d.custodian AS place__custodian, d.custodian_phone_masked AS place__custodian_phone,
       d.installer AS place__installer, d.installed_on AS place__installed_on,
       d.type_approval_no AS metrology__type_approval_no, d.accuracy_class AS metrology__accuracy_class,
       d.max_g AS metrology__max_g, d.min_g AS metrology__min_g, d.interval_g AS metrology__interval_g,
       d.seal_no AS metrology__seal_no, d.verification_no AS metrology__verification_no,
       d.verification_body AS metrology__verification_body, d.verification_rule AS metrology__verification_rule,
       d.verified_on AS metrology__verified_on, d.verified_until AS metrology__verified_until,
       d.verification_result AS metrology__verification_result, d.is_fair_scale AS metrology__is_fair_scale,
       n.late_seconds AS freshness__late_seconds, n.silent_seconds AS freshness__silent_seconds,
       coalesce(p.state, 'never') AS connectivity__status, d.protocol AS connectivity__protocol,
       d.sim_plan AS connectivity__sim_plan, g.device_no AS connectivity__gateway_no,
       cardinality(passes.let_in) AS connectivity__valid_credentials,
       array_remove(passes.let_in, NULL) AS connectivity__certificates_sha256,
       d.state AS lifecycle__state, d.state_since AS lifecycle__since, d.state_reason AS lifecycle__reason,
       d.commissioned_on AS lifecycle__commissioned_on, d.exemption_document AS lifecycle__exemption_document,
       before.device_no AS lifecycle__predecessor_no,
       (SELECT n.device_no FROM devices AS n WHERE n.predecessor_id = d.device_id ORDER BY n.device_id DESC LIMIT 1)
           AS lifecycle__successor_no
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN kinds AS k ON k.kind = m.kind
JOIN sites AS s USING (site_id)
CROSS JOIN LATERAL {thresholds.NEAREST} AS n
LEFT JOIN merchants AS c USING (merchant_id)
LEFT JOIN device_presence AS p USING (device_id)
LEFT JOIN boots AS b USING (boot_id)
LEFT JOIN devices AS g ON g.device_id = d.gateway_id
LEFT JOIN devices AS before ON before.device_id = d.predecessor_id
CROSS JOIN LATERAL (
    SELECT ARRAY(
        SELECT encode(x.certificate_sha256, 'hex') FROM credentials AS x
        WHERE x.device_id = d.device_id AND x.revoked_at IS NULL AND (x.expires_at IS NULL OR x.expires_at > now())
        ORDER BY x.credential_id
    ) AS let_in
) AS passes
WHERE d.device_no = %(device_no)s
"""  # noqa: S608 - constants of ours
HOLDS: Final = """
SELECT h.hold_id, h.kind, h.reason, h.document, h.begins_at, h.ends_at
FROM devices AS d JOIN device_holds AS h USING (device_id)
WHERE d.device_no = %(device_no)s AND h.begins_at <= now() AND (h.ends_at IS NULL OR h.ends_at > now())
ORDER BY h.hold_id
"""
RESPONSIBILITIES: Final = """
SELECT r.duty, y.party_no, y.name, y.kind
FROM devices AS d JOIN device_responsibilities AS r USING (device_id) JOIN parties AS y USING (party_id)
WHERE d.device_no = %(device_no)s
ORDER BY array_position(ARRAY['supervision', 'operation', 'custody', 'use'], r.duty)
"""
# One row with nulls for a device without values, none for an unknown one.
LATEST: Final = """
SELECT l.stream, nullif(l.probe, '') AS probe, l.at, l.seq, l.received_at, l.record
FROM devices AS d LEFT JOIN latest AS l USING (device_id)
WHERE d.device_no = %(device_no)s ORDER BY l.stream, l.probe
"""


class Device(BaseModel):
    """A device of the ledger (设备管理台账); lifecycle, connectivity, freshness, metrology and holds are axes apart."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    state: State = Field(description="in the ledger; only devices that may speak are heard")
    stall_no: str | None = Field(examples=["B001"])
    merchant_code: str | None = Field(examples=["4101000010001"])
    model: Model
    site: Site
    presence: Presence
    identity: Identity
    asset: Asset
    place: Place
    metrology: MetrologyPart
    connectivity: ConnectivityPart
    freshness: FreshnessPart
    lifecycle: Lifecycle
    holds: list[Hold] = Field(description="in force now")
    responsibilities: list[Responsibility]
    created_at: datetime
    updated_at: datetime


class Latest(BaseModel):
    """The newest record of a stream, and of a probe where the device has several."""

    stream: str = Field(examples=["coldchain"])
    probe: str | None = Field(examples=["door side"])
    at: datetime = Field(description="when the device made it")
    seq: int
    received_at: datetime = Field(description="when it arrived")
    record: RecordFields


class LatestOfDevice(BaseModel):
    """The newest records of a device; they never go back in time."""

    device_no: str = Field(examples=[EXAMPLE_LOGGER])
    latest: list[Latest]


@router.get("/{device_no}", summary="One device", responses=documented(UNKNOWN_DEVICE))
async def get_device(database: DatabaseDep, device_no: DeviceNo) -> Device:
    """The device as the ledger has it, by groups of fields, personal ones masked.

    With its model, its site, its line, the holds on it, who answers for it, and what it replaced.
    """
    named = {"device_no": device_no}
    row = await database.fetch_one(DETAIL, named)
    if row is None:
        raise unknown(device_no)
    holds = await database.fetch(HOLDS, named)
    responsibilities = await database.fetch(RESPONSIBILITIES, named)
    return _device_of(row, holds, responsibilities, now=datetime.now(UTC))


@router.get("/{device_no}/latest", summary="Latest values of a device", responses=documented(UNKNOWN_DEVICE))
async def get_latest(database: DatabaseDep, device_no: DeviceNo) -> LatestOfDevice:
    """The newest record of each stream and probe. Empty for a device that was never heard."""
    rows: list[dict[str, Any]] = await database.fetch(LATEST, {"device_no": device_no})
    if not rows:
        raise unknown(device_no)
    latest = [Latest.model_validate(row) for row in rows if row["stream"] is not None]
    return LatestOfDevice(device_no=device_no, latest=latest)


def unknown(device_no: str) -> ProblemError:
    """The problem of a number that no device has."""
    return ProblemError(UNKNOWN_DEVICE, f"No device has the number {device_no!r}.")


def _device_of(row: DictRow, holds: list[DictRow], responsibilities: list[DictRow], *, now: datetime) -> Device:
    """The device in a row that names columns of a part ``<part>__<column>``, with what is reckoned from them today."""
    parts: dict[str, dict[str, Any]] = {}
    own: dict[str, object] = {"holds": holds, "responsibilities": responsibilities}
    for name, value in row.items():
        part, separator, column = name.partition("__")
        if separator:
            parts.setdefault(part, {})[column] = value
        else:
            own[name] = value
    kind, today = parts["model"]["kind"], day_of(now)
    asset, verified = parts["asset"], parts["metrology"]
    asset["net_value_fen"] = net_value_fen(
        asset["original_value_fen"], asset["depreciation_months"], asset["acquired_on"], today=today
    )
    verification = Verification(verified["verified_until"], verified["verification_result"])
    verified["status"] = metrology.judge(kind, verification, today=today)
    seconds = freshness.since_heard(parts["presence"]["last_heard_at"], now=now)
    limits = parts["freshness"]
    parts["freshness"] = {
        "status": freshness.judge(seconds, **limits),
        "seconds": seconds,
        "expected_seconds": freshness.expected_seconds(limits["late_seconds"]),
    }
    return Device.model_validate(own | parts)
