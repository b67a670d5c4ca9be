"""What the rules of the ledger need to know besides the rows of a sheet, a handful of queries whatever their number."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, LiteralString, TypeVar

from psycopg import Connection
from psycopg.rows import class_row

from fleet.ledger.drafts import Draft
from fleet.ledger.report import Noun
from fleet.lifecycle.gate import Gate, load_gates
from fleet.sealing import mask

T = TypeVar("T")

# The ledger's days are those of China.
TODAY: Final = "SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date"
REGIONS: Final = "SELECT region_code, name_zh, parent_code, valid_from, valid_to FROM regions ORDER BY valid_from"
PROFILES: Final = """
SELECT region_code, subject, version, pattern, verified FROM code_profiles
WHERE valid_from <= %(today)s AND (valid_to IS NULL OR valid_to > %(today)s)
"""
MODELS: Final = "SELECT model_no, kind, vendor, withdrawn_on FROM models"
SITES: Final = "SELECT site_no, region_code, status FROM sites WHERE site_no = ANY(%(numbers)s)"
MEMBERS: Final = """
SELECT DISTINCT s.site_no, m.merchant_code
FROM site_merchants JOIN sites AS s USING (site_id) JOIN merchants AS m USING (merchant_id)
WHERE m.merchant_code = ANY(%(codes)s)
"""
RETIRED: Final = """
SELECT device_no, state || ' on ' || (retired_at AT TIME ZONE 'Asia/Shanghai')::date
FROM tombstones WHERE device_no = ANY(%(numbers)s)
"""
HOLDS: Final = """
SELECT d.device_no, array_agg(h.kind)
FROM device_holds AS h JOIN devices AS d USING (device_id)
WHERE d.device_no = ANY(%(numbers)s) AND h.begins_at <= now() AND (h.ends_at IS NULL OR h.ends_at > now())
GROUP BY d.device_no
"""
DECOMMISSIONED: Final = """
SELECT device_no FROM devices WHERE device_no = ANY(%(numbers)s) AND decommissioned_at IS NOT NULL
"""
CASES: Final = """
SELECT d.device_no, c.case_no FROM cases AS c JOIN devices AS d USING (device_id)
WHERE d.device_no = ANY(%(numbers)s) AND NOT is_over(c.state)
"""
KINDS: Final = "SELECT device_no, kind FROM devices JOIN models USING (model_id) WHERE device_no = ANY(%(numbers)s)"
# Models of which there are devices, and gateways that devices stand behind.
MODELS_IN_USE: Final = """
SELECT m.model_no FROM models AS m
WHERE m.model_no = ANY(%(numbers)s) AND EXISTS (SELECT FROM devices AS d WHERE d.model_id = m.model_id)
"""
GATEWAYS_IN_USE: Final = """
SELECT DISTINCT g.device_no FROM devices AS d JOIN devices AS g ON g.device_id = d.gateway_id
WHERE g.device_no = ANY(%(numbers)s)
"""
FACTORY_NUMBERS: Final = """
SELECT m.vendor, d.factory_no, d.device_no FROM devices AS d JOIN models AS m USING (model_id)
WHERE d.factory_no = ANY(%(numbers)s)
"""
MACS: Final = "SELECT mac, device_no FROM devices WHERE mac = ANY(%(macs)s)"
# By their masks first: what is sealed is compared only when it is opened.
IMEIS: Final = "SELECT imei_sealed, device_no FROM devices WHERE imei_masked = ANY(%(masks)s)"


@dataclass(frozen=True, slots=True)
class Region:
    """A region's code within its dates."""

    region_code: str
    name_zh: str
    parent_code: str | None
    valid_from: date
    valid_to: date | None

    def is_valid(self, day: date) -> bool:
        """Whether the code meant this region on *day*."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class Profile:
    """How a region, and all below it, writes the codes of a subject now."""

    region_code: str
    subject: str
    version: int
    pattern: str
    verified: bool

    def fits(self, code: str) -> bool:
        """Whether *code* is written so."""
        return re.fullmatch(self.pattern, code) is not None


@dataclass(frozen=True, slots=True)
class Model:
    """What the rules ask of a model."""

    model_no: str
    kind: str
    vendor: str
    withdrawn_on: date | None


@dataclass(frozen=True, slots=True)
class Site:
    """What the rules ask of a site."""

    site_no: str
    region_code: str
    status: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. What a noun's rules do not ask for is empty."""

    today: date
    regions: Sequence[Region] = ()
    profiles: Sequence[Profile] = ()
    gates: Mapping[str, Gate] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    # Site and merchant.
    members: frozenset[tuple[str, str]] = frozenset()
    # How and when a number was retired.
    retired: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Devices whose identity was retired by a case, and those with a case under way, by number.
    decommissioned: frozenset[str] = frozenset()
    cases: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    # Models of which there are devices, and gateways with devices behind them.
    in_use: frozenset[str] = frozenset()
    # The devices that hold what may stand once: ("mac", …), ("imei", …), ("factory_no", vendor, …).
    owners: Mapping[tuple[str, ...], Sequence[str]] = field(default_factory=dict)


