"""What proves a finding: the query that a person can run to see its numbers, and a few days or steps that show it.

Each query answers one row whose columns are the numbers of its rule, by the same names.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, LiteralString

from psycopg import ClientCursor, Connection

from fleet.obsolescence.facts import FIRMWARE_DAYS, Windows
from fleet.obsolescence.gathering import first_day
from fleet.obsolescence.judging import Ground
from fleet.obsolescence.planning import Judged

SAMPLE_ROWS: Final = 5

_DAYS: Final[LiteralString] = """
FROM device_days WHERE device_id = %(device_id)s::int AND day BETWEEN %(first)s::date AND %(last)s::date"""
_LEDGER: Final[LiteralString] = """
FROM devices AS d JOIN models AS m USING (model_id) WHERE d.device_id = %(device_id)s::int"""
QUERIES: Final[Mapping[str, LiteralString]] = {
    "forbidden_kind": f"""SELECT m.kind, coalesce(d.acquired_on, d.accepted_on, d.commissioned_on) AS acquired_on,
       d.exemption_document {_LEDGER}""",
    "model_withdrawn": f"SELECT m.withdrawn_on {_LEDGER}",
    "dormant": f"""SELECT count(*) FILTER (WHERE expected_slots > 0) AS open_days, sum(trades) AS trades,
       sum(lookups) AS lookups, sum(scans - scan_errors) AS scans {_DAYS}""",
    "replaced_function": f"""SELECT count(*) FILTER (WHERE expected_slots > 0) AS open_days, sum(lookups) AS lookups,
       (SELECT sum(q.lookups) FROM site_lookups AS q WHERE q.site_id = %(site_id)s::int AND q.channel = 'qr'
          AND q.day BETWEEN %(first)s::date AND %(last)s::date) AS qr_lookups {_DAYS}""",  # noqa: S608 - constants
    "unavailable": f"""SELECT count(*) FILTER (WHERE expected_slots > 0) AS expected_days,
       sum(expected_slots) AS expected_slots, sum(online_slots) AS online_slots,
       round(100.0 * sum(online_slots) / nullif(sum(expected_slots), 0), 1) AS availability_pct {_DAYS}""",
    "dying": f"""SELECT sum(readings) AS readings, sum(sensor_faults) AS sensor_faults,
       round(100.0 * sum(sensor_faults) / nullif(sum(readings + sensor_faults), 0), 1) AS fault_pct,
       count(*) FILTER (WHERE readings >= %(flat_readings)s::int AND temperature_c_min = temperature_c_max)
           AS flat_days,
       sum(temperature_jumps) AS jumps {_DAYS}""",
    "repairs": """SELECT count(*) FILTER (WHERE t.to_state = 'repairing') AS repairs,
       coalesce(sum(t.cost_fen), 0) AS cost_fen, max(d.original_value_fen) AS original_value_fen
FROM device_transitions AS t JOIN devices AS d USING (device_id)
WHERE t.device_id = %(device_id)s::int AND 'repairing' IN (t.from_state, t.to_state)
  AND t.at >= %(first)s::date::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND t.at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'""",
    "firmware_behind": f"""SELECT coalesce((SELECT y.firmware FROM device_days AS y
         WHERE y.device_id = d.device_id AND y.firmware IS NOT NULL
           AND y.day BETWEEN %(firmware_from)s::date AND %(day)s::date ORDER BY y.day DESC LIMIT 1), d.firmware)
       AS firmware, m.min_firmware, m.transport_security {_LEDGER}""",  # noqa: S608 - constants
    "error_rate": f"""SELECT sum(records + dead_lettered + conflicts) AS records,
       sum(dead_lettered + conflicts + scan_errors + sensor_faults) AS errors,
       round(100.0 * sum(dead_lettered + conflicts + scan_errors + sensor_faults)
             / nullif(sum(records + dead_lettered + conflicts), 0), 1) AS error_pct {_DAYS}""",
    "verification": f"SELECT d.verification_result, d.verified_until {_LEDGER}",
    "past_service_life": """SELECT coalesce(d.commissioned_on, d.accepted_on, d.acquired_on) AS in_use_since,
       (extract(year FROM lived) * 12 + extract(month FROM lived))::int AS months_in_use,
       coalesce(d.min_service_months, m.service_life_months) AS service_life_months
FROM devices AS d JOIN models AS m USING (model_id)
CROSS JOIN LATERAL age(%(day)s::date, coalesce(d.commissioned_on, d.accepted_on, d.acquired_on)) AS lived
WHERE d.device_id = %(device_id)s::int""",
    "support_ended": f"SELECT m.support_ends_on {_LEDGER}",
}


