"""The facts of devices as of a day, in one query: over the days of devices, the ledger, and nobody's telemetry.

For a day that is past, a device's state and its site are those of that day, read backwards from its transitions and
placements; what the ledger says of the device and its model (firmware that was never told, dates, values) is today's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.business_day import begin_of
from fleet.obsolescence.facts import FIRMWARE_DAYS, Facts, Windows

# Sums for 100,000 devices are kept in memory; the server's few megabytes would write them to disk and back.
ROOM: Final = "SELECT set_config('work_mem', '128MB', true)"

_OF_THESE: Final[LiteralString] = "AND device_id = ANY(%(device_ids)s::int4[])"


def _finite(column: LiteralString) -> LiteralString:
    """A day for ever, or since ever, is a day that nobody knows."""
    return f"CASE WHEN isfinite({column}) THEN {column} END"


_FACTS: Final[LiteralString] = f"""
WITH days AS (
    SELECT device_id,
           count(*) FILTER (WHERE day >= %(dormant_from)s::date AND expected_slots > 0) AS dormant_open_days,
           %(day)s::date - min(day) + 1 AS dormant_days,
           sum(trades) FILTER (WHERE day >= %(dormant_from)s::date) AS dormant_trades,
           sum(lookups) FILTER (WHERE day >= %(dormant_from)s::date) AS dormant_lookups,
           sum(scans - scan_errors) FILTER (WHERE day >= %(dormant_from)s::date) AS dormant_scans,
           sum(expected_slots) FILTER (WHERE day >= %(unavailable_from)s::date) AS unavailable_expected_slots,
           sum(online_slots) FILTER (WHERE day >= %(unavailable_from)s::date) AS unavailable_online_slots,
           count(*) FILTER (WHERE day >= %(unavailable_from)s::date AND expected_slots > 0)
               AS unavailable_expected_days,
           sum(records + dead_lettered + conflicts) FILTER (WHERE day >= %(error_rate_from)s::date)
               AS error_rate_records,
           sum(dead_lettered + conflicts + scan_errors + sensor_faults) FILTER (WHERE day >= %(error_rate_from)s::date)
               AS error_rate_errors,
           count(*) FILTER (WHERE day >= %(replaced_function_from)s::date AND expected_slots > 0)
               AS replaced_function_open_days,
           sum(lookups) FILTER (WHERE day >= %(replaced_function_from)s::date) AS replaced_function_lookups,
           sum(readings) FILTER (WHERE day >= %(dying_from)s::date) AS dying_readings,
           sum(sensor_faults) FILTER (WHERE day >= %(dying_from)s::date) AS dying_sensor_faults,
           count(*) FILTER (WHERE day >= %(dying_from)s::date AND readings >= %(flat_readings)s::int
                              AND temperature_c_min = temperature_c_max) AS dying_flat_days,
           sum(temperature_jumps) FILTER (WHERE day >= %(dying_from)s::date) AS dying_jumps,
           max((to_char(day, 'YYYYMMDD') || firmware) COLLATE "C")
               FILTER (WHERE day >= %(firmware_from)s::date AND firmware IS NOT NULL) AS firmware,
           sum(expected_slots) FILTER (WHERE day >= %(firmware_from)s::date) AS firmware_expected_slots
    FROM device_days
    WHERE day BETWEEN %(first)s::date AND %(day)s::date -- of these: days
    GROUP BY device_id
), mended AS (
    SELECT device_id, count(*) FILTER (WHERE to_state = 'repairing') AS repairs, sum(cost_fen) AS repairs_cost_fen
    FROM device_transitions
    WHERE at >= %(repairs_from)s::timestamptz AND at < %(ends)s::timestamptz
      AND (to_state = 'repairing' OR from_state = 'repairing') -- of these: mended
    GROUP BY device_id
), since_then AS (
    -- What came after the day, read backwards: the first step after it tells the state before it.
    SELECT DISTINCT ON (device_id) device_id, from_state AS state FROM device_transitions
    WHERE at >= %(ends)s::timestamptz -- of these: since_then
    ORDER BY device_id, transition_id
), moved_since AS (
    SELECT DISTINCT ON (device_id) device_id, site_id FROM device_placements
    WHERE until >= %(ends)s::timestamptz AND since < %(ends)s::timestamptz -- of these: moved_since
    ORDER BY device_id, since DESC
), by_qr AS (
    SELECT site_id, sum(lookups) AS lookups FROM site_lookups
    WHERE day BETWEEN %(replaced_function_from)s::date AND %(day)s::date AND channel = 'qr' GROUP BY site_id
)
SELECT d.device_id, d.device_no, k.kind, %(day)s::date AS day, s.site_id, k.name_zh AS kind_zh, k.name_en AS kind_en,
       m.model_no, s.region_code, CASE WHEN b.device_id IS NULL THEN d.state ELSE b.state END AS state,
       {_finite("d.acquired_on")} AS acquired_on, {_finite("d.accepted_on")} AS accepted_on,
       {_finite("d.commissioned_on")} AS commissioned_on,
       coalesce(d.min_service_months, m.service_life_months) AS service_life_months, d.original_value_fen,
       d.exemption_document, {_finite("d.verified_until")} AS verified_until, d.verification_result,
       -- While its site was closed it could not tell of its firmware, and what the ledger says may be long past.
       coalesce(substr(w.firmware, 9), CASE WHEN w.firmware_expected_slots > 0 THEN d.firmware END) AS firmware,
       m.min_firmware, m.transport_security,
       {_finite("m.support_ends_on")} AS support_ends_on, {_finite("m.withdrawn_on")} AS withdrawn_on,
       coalesce(w.dormant_days, 0)::int8 AS dormant_days,
       coalesce(w.dormant_open_days, 0)::int8 AS dormant_open_days,
       coalesce(w.dormant_trades, 0)::int8 AS dormant_trades,
       coalesce(w.dormant_lookups, 0)::int8 AS dormant_lookups,
       coalesce(w.dormant_scans, 0)::int8 AS dormant_scans,
       coalesce(w.unavailable_expected_slots, 0)::int8 AS unavailable_expected_slots,
       coalesce(w.unavailable_online_slots, 0)::int8 AS unavailable_online_slots,
       coalesce(w.unavailable_expected_days, 0)::int8 AS unavailable_expected_days,
       coalesce(w.error_rate_records, 0)::int8 AS error_rate_records,
       coalesce(w.error_rate_errors, 0)::int8 AS error_rate_errors,
       coalesce(w.replaced_function_open_days, 0)::int8 AS replaced_function_open_days,
       coalesce(w.replaced_function_lookups, 0)::int8 AS replaced_function_lookups,
       coalesce(q.lookups, 0)::int8 AS replaced_function_qr_lookups,
       coalesce(w.dying_readings, 0)::int8 AS dying_readings,
       coalesce(w.dying_sensor_faults, 0)::int8 AS dying_sensor_faults,
       coalesce(w.dying_flat_days, 0)::int8 AS dying_flat_days,
       coalesce(w.dying_jumps, 0)::int8 AS dying_jumps,
       coalesce(r.repairs, 0)::int8 AS repairs,
       coalesce(r.repairs_cost_fen, 0)::int8 AS repairs_cost_fen
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN kinds AS k USING (kind)
LEFT JOIN since_then AS b USING (device_id)
LEFT JOIN moved_since AS p USING (device_id)
JOIN sites AS s ON s.site_id = coalesce(p.site_id, d.site_id)
LEFT JOIN days AS w USING (device_id)
LEFT JOIN mended AS r USING (device_id)
LEFT JOIN by_qr AS q ON q.site_id = s.site_id
-- Not those whose life is over or not begun, and not those whose case is being carried out: they are silent by order.
WHERE CASE WHEN b.device_id IS NULL THEN d.state ELSE b.state END
          NOT IN ('draft', 'pending_disposal', 'disposed', 'lost')
  AND (d.decommissioned_at IS NULL OR d.decommissioned_at >= %(ends)s::timestamptz) -- of these: devices
