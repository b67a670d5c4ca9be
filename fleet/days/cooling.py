"""A day of each probe against its band: ``coldchain_days``, with excursions, doors, gaps and a mean.

A reading holds until the next that was read, for two intervals at most: nobody knows what was after that, so no
excursion spans a gap and no mean counts one; what held and what is missing make up the day. An excursion begins outside
the band and ends half a degree inside it, so that a store at its limit is not out a hundred times a day; it counts when
it lasted longer than is tolerated.
"""

from typing import Final, LiteralString

# Hysteresis: a default of ours 默认值, 可配置.
INSIDE_C: Final = 0.5
# A probe that falls silent is a gap for as long as its device is silent, over a week of days at most on which nothing
# is expected; one whose device goes on telling of others was taken away or renamed, and is one for a week.
REMEMBERED_DAYS: Final = 7
_DAY: Final[LiteralString] = "at >= %(begins)s::timestamptz AND at < %(ends)s::timestamptz"
_SECONDS: Final[LiteralString] = "extract(epoch FROM until - at)::float8"


def cool_of(some: LiteralString) -> LiteralString:
    """The statement that writes a day of all probes or, with a condition on `device_id`, of some devices'.

    `%(so_far)s` is the end of the day or, of the running one, now: what has not come yet is no gap.
    """
    return f"""
WITH told AS MATERIALIZED (
    SELECT c.device_id, coalesce(c.probe, '') AS probe, c.at, c.temperature_c, c.fault, c.door_open
    FROM coldchain AS c WHERE {_DAY} {some}
), bands AS MATERIALIZED (
    SELECT device_id, low_c, high_c, tolerated_seconds, 2 * make_interval(secs => interval_seconds) AS hold
    FROM device_bands WHERE true {some}
), read AS (
    SELECT device_id, probe, at, temperature_c, low_c, high_c, tolerated_seconds, hold,
           lag(at) OVER w AS before_at,
           coalesce(lead(at) OVER w, %(so_far)s::timestamptz) AS next_at,
           least(coalesce(lead(at) OVER w, greatest(at, %(so_far)s::timestamptz)), at + hold) AS until,
           CASE WHEN temperature_c > high_c OR temperature_c < low_c THEN true
                WHEN temperature_c <= high_c - {INSIDE_C} AND temperature_c >= low_c + {INSIDE_C} THEN false
           END AS is_out
    FROM told JOIN bands USING (device_id) WHERE temperature_c IS NOT NULL
    WINDOW w AS (PARTITION BY device_id, probe ORDER BY at)
), marked AS (
    SELECT *, count(*) FILTER (WHERE is_out IS NOT NULL OR coalesce(at - before_at > hold, true)) OVER w AS mark
    FROM read WINDOW w AS (PARTITION BY device_id, probe ORDER BY at)
), known AS (
    SELECT *, coalesce(first_value(is_out) OVER (PARTITION BY device_id, probe, mark ORDER BY at), false) AS was_out
    FROM marked
), parted AS (
    SELECT *, count(*) FILTER (WHERE NOT was_out OR coalesce(at - before_at > hold, true))
                  OVER (PARTITION BY device_id, probe ORDER BY at) AS part
    FROM known
), spells AS (
    SELECT device_id, probe, min(at) AS began_at, max(until) AS ended_at, sum({_SECONDS}) AS seconds,
           max(temperature_c) > min(high_c) AS is_warm,
           CASE WHEN max(temperature_c) > min(high_c) THEN max(temperature_c) ELSE min(temperature_c) END AS extreme_c
    FROM parted WHERE was_out
    GROUP BY device_id, probe, part HAVING sum({_SECONDS}) > min(tolerated_seconds)
), excursions AS (
    SELECT device_id, probe, jsonb_agg(jsonb_build_object(
               'began_at', began_at, 'ended_at', ended_at, 'seconds', round(seconds), 'extreme_c', extreme_c,
               'is_warm', is_warm) ORDER BY began_at) AS excursions
    FROM spells GROUP BY device_id, probe
), means AS (
    SELECT device_id, probe, sum({_SECONDS}) AS held, sum({_SECONDS} * temperature_c) AS temperature_sum,
           sum({_SECONDS} * kinetic_weight(temperature_c)) AS kinetic_sum,
           coalesce(sum({_SECONDS}) FILTER (WHERE temperature_c > high_c OR temperature_c < low_c), 0) AS outside,
           count(*) FILTER (WHERE next_at - at > hold)
               + count(*) FILTER (WHERE before_at IS NULL AND at - %(begins)s::timestamptz > hold) AS gaps,
           coalesce(sum(extract(epoch FROM next_at - until)) FILTER (WHERE next_at - at > hold), 0)::float8
               + coalesce(sum(extract(epoch FROM at - %(begins)s::timestamptz)) FILTER (
                     WHERE before_at IS NULL AND at - %(begins)s::timestamptz > hold), 0)::float8 AS gap_seconds
    FROM read GROUP BY device_id, probe
), doors AS (
    SELECT device_id, probe, door_open, at,
           least(coalesce(lead(at) OVER w, greatest(at, %(so_far)s::timestamptz)), at + hold) AS until,
           door_open AND NOT coalesce(lag(door_open) OVER w AND at - lag(at) OVER w <= hold, false) AS is_opening
    FROM told JOIN bands USING (device_id) WHERE door_open IS NOT NULL
    WINDOW w AS (PARTITION BY device_id, probe ORDER BY at)
), numbered AS (
    SELECT *, count(*) FILTER (WHERE is_opening) OVER (PARTITION BY device_id, probe ORDER BY at) AS opening FROM doors
), openings AS (
    SELECT device_id, probe, sum({_SECONDS}) AS seconds FROM numbered WHERE door_open
    GROUP BY device_id, probe, opening
), opened AS (
    SELECT device_id, probe, count(*) AS openings, sum(seconds) AS seconds, max(seconds) AS longest
    FROM openings GROUP BY device_id, probe
), counted AS (
    SELECT device_id, probe, count(temperature_c) AS readings, count(fault) AS faults, min(temperature_c) AS coldest,
           max(temperature_c) AS warmest
    FROM told GROUP BY device_id, probe
), remembered AS MATERIALIZED (
    SELECT device_id, probe, bool_or(readings + faults > 0) AS has_told FROM coldchain_days
    WHERE day BETWEEN %(day)s::date - {REMEMBERED_DAYS} AND %(day)s::date - 1 {some} GROUP BY device_id, probe
), probes AS (
    SELECT device_id, probe FROM counted
    UNION
    -- Those that told something before and not a word today, though something was expected: all of it is a gap.
    SELECT k.device_id, k.probe FROM remembered AS k JOIN device_days AS x USING (device_id)
    WHERE x.day = %(day)s::date AND x.expected_slots > 0 {some}
      AND (k.has_told OR k.device_id <> ALL (ARRAY(
          SELECT device_id FROM remembered WHERE has_told UNION SELECT device_id FROM counted)))
)
INSERT INTO coldchain_days AS kept (
    device_id, day, probe, low_c, high_c, readings, faults, temperature_c_min, temperature_c_max, held_seconds,
    temperature_sum, kinetic_sum, outside_seconds, excursions, door_openings, door_seconds, door_longest_seconds,
    gaps, gap_seconds)
SELECT device_id, %(day)s::date, probe, b.low_c, b.high_c, coalesce(c.readings, 0), coalesce(c.faults, 0),
       c.coldest, c.warmest,
       coalesce(m.held, 0), coalesce(m.temperature_sum, 0), coalesce(m.kinetic_sum, 0), coalesce(m.outside, 0),
       coalesce(e.excursions, '[]'), coalesce(o.openings, 0), coalesce(o.seconds, 0), coalesce(o.longest, 0),
       -- A probe that could not be read all day, or so far: one gap, once it is one.
       coalesce(m.gaps, CASE WHEN %(so_far)s::timestamptz - %(begins)s::timestamptz > b.hold THEN 1 ELSE 0 END),
       coalesce(m.gap_seconds, CASE WHEN %(so_far)s::timestamptz - %(begins)s::timestamptz > b.hold
           THEN extract(epoch FROM %(so_far)s::timestamptz - %(begins)s::timestamptz) ELSE 0 END::float8)
FROM probes JOIN bands AS b USING (device_id) LEFT JOIN counted AS c USING (device_id, probe)
LEFT JOIN means AS m USING (device_id, probe)
LEFT JOIN excursions AS e USING (device_id, probe) LEFT JOIN opened AS o USING (device_id, probe)
ORDER BY device_id, probe
ON CONFLICT (device_id, day, probe) DO UPDATE SET
    low_c = excluded.low_c, high_c = excluded.high_c, readings = excluded.readings, faults = excluded.faults,
    temperature_c_min = excluded.temperature_c_min, temperature_c_max = excluded.temperature_c_max,
    held_seconds = excluded.held_seconds, temperature_sum = excluded.temperature_sum,
    kinetic_sum = excluded.kinetic_sum, outside_seconds = excluded.outside_seconds, excursions = excluded.excursions,
    door_openings = excluded.door_openings, door_seconds = excluded.door_seconds,
    door_longest_seconds = excluded.door_longest_seconds, gaps = excluded.gaps, gap_seconds = excluded.gap_seconds
WHERE (kept.*) IS DISTINCT FROM (excluded.*)
"""  # noqa: S608 - constants of ours


COOL: Final[LiteralString] = cool_of("")
COOL_SOME: Final[LiteralString] = cool_of("AND device_id = ANY (%(device_ids)s::int4[])")