def _of_days(shown: LiteralString, order: LiteralString) -> LiteralString:
    return f"""
SELECT device_id, jsonb_agg(shown ORDER BY place) AS sample
FROM (SELECT device_id, jsonb_build_object('day', day, {shown}) AS shown,
             row_number() OVER (PARTITION BY device_id ORDER BY {order}) AS place
      FROM device_days
      WHERE device_id = ANY(%(device_ids)s::int4[]) AND day BETWEEN %(first)s::date AND %(last)s::date
        AND expected_slots > 0) AS few
WHERE place <= %(rows)s::int GROUP BY device_id
"""  # noqa: S608 - constants


SAMPLES: Final[Mapping[str, LiteralString]] = {
    "dormant": _of_days(
        """'expected_slots', expected_slots, 'online_slots', online_slots, 'trades', trades, 'lookups', lookups,
           'scans', scans""",
        "day DESC",
    ),
    "replaced_function": _of_days("'lookups', lookups", "day DESC"),
    "unavailable": _of_days(
        "'expected_slots', expected_slots, 'online_slots', online_slots",
        "online_slots::real / expected_slots, day DESC",
    ),
    "error_rate": _of_days(
        """'records', records, 'dead_lettered', dead_lettered, 'conflicts', conflicts, 'scan_errors', scan_errors,
           'sensor_faults', sensor_faults""",
        "dead_lettered + conflicts + scan_errors + sensor_faults DESC, day DESC",
    ),
    "dying": _of_days(
        """'readings', readings, 'sensor_faults', sensor_faults, 'temperature_c_min', temperature_c_min,
           'temperature_c_max', temperature_c_max, 'jumps', temperature_jumps""",
        "sensor_faults DESC, temperature_c_max - temperature_c_min, day DESC",
    ),
    "repairs": """
SELECT device_id, jsonb_agg(shown ORDER BY place) AS sample
FROM (SELECT device_id, jsonb_build_object('at', at, 'from_state', from_state, 'to_state', to_state, 'reason', reason,
                                           'document', document, 'cost_fen', cost_fen) AS shown,
             row_number() OVER (PARTITION BY device_id ORDER BY transition_id DESC) AS place
      FROM device_transitions
      WHERE device_id = ANY(%(device_ids)s::int4[]) AND 'repairing' IN (from_state, to_state)
        AND at >= %(first)s::date::timestamp AT TIME ZONE 'Asia/Shanghai'
        AND at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai') AS few
WHERE place <= %(rows)s::int GROUP BY device_id
""",
    # What the ledger says is all there is to be seen of the others.
    "": """
SELECT d.device_id, jsonb_build_array(jsonb_build_object(
    'device_no', d.device_no, 'model_no', m.model_no, 'vendor', m.vendor, 'factory_no', d.factory_no,
    'asset_no', d.asset_no, 'state', d.state)) AS sample
FROM devices AS d JOIN models AS m USING (model_id) WHERE d.device_id = ANY(%(device_ids)s::int4[])
""",
}


def query_of(cursor: ClientCursor[Any], judged: Judged, ground: Ground, windows: Windows) -> str:
    """The query that shows the numbers of a finding, its parameters filled in."""
    facts = judged.facts
    return cursor.mogrify(
        QUERIES[ground.rule],
        {
            "device_id": facts.device_id,
            "site_id": facts.site_id,
            "day": facts.day,
            "first": ground.window_from,
            "last": ground.window_to,
            "firmware_from": first_day(facts.day, FIRMWARE_DAYS),
            "flat_readings": windows.flat_readings,
        },
    )


def samples(connection: Connection[Any], found: Iterable[tuple[Judged, Ground]]) -> dict[tuple[int, str], list[Any]]:
    """A few days or steps for each of *found*, by device and rule: one query a rule, whatever their number."""
    by_rule: dict[str, list[tuple[int, Ground]]] = {}
    for judged, ground in found:
        by_rule.setdefault(ground.rule, []).append((judged.facts.device_id, ground))
    sampled: dict[tuple[int, str], list[Any]] = {}
    for rule, of in by_rule.items():
        window = of[0][1]
        asked = {"device_ids": [device_id for device_id, _ in of], "rows": SAMPLE_ROWS}
        asked |= {"first": window.window_from, "last": window.window_to}
        for device_id, sample in connection.execute(SAMPLES.get(rule, SAMPLES[""]), asked):
            sampled[device_id, rule] = sample
    return sampled