ORDER BY d.device_id
"""  # noqa: S608 - constants of ours
FACTS: Final[LiteralString] = _FACTS
FACTS_OF: Final[LiteralString] = (
    _FACTS.replace("-- of these: days", _OF_THESE)
    .replace("-- of these: mended", _OF_THESE)
    .replace("-- of these: since_then", _OF_THESE)
    .replace("-- of these: moved_since", _OF_THESE)
    .replace("-- of these: devices", "AND d.device_id = ANY(%(device_ids)s::int4[])")
)


def gather(
    connection: Connection[Any], day: date, windows: Windows, device_ids: Sequence[int] | None = None
) -> Iterator[Facts]:
    """The facts of every device that can be judged on *day*, or of those of *device_ids*, in the order of their ids."""
    asked = parameters(day, windows) | ({} if device_ids is None else {"device_ids": list(device_ids)})
    with connection.cursor(row_factory=class_row(Facts)) as cursor:
        with connection.transaction():
            connection.execute(ROOM)
            # Planned for these days: a plan for any days would not know that there are few of them.
            cursor.execute(FACTS if device_ids is None else FACTS_OF, asked, prepare=False)
        yield from cursor


def parameters(day: date, windows: Windows) -> dict[str, Any]:
    """What the query is given: the first day of each window, and the instants that bound them."""
    looks = asdict(windows)
    flat_readings = looks.pop("flat_readings")
    firsts = {f"{rule}_from": first_day(day, days) for rule, days in looks.items()}
    return firsts | {
        "day": day,
        "ends": begin_of(day + timedelta(days=1)),
        "first": first_day(day, windows.of_days),
        "firmware_from": first_day(day, FIRMWARE_DAYS),
        "repairs_from": begin_of(firsts["repairs_from"]),
        "flat_readings": flat_readings,
    }


def first_day(day: date, days: int) -> date:
    """The first of so many days of which *day* is the last."""
    return day - timedelta(days=days - 1)
