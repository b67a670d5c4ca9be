"""A day of the telemetry, rolled up: ``device_days``, from which everything that judges devices reads.

Beside it the days of cold stores and of trades, which people look at: :mod:`fleet.days.cooling`,
:mod:`fleet.days.trading`.

A handful of statements, whatever the number of devices, each over the day's span of time alone.

A device is expected in a slot when its site is open, no outage excuses it, the slot is over, and the device was in
service throughout. When that was is told by its steps on record; before the first of them it was what that one left.
A change of state that left no step counts from ``state_since``. Without any step it counts from the latest of its
entry, ``state_since`` and the day of its commissioning: nobody answers for days on which nobody knew of it. The site
is the one where it stood last that day. It gets a row when it stood at its place (in whatever condition), or was heard.

The gaps in a boot's numbers belong to the day of its last record so far; conflicts and dead letters to the day on which
they came; all else to the day on which it was made.
"""

import time
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

from psycopg import Connection

from fleet.business_day import begin_of
from fleet.days.calendar import reckon_sites
from fleet.days.cooling import COOL, COOL_SOME
from fleet.days.day import DAY, NO_SLOT, slots_between, slots_over
from fleet.days.sources import bounded, of_the_boots, of_the_letters, of_the_streams
from fleet.days.trading import TRADE, TRADE_SOME
from fleet.presence.gaps import detect_day

# Whole slots alone count for or against anybody.
_FIRST: Final[LiteralString] = (
    "ceil(extract(epoch FROM greatest(since, %(begins)s::timestamptz) - %(begins)s::timestamptz) / 300)::int"
)
_AFTER: Final[LiteralString] = (
    "CASE WHEN until < %(ends)s::timestamptz"
    " THEN floor(extract(epoch FROM until - %(begins)s::timestamptz) / 300)::int ELSE 288 END"
)
_SET: Final[LiteralString] = """
    site_id = excluded.site_id, expected_slots = excluded.expected_slots, online_slots = excluded.online_slots,
    heard_slots = excluded.heard_slots, records = excluded.records, late = excluded.late,
    dead_lettered = excluded.dead_lettered, conflicts = excluded.conflicts, missing = excluded.missing,
    restarts = excluded.restarts, trades = excluded.trades, unprinted = excluded.unprinted, scans = excluded.scans,
    lookups = excluded.lookups, scan_errors = excluded.scan_errors, statuses = excluded.statuses,
    error_codes = excluded.error_codes, firmware = excluded.firmware, battery_pct = excluded.battery_pct,
    rssi_dbm = excluded.rssi_dbm, clock_offset_ms = excluded.clock_offset_ms, backlog = excluded.backlog,
    storage_free_pct = excluded.storage_free_pct, readings = excluded.readings, sensor_faults = excluded.sensor_faults,
    temperature_c_min = excluded.temperature_c_min, temperature_c_max = excluded.temperature_c_max,
    temperature_jumps = excluded.temperature_jumps, door_samples = excluded.door_samples,
    door_open_samples = excluded.door_open_samples"""