def load_facts(
    connection: Connection[Any], noun: Noun, drafts: Sequence[Draft], opened: Callable[[bytes], str]
) -> Facts:
    """The facts that the rules of *noun* need to judge *drafts*."""
    today: date = connection.execute(TODAY).fetchone()[0]  # type: ignore[index]  # always a row
    match noun:
        case "sites":
            return Facts(today, regions=_rows(connection, Region, REGIONS), profiles=_profiles(connection, today))
        case "merchants":
            return Facts(today, profiles=_profiles(connection, today))
        case "models":
            return Facts(today, in_use=_numbers(connection, MODELS_IN_USE, _texts(drafts, "model_no")))
        case "devices":
            return _of_devices(connection, today, drafts, opened)
        case _:
            return Facts(today)


def _profiles(connection: Connection[Any], today: date) -> list[Profile]:
    return _rows(connection, Profile, PROFILES, {"today": today})


def _of_devices(
    connection: Connection[Any], today: date, drafts: Sequence[Draft], opened: Callable[[bytes], str]
) -> Facts:
    numbers = _texts(drafts, "device_no")
    sites = _rows(connection, Site, SITES, {"numbers": _texts(drafts, "site_no")})
    members = connection.execute(MEMBERS, {"codes": _texts(drafts, "merchant_code")}).fetchall()
    of_the_drafts = {"numbers": numbers}
    return Facts(
        today,
        regions=_rows(connection, Region, REGIONS),
        gates=load_gates(connection),
        models={model.model_no: model for model in _rows(connection, Model, MODELS)},
        sites={site.site_no: site for site in sites},
        members=frozenset((str(site), str(merchant)) for site, merchant in members),
        retired=dict(connection.execute(RETIRED, of_the_drafts).fetchall()),
        holds=dict(connection.execute(HOLDS, of_the_drafts).fetchall()),
        decommissioned=_numbers(connection, DECOMMISSIONED, numbers),
        cases=dict(connection.execute(CASES, of_the_drafts).fetchall()),
        kinds=dict(connection.execute(KINDS, {"numbers": _texts(drafts, "gateway_no")}).fetchall()),
        in_use=_numbers(connection, GATEWAYS_IN_USE, _texts(_changing(drafts, "model_no"), "device_no")),
        owners=_owners(connection, drafts, opened),
    )


def _numbers(connection: Connection[Any], query: LiteralString, numbers: list[str]) -> frozenset[str]:
    if not numbers:
        return frozenset()
    return frozenset(number for (number,) in connection.execute(query, {"numbers": numbers}))


def _owners(
    connection: Connection[Any], drafts: Sequence[Draft], opened: Callable[[bytes], str]
) -> dict[tuple[str, ...], list[str]]:
    owners: dict[tuple[str, ...], list[str]] = {}
    if factory_numbers := _texts(_changing(drafts, "factory_no", "model_no"), "factory_no"):
        for vendor, number, device_no in connection.execute(FACTORY_NUMBERS, {"numbers": factory_numbers}):
            owners.setdefault(("factory_no", vendor, number), []).append(device_no)
    if macs := _texts(_changing(drafts, "mac"), "mac"):
        for value, device_no in connection.execute(MACS, {"macs": macs}):
            owners.setdefault(("mac", value), []).append(device_no)
    if imeis := _texts(_changing(drafts, "imei"), "imei"):
        masks = list({mask("serial", imei) for imei in imeis})
        for sealed, device_no in connection.execute(IMEIS, {"masks": masks}):
            owners.setdefault(("imei", opened(sealed)), []).append(device_no)
    return owners


def _changing(drafts: Iterable[Draft], *names: str) -> list[Draft]:
    return [draft for draft in drafts if not draft.names.isdisjoint(names)]


def _texts(drafts: Iterable[Draft], column: str) -> list[str]:
    return list({str(value) for draft in drafts if (value := draft.after[column]) is not None})


def _rows(
    connection: Connection[Any], kind: type[T], query: LiteralString, parameters: Mapping[str, object] | None = None
) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query, parameters).fetchall()
