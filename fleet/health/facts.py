"""What is known of each device that stands somewhere, in one query over what days came to: no telemetry is read."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

from fleet.business_day import today
from fleet.presence.presence import PRESENCE

# Complete days before today; today counts besides.
WINDOW_DAYS: Final = 7
# A third of what a logger reads in a day, each ten minutes: fewer say nothing of a sensor that sticks.
MANY_READINGS: Final = 48
_AT_ONCE: Final = 5000

FACTS: Final[LiteralString] = f"""
WITH days AS MATERIALIZED (
    SELECT device_id,
           sum(expected_slots)::int4 AS expected_slots, sum(online_slots)::int4 AS online_slots,
           sum(records)::int8 AS records, sum(late)::int8 AS late, sum(dead_lettered)::int8 AS dead_lettered,
           sum(conflicts)::int8 AS conflicts, sum(missing::float8) AS missing, sum(restarts)::int8 AS restarts,
           sum(trades)::int8 AS trades, sum(unprinted)::int8 AS unprinted,
           string_agg(array_to_string(error_codes, chr(31)), chr(30)) FILTER (WHERE error_codes <> '{{}}')
               AS error_days,
           min(battery_pct) FILTER (WHERE day >= %(today)s::date - 1) AS battery_pct,
           regr_slope(battery_pct, day - %(today)s::date) AS battery_slope, count(battery_pct)::int4 AS battery_days,
           sum(rssi_dbm::float8) / count(rssi_dbm) AS rssi_dbm,
           sum(readings)::int8 AS readings, sum(sensor_faults)::int8 AS sensor_faults,
           sum(temperature_jumps)::int8 AS temperature_jumps,
           max(day) FILTER (WHERE readings >= %(many)s::int4 AND day < %(today)s::date) AS read_on,
           min(day) FILTER (WHERE readings >= %(many)s::int4) AS first_read_on,
           max(day) FILTER (WHERE temperature_c_max > temperature_c_min) AS varied_on,
           max(day) FILTER (WHERE door_samples >= %(many)s::int4 AND day < %(today)s::date) AS door_on,
           min(day) FILTER (WHERE door_samples >= %(many)s::int4) AS first_door_on,
           max(day) FILTER (WHERE door_open_samples < door_samples) AS shut_on
    FROM device_days
    WHERE day BETWEEN %(first)s::date AND %(today)s::date
    GROUP BY device_id
)
SELECT d.device_id, m.kind, d.state, p.presence,
       (extract(epoch FROM p.presence_since) * 1000000)::int8 AS presence_since, p.excused_by,
       greatest(floor(extract(epoch FROM %(now)s::timestamptz - p.presence_since) / 3600), 0)::int4 AS presence_hours,
       w.expected_slots, w.online_slots, w.records, w.late, w.dead_lettered, w.conflicts, w.missing, w.restarts,
       w.trades, w.unprinted, w.error_days,
       coalesce((l.record ->> 'battery_pct')::float8, w.battery_pct) AS battery_pct, w.battery_slope, w.battery_days,
       w.rssi_dbm, coalesce(c.clock_offset_ms::float8, (l.record ->> 'clock_offset_ms')::float8) AS clock_offset_ms,
       (l.record ->> 'backlog')::float8 AS backlog, (l.record ->> 'storage_free_pct')::float8 AS storage_free_pct,
       w.readings, w.sensor_faults, w.temperature_jumps,
       w.read_on - coalesce(w.varied_on, w.first_read_on - 1) AS flat_days,
       w.door_on - coalesce(w.shut_on, w.first_door_on - 1) AS open_days,
       CASE WHEN isfinite(d.verified_until) THEN d.verified_until - %(today)s::date END AS verified_days,
       d.verification_result,
       coalesce(l.record ->> 'firmware', d.firmware) AS firmware, m.min_firmware,
       h.device_id IS NOT NULL AND h.presence = p.presence AND h.presence_since = p.presence_since
           AND h.excused_by IS NOT DISTINCT FROM p.excused_by AS same_line,
       h.score AS score_before, CASE WHEN h.reasons <> '[]' THEN h.reasons::text END AS reasons_before
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN ({PRESENCE}) AS p USING (device_id)
LEFT JOIN days AS w USING (device_id)
LEFT JOIN latest AS l ON l.device_id = d.device_id AND l.stream = 'status' AND l.probe = ''
                     AND l.received_at >= %(now)s::timestamptz - INTERVAL '2 days'
LEFT JOIN device_presence AS c ON c.device_id = d.device_id
LEFT JOIN device_health AS h ON h.device_id = d.device_id
WHERE is_placed(d.state)
"""  # noqa: S608 - constants in a constant


class Facts(NamedTuple):
    """A device's part of a row, in the order of the query's columns; sums are of the last seven days and today.

    What was never told is None. *presence_since* is in microseconds since 1970. *error_days* has the codes of a day
    apart by U+001F, days by U+001E: a code may hold blanks and commas. The last three are what was written of it
    before: whether the line is still the same, and the judgement.
    """

    device_id: int
    kind: str
    state: str = "in_service"
    presence: str = "online"
    presence_since: int = 0
    excused_by: str | None = None
    presence_hours: int = 0
    expected_slots: int | None = None
    online_slots: int | None = None
    records: int | None = None
    late: int | None = None
    dead_lettered: int | None = None
    conflicts: int | None = None
    missing: float | None = None
    restarts: int | None = None
    trades: int | None = None
    unprinted: int | None = None
    error_days: str | None = None
    battery_pct: float | None = None
    battery_slope: float | None = None
    battery_days: int | None = None
    rssi_dbm: float | None = None
    clock_offset_ms: float | None = None
    backlog: float | None = None
    storage_free_pct: float | None = None
    readings: int | None = None
    sensor_faults: int | None = None
    temperature_jumps: int | None = None
    flat_days: int | None = None
    open_days: int | None = None
    verified_days: int | None = None
    verification_result: str | None = None
    firmware: str | None = None
    min_firmware: str | None = None

    same_line: bool = False
    score_before: int | None = None
    reasons_before: str | None = None


def read(connection: Connection[Any], *, now: datetime) -> Iterator[Facts]:
    """The facts of each device that stands somewhere."""
    with connection.cursor(row_factory=_facts_of) as cursor:
        cursor.execute(FACTS, parameters(now))
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows


def _facts_of(_: object) -> Callable[[Sequence[Any]], Facts]:
    # Not by names: a hundred thousand rows have the columns in the same order.
    return Facts._make


def parameters(now: datetime) -> dict[str, object]:
    """What the query is given."""
    last = today(now)
    return {
        "now": now,
        "today": last,
        "first": last - timedelta(days=WINDOW_DAYS),
        "many": MANY_READINGS,
    }
