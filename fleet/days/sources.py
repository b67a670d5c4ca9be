"""What each table says of a day, a row a device: parts of the one statement of :mod:`fleet.days.rolling`.

Every part reads the day's span of its time column alone: an index over blocks, a hypertable's chunks, or, where some
devices are asked for, the index over device and time. No part sorts a day: the last value of a day is the greatest
pair of time and value.
"""

from typing import Final, LiteralString

# No air in a store warms or cools by more than 5 °C, and by 2.5 °C a minute: a door left open takes longer. What does
# is a probe that is broken, or was moved.
JUMP_C: Final = 5.0
JUMP_C_PER_SECOND: Final = 2.5 / 60
# What a device gone mad tells is kept as no more than this, which a float and a bigint have room for: one device must
# not keep the day of all from being written.
MOST: Final = 10**18
# Refused for what they are, not for what they said, or by a mistake of ours.
NOT_ITS_FAULT: Final[LiteralString] = "'unknown_device', 'retired_device', 'crashed'"

_DAY: Final[LiteralString] = "at >= %(begins)s::timestamptz AND at < %(ends)s::timestamptz"
_CAME: Final[LiteralString] = "received_at >= %(begins)s::timestamptz AND received_at < %(ends)s::timestamptz"
_LATE: Final[LiteralString] = "count(*) FILTER (WHERE received_at - at > INTERVAL '5 minutes') AS late"


def last_of(column: LiteralString) -> LiteralString:
    """The last value of *column*, a number, as the second item of an array."""
    return f"max(ARRAY[extract(epoch FROM at)::float8, {column}::float8]) FILTER (WHERE {column} IS NOT NULL)"


def bounded(number: LiteralString) -> LiteralString:
    """*number* as a bigint, no further from zero than MOST. Not by least and greatest, which pass NULL over."""
    return f"(CASE WHEN abs({number}) > {MOST} THEN sign({number}) * {MOST} ELSE {number} END)::int8"


def of_the_streams(some: LiteralString) -> LiteralString:
    """One part for each stream: `weighed`, `scanned`, `cooled`, `told`, and `complained`, the codes of the errors."""
    return f"""weighed AS MATERIALIZED (
    SELECT device_id, count(*) AS records, {_LATE},
           count(*) FILTER (WHERE kind = 'sale' AND net_g > 0) AS trades,
           count(*) FILTER (WHERE kind = 'sale' AND net_g > 0 AND NOT printed) AS unprinted
    FROM weighing WHERE {_DAY} {some} GROUP BY device_id
), scanned AS MATERIALIZED (
    SELECT device_id, count(*) AS records, {_LATE}, count(*) FILTER (WHERE purpose = 'lookup') AS lookups,
           count(*) FILTER (WHERE result = 'error') AS errors
    FROM scan WHERE {_DAY} {some} GROUP BY device_id
), cooled AS MATERIALIZED (
    SELECT device_id, count(*) AS records, {_LATE}, count(temperature_c) AS readings, count(fault) AS faults,
           min(temperature_c) AS coldest, max(temperature_c) AS warmest, {last_of("battery_pct")} AS battery,
           count(door_open) AS door_samples, count(*) FILTER (WHERE door_open) AS door_open_samples,
           count(*) FILTER (
               WHERE abs(temperature_c - before_c) > greatest(
                   {JUMP_C}, {JUMP_C_PER_SECOND} * extract(epoch FROM at - before_at)::float8)) AS jumps
    FROM (
        SELECT device_id, at, received_at, temperature_c, fault, battery_pct, door_open,
               lag(temperature_c) OVER by_probe AS before_c, lag(at) OVER by_probe AS before_at
        FROM coldchain WHERE {_DAY} {some}
        -- Readings that failed are apart, so that the one before is always one that was read.
        WINDOW by_probe AS (PARTITION BY device_id, probe, temperature_c IS NULL ORDER BY at)
    ) AS readings GROUP BY device_id
), told AS MATERIALIZED (
    SELECT device_id, count(*) AS records, {_LATE},
           max(ARRAY[(extract(epoch FROM at) * 1000000)::int8::text, firmware] COLLATE "C")
               FILTER (WHERE firmware IS NOT NULL) AS firmware,
           {last_of("battery_pct")} AS battery, {last_of("rssi_dbm")} AS rssi,
           {last_of("clock_offset_ms")} AS clock_offset, {last_of("backlog")} AS backlog,
           {last_of("storage_free_pct")} AS storage
    FROM status WHERE {_DAY} {some} GROUP BY device_id
), complained AS MATERIALIZED (
    SELECT device_id, array_agg(DISTINCT code ORDER BY code) AS codes
    FROM status CROSS JOIN LATERAL unnest(errors) AS code
    WHERE {_DAY} AND errors <> '{{}}' {some} GROUP BY device_id
)"""  # noqa: S608 - constants of ours


def of_the_letters(some: LiteralString) -> LiteralString:
    """Two parts: `refused`, records that became dead letters, and `contradicted`, which contradict what is stored."""
    return f"""refused AS MATERIALIZED (
    SELECT device_id, sum(records)::int AS letters
    FROM dead_letters JOIN devices USING (device_no)
    WHERE {_CAME} AND reason NOT IN ({NOT_ITS_FAULT}) {some} GROUP BY device_id
), contradicted AS MATERIALIZED (
    SELECT device_id, count(*) AS conflicts FROM conflicts WHERE {_CAME} {some} GROUP BY device_id
)"""  # noqa: S608 - constants of ours


def of_the_boots(some: LiteralString) -> LiteralString:
    """One part, `booted`: how often it powered up, and how many numbers its boots of the day lack."""
    first = "first_received_at >= %(begins)s::timestamptz AND first_received_at < %(ends)s::timestamptz"
    last = "last_at >= %(begins)s::timestamptz AND last_at < %(ends)s::timestamptz"
    return f"""booted AS MATERIALIZED (
    SELECT device_id, count(*) FILTER (WHERE {first}) AS restarts,
           sum(CASE WHEN {last} THEN (
               SELECT upper(seen) - lower(seen) - sum(upper(part) - lower(part)) FROM unnest(seen) AS part
               WHERE NOT upper_inf(part)
           ) END) AS missing
    FROM boots WHERE (({first}) OR ({last})) {some} GROUP BY device_id
)"""  # noqa: S608 - constants of ours