def roll_of(some: LiteralString) -> LiteralString:
    """The statement that rolls a day up, of all devices or, with a condition on `device_id`, of some."""
    return f"""
WITH walked AS (
    SELECT device_id, d.state AS present, d.state_since, t.from_state, t.to_state, t.at,
           lead(t.at) OVER w AS left_at, row_number() OVER w = 1 AS is_first,
           lead(device_id) OVER w IS NULL AS is_last, d.created_at,
           d.commissioned_on::timestamp AT TIME ZONE 'Asia/Shanghai' AS commissioned_at
    FROM devices AS d LEFT JOIN device_transitions AS t USING (device_id)
    WHERE true {some}
    WINDOW w AS (PARTITION BY device_id ORDER BY t.transition_id)
), spans AS (
    SELECT device_id, s.state, s.since, s.until
    FROM walked CROSS JOIN LATERAL (VALUES
        (CASE WHEN is_first THEN from_state END, created_at, at),
        (to_state, at, coalesce(left_at, CASE WHEN present <> to_state THEN greatest(state_since, at) END)),
        (CASE WHEN is_last AND present IS DISTINCT FROM to_state THEN present END,
         greatest(state_since, at, CASE WHEN at IS NULL THEN greatest(created_at, commissioned_at) END), NULL)
    ) AS s (state, since, until)
    WHERE s.state IS NOT NULL AND s.since < %(ends)s::timestamptz
      AND (s.until IS NULL OR s.until > %(begins)s::timestamptz)
), lives AS (
    SELECT device_id, bool_or(is_placed(state)) AS placed,
           bit_or({slots_between(_FIRST, _AFTER)}) FILTER (WHERE state = 'in_service') AS served
    FROM spans GROUP BY device_id
), stood AS (
    SELECT DISTINCT ON (device_id) device_id, site_id
    FROM device_placements
    WHERE since < %(ends)s::timestamptz AND (until IS NULL OR until > %(begins)s::timestamptz) {some}
    ORDER BY device_id, since DESC
), slots AS MATERIALIZED (
    SELECT device_id, heard FROM presence_slots WHERE day = %(day)s::date {some}
), {of_the_streams(some)}, {of_the_letters(some)}, {of_the_boots(some)}, reckoned AS (
    SELECT device_id, coalesce(p.site_id, d.site_id) AS site_id, coalesce(lives.placed, false) AS placed,
           coalesce(lives.served, {NO_SLOT}) & {slots_between("0", "%(over)s::int")} AS served,
           coalesce(slots.heard, {NO_SLOT}) AS heard
    FROM devices AS d LEFT JOIN lives USING (device_id) LEFT JOIN stood AS p USING (device_id)
    LEFT JOIN slots USING (device_id)
    WHERE true {some}
)
INSERT INTO device_days AS kept (
    device_id, day, site_id, expected_slots, online_slots, heard_slots, records, late, dead_lettered, conflicts,
    missing, restarts, trades, unprinted, scans, lookups, scan_errors, statuses, error_codes, firmware, battery_pct,
    rssi_dbm, clock_offset_ms, backlog, storage_free_pct, readings, sensor_faults, temperature_c_min, temperature_c_max,
    temperature_jumps, door_samples, door_open_samples)
SELECT device_id, %(day)s::date, r.site_id,
       coalesce(bit_count(r.served & s.open & ~s.excused), 0),
       coalesce(bit_count(r.served & s.open & ~s.excused & r.heard), 0), bit_count(r.heard),
       coalesce(w.records, 0) + coalesce(c.records, 0) + coalesce(t.records, 0) + coalesce(u.records, 0),
       coalesce(w.late, 0) + coalesce(c.late, 0) + coalesce(t.late, 0) + coalesce(u.late, 0),
       coalesce(l.letters, 0), coalesce(x.conflicts, 0), coalesce({bounded("b.missing")}, 0), coalesce(b.restarts, 0),
       coalesce(w.trades, 0), coalesce(w.unprinted, 0), coalesce(c.records, 0), coalesce(c.lookups, 0),
       coalesce(c.errors, 0), coalesce(u.records, 0), coalesce(e.codes, '{{}}'), u.firmware[2],
       coalesce(u.battery[2], t.battery[2]), u.rssi[2],
       {bounded("u.clock_offset[2]")}, {bounded("u.backlog[2]")}, u.storage[2],
       coalesce(t.readings, 0), coalesce(t.faults, 0), t.coldest, t.warmest, coalesce(t.jumps, 0),
       coalesce(t.door_samples, 0), coalesce(t.door_open_samples, 0)
FROM reckoned AS r
LEFT JOIN site_days AS s ON s.site_id = r.site_id AND s.day = %(day)s::date
LEFT JOIN weighed AS w USING (device_id) LEFT JOIN scanned AS c USING (device_id)
LEFT JOIN cooled AS t USING (device_id) LEFT JOIN told AS u USING (device_id)
LEFT JOIN complained AS e USING (device_id) LEFT JOIN refused AS l USING (device_id)
LEFT JOIN contradicted AS x USING (device_id) LEFT JOIN booted AS b USING (device_id)
WHERE r.placed OR r.heard <> {NO_SLOT} OR w.device_id IS NOT NULL OR c.device_id IS NOT NULL
   OR t.device_id IS NOT NULL OR u.device_id IS NOT NULL OR l.device_id IS NOT NULL OR x.device_id IS NOT NULL
   OR b.device_id IS NOT NULL
ORDER BY device_id
ON CONFLICT (device_id, day) DO UPDATE SET {_SET}
WHERE (kept.*) IS DISTINCT FROM (excluded.*)
"""  # noqa: S608 - constants of ours


ROLL: Final[LiteralString] = roll_of("")
ROLL_SOME: Final[LiteralString] = roll_of("AND device_id = ANY (%(device_ids)s::int4[])")
# Sums of the day are joined device by device. Left to itself, the planner takes what was filled just now for a handful
# of rows, and looks each device up in all the others. Memory for the sums of a hundred thousand devices, of one leader.
WITHOUT_LOOPS: Final = "SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)"
AS_USUAL: Final = "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL work_mem TO DEFAULT"
COUNT: Final = "SELECT count(*) FROM device_days WHERE day = %(day)s::date"
NOTE: Final = """
INSERT INTO rolled_days (day, rolled_at, devices, seconds)
VALUES (%(day)s::date, %(now)s::timestamptz, %(devices)s::int4, %(seconds)s::float4)
ON CONFLICT (day) DO UPDATE SET rolled_at = excluded.rolled_at, devices = excluded.devices, seconds = excluded.seconds
"""


def roll(
    connection: Connection[Any],
    day: date,
    *,
    now: datetime,
    device_ids: Sequence[int] | None = None,
    present_hours: bool = False,
) -> int:
    """Write what *day* comes to for every site and device, as known at *now*; how many rows of devices were written.

    Rolling again gives the same rows, and writes none where nothing has changed. With *device_ids* only theirs; sites
    keep what was reckoned of them before. With *present_hours* hours and status of sites as they are entered now count
    for a day that is past, too. To be called in a transaction.
    """
    started = time.monotonic()
    begins = begin_of(day)
    if present_hours:
        reckon_sites(connection, day, now=now, present_hours=True)
    if device_ids is None and begins + DAY <= now:
        detect_day(connection, day, now=now)
    reckon_sites(connection, day, now=now, anew=device_ids is None)
    asked = {"day": day, "begins": begins, "ends": begins + DAY, "over": slots_over(day, now)}
    asked["so_far"] = min(begins + DAY, now)
    connection.execute(WITHOUT_LOOPS)
    if device_ids is not None:
        asked["device_ids"] = list(device_ids)
        written = connection.execute(ROLL_SOME, asked).rowcount
        connection.execute(COOL_SOME, asked)
        connection.execute(TRADE_SOME, asked)
        connection.execute(AS_USUAL)
        return written
    written = connection.execute(ROLL, asked).rowcount
    connection.execute(COOL, asked)
    connection.execute(TRADE, asked)
    connection.execute(AS_USUAL)
    found = connection.execute(COUNT, {"day": day}).fetchone()
    devices = int(found[0]) if found is not None else 0
    seconds = time.monotonic() - started
    connection.execute(NOTE, {"day": day, "now": now, "devices": devices, "seconds": seconds})
    return written
