"""The fleet in the ledger: as it stands on the first day, and what people enter as the year goes by.

Rows are written as the ledger leaves them, since its own functions know no other day than today.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from tests.year.calendar import at
from tests.year.things import Device, Happening
from tests.year.world import MIN_FIRMWARE_DAY, MODELS, sites

ENTERED: Final = at(date(2023, 1, 1), 10)

SITE: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code, opening_hours, created_at, updated_at)
VALUES (%s, %s, %s, %s, '410105', %s, %s, %s)
"""
CLOSURE: Final = """
INSERT INTO site_closures (site_id, begins_on, ends_on, kind, reason, created_at, updated_at)
SELECT site_id, %s, %s, %s, %s, %s, %s FROM sites WHERE site_no = %s
"""
MODEL: Final = """
INSERT INTO models (model_no, kind, vendor, service_life_months, min_firmware, support_ends_on, transport_security,
                    withdrawn_on, created_at, updated_at) VALUES (%s, %s, '某某衡器', %s, %s, %s, %s, %s, %s, %s)
"""
DEVICE: Final = """
INSERT INTO devices (device_no, model_id, site_id, state, created_at, updated_at, state_since, stall_no, acquired_on,
                     commissioned_on, installed_on, original_value_fen, owner_type, exemption_document, verified_on,
                     verified_until, verification_result, firmware)
SELECT n.device_no, m.model_id, s.site_id, 'in_service', n.entered_at, n.entered_at, n.entered_at, n.stall_no,
       n.acquired_on, n.commissioned_on, n.installed_on, n.original_value_fen, n.owner_type,
       n.exemption_document, n.verified_on, n.verified_until, n.verification_result, n.firmware
FROM jsonb_to_recordset(%s) AS n (
    device_no text, model_no text, site_no text, entered_at timestamptz, stall_no text, acquired_on date,
    commissioned_on date, installed_on date, original_value_fen bigint, owner_type text, exemption_document text,
    verified_on date, verified_until date, verification_result text, firmware text)
JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no)
"""
COMMISSIONED: Final = """
INSERT INTO device_transitions (device_id, from_state, to_state, at, actor, reason)
SELECT device_id, 'in_stock', 'in_service', %(at)s, 'city', '投入使用'
FROM devices WHERE device_no = ANY(%(device_nos)s)
"""
STEP: Final = """
INSERT INTO device_transitions (device_id, from_state, to_state, at, actor, reason, cost_fen)
SELECT device_id, state, %(to)s, %(at)s, 'city', %(reason)s, %(cost_fen)s FROM devices WHERE device_no = %(device_no)s
"""
STATE: Final = """
UPDATE devices SET state = %(to)s, state_since = %(at)s, state_reason = %(reason)s, updated_at = %(at)s
WHERE device_no = %(device_no)s
"""
# The trigger takes today for the day on which a place was left; here another day is today.
LEFT: Final = """
UPDATE device_placements AS p SET until = %(at)s FROM devices AS d
WHERE p.device_id = d.device_id AND d.device_no = %(device_no)s AND p.until > %(at)s
"""
STOOD: Final = """
UPDATE device_placements AS p SET since = %(at)s FROM devices AS d
WHERE p.device_id = d.device_id AND d.device_no = ANY(%(device_nos)s)
"""
FOLLOWS: Final = """
UPDATE devices AS d SET predecessor_id = o.device_id FROM devices AS o
WHERE d.device_no = %(device_no)s AND o.device_no = %(replaces)s
"""
VERIFIED: Final = """
UPDATE devices AS d SET verified_on = %(day)s, verified_until = %(day)s + 375, updated_at = %(at)s
FROM sites AS s WHERE s.site_id = d.site_id AND s.site_no = %(site_no)s AND d.verified_until = %(day)s + 10
  AND NOT d.device_no = ANY(%(but)s)
"""
LOOKUPS: Final = """
INSERT INTO site_lookups (site_id, day, channel, lookups, created_at, updated_at)
SELECT site_id, %(day)s, 'qr', lookups, %(at)s, %(at)s
FROM unnest(%(site_nos)s::text[], %(lookups)s::int8[]) AS n (site_no, lookups) JOIN sites USING (site_no)
"""


# Whom the year's verification does not pass, or does not meet.
LEFT_OUT: Final = ("failed verification", "verification overdue", "verified late")


class Ledger:
    """What is entered into the ledger, and when; to be called within fleet.acting."""

    def __init__(self, fleet: Sequence[Device]) -> None:
        self._sites = sites()
        self._fleet = fleet
        self._entries: dict[date, list[tuple[Device, Happening]]] = {}
        for device in fleet:
            for happening in device.happenings:
                self._entries.setdefault(happening.day, []).append((device, happening))

    def open(self, connection: Connection[Any]) -> None:
        """Enter sites, their closures, models, and the devices that were there before the year."""
        for site in self._sites:
            opening = site.opening.text if site.opening else None
            connection.execute(SITE, (site.site_no, site.name_zh, site.name_en, site.kind, opening, ENTERED, ENTERED))
            for closure in site.closures:
                days = (closure.begins_on, closure.ends_on, closure.kind, closure.reason)
                connection.execute(CLOSURE, (*days, ENTERED, ENTERED, site.site_no))
        for model in MODELS.values():
            life = (model.service_life_months, model.min_firmware, model.support_ends_on)
            fate = (model.transport_security, model.withdrawn_on, ENTERED, ENTERED)
            connection.execute(MODEL, (model.model_no, model.kind, *life, *fate))
        _register(connection, [device for device in self._fleet if device.first_day is None], ENTERED)

    def enter(self, connection: Connection[Any], day: date) -> None:
        """Enter what becomes known on *day*, at ten in the morning."""
        moment = at(day, 10)
        if day == MIN_FIRMWARE_DAY:
            connection.execute(
                "UPDATE models SET min_firmware = '2.4.0', updated_at = %s WHERE model_no = 'SC-B'", (moment,)
            )
        new = [device for device in self._fleet if device.first_day == day]
        if new:
            _register(connection, new, at(day, 1))
        for device, happening in self._entries.get(day, []):
            _enter(connection, device.device_no, happening, moment)
        self._verify(connection, day, moment)
        asked = {site.site_no: site.lookups for site in self._sites if site.lookups and site.open_slots(day)}
        if asked:
            told = {"site_nos": list(asked), "lookups": list(asked.values())}
            connection.execute(LOOKUPS, {"day": day, "at": moment} | told)

    def _verify(self, connection: Connection[Any], day: date, moment: datetime) -> None:
        """The year's verification of a site's scales, but for those that are left out or have a fate of their own."""
        for site in self._sites:
            if site.verifies_on == day:
                but = [device.device_no for device in self._fleet if device.cohort in LEFT_OUT]
                connection.execute(VERIFIED, {"day": day, "at": moment, "site_no": site.site_no, "but": but})


def _register(connection: Connection[Any], devices: Sequence[Device], moment: datetime) -> None:
    connection.execute(DEVICE, (Jsonb(list(_rows(devices, moment))),))
    placed = {"device_nos": [device.device_no for device in devices], "at": moment}
    connection.execute(COMMISSIONED, placed)
    if moment > ENTERED:
        for device in devices:
            if device.replaces:
                connection.execute(FOLLOWS, {"device_no": device.device_no, "replaces": device.replaces})
        connection.execute(STOOD, placed)


def _rows(devices: Iterable[Device], moment: datetime) -> Iterator[dict[str, Any]]:
    for device in devices:
        named = {"device_no": device.device_no, "model_no": device.model.model_no, "site_no": device.site.site_no}
        dates = {
            name: value.isoformat() if isinstance(value, date) else value for name, value in device.columns.items()
        }
        yield named | {"entered_at": moment.isoformat()} | dates


def _enter(connection: Connection[Any], device_no: str, happening: Happening, moment: datetime) -> None:
    told = {"device_no": device_no, "at": moment, "to": happening.to_state, "reason": happening.reason}
    if happening.to_state is not None:
        connection.execute(STEP, told | {"cost_fen": happening.cost_fen})
        connection.execute(STATE, told)
        connection.execute(LEFT, told)
    if happening.values:
        columns = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in happening.values
        )
        statement = sql.SQL("UPDATE devices SET {}, updated_at = %(at)s WHERE device_no = %(device_no)s").format(
            columns
        )
        connection.execute(statement, told | dict(happening.values))
