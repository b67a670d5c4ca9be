"""A month of a small city: the simulator's ledger, telemetry around the clock, and all that fleet makes of it.

The ledger is imported, the days are rolled up and health is judged by the code that does it in production. What takes
months to come about (findings, cases, campaigns) is put where that code would put it. Markets here never close: what is
open must not depend on the hour at which the suite runs.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from deploy.simulator.city import build
from deploy.simulator.seeding import seed
from fleet.business_day import day_of
from fleet.days.rolling import roll
from fleet.health.evaluating import evaluate
from fleet.keys import Keys

DEVICES: Final = 160
DAYS: Final = 30

# Entered long ago, so that something is expected of them through the whole month.
LEDGER: Final = """
SET session_replication_role = replica;
UPDATE sites SET opening_hours = NULL;
UPDATE devices SET created_at = %(now)s - INTERVAL '400 days', state_since = %(now)s - INTERVAL '400 days';
UPDATE devices SET verified_until = (%(now)s)::date + (device_id %% 60) - 10, verification_result = 'passed'
WHERE verified_until IS NOT NULL;
UPDATE device_placements SET since = %(now)s - INTERVAL '400 days';
UPDATE device_transitions SET at = %(now)s - INTERVAL '400 days';
SET session_replication_role = DEFAULT;
"""
# Every twentieth device fell silent two days ago, every twentieth was never heard.
HEARD: Final = """
CREATE TEMP TABLE heard AS
SELECT d.device_id, m.kind, CASE d.device_id %% 20 WHEN 0 THEN %(now)s - INTERVAL '2 days' ELSE %(now)s END AS until
FROM devices AS d JOIN models AS m USING (model_id) WHERE d.state = 'in_service' AND d.device_id %% 20 <> 1;
INSERT INTO boots (device_id, boot, first_received_at, first_at, last_at, seen)
SELECT device_id, 'b1', %(now)s - INTERVAL '30 days', %(now)s - INTERVAL '30 days', until, '{[0,1000000)}' FROM heard;
CREATE TEMP TABLE ticks AS
SELECT at, row_number() OVER (ORDER BY at) AS seq
FROM generate_series(%(now)s - INTERVAL '30 days', %(now)s, INTERVAL '5 minutes') AS at;
ANALYZE heard, ticks, boots;
"""
TELEMETRY: Final = """
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable, printed)
SELECT device_id, at, boot_id, seq, at + INTERVAL '1 second', false, 'T' || seq,
       CASE WHEN seq %% 40 = 0 THEN 'return' WHEN seq %% 97 = 0 THEN 'void' ELSE 'sale' END, 500 + (seq %% 700)::int,
       2600, 1300, seq %% 50 <> 0, (seq + device_id) %% 6 <> 0
FROM heard JOIN boots USING (device_id) JOIN ticks ON at <= until AND (seq + device_id) %% 4 = 0
WHERE kind = 'trace_scale';
INSERT INTO scan (device_id, at, boot_id, seq, received_at, clock_ahead, code, purpose, result, elapsed_ms)
SELECT device_id, at, boot_id, seq, at + INTERVAL '1 second', false, '41010000100010000001',
       CASE WHEN kind = 'kiosk' THEN 'lookup' ELSE 'sale' END,
       CASE WHEN seq %% 30 = 0 THEN 'error' WHEN seq %% 17 = 0 THEN 'unknown' ELSE 'ok' END, 200 + (seq %% 90)::int
FROM heard JOIN boots USING (device_id) JOIN ticks ON at <= until AND (seq + device_id) %% 3 = 0
WHERE kind IN ('scanner', 'kiosk', 'handheld', 'card_reader');
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c, fault, humidity_pct,
                       door_open, battery_pct)
SELECT device_id, at, boot_id, seq, at + INTERVAL '1 second', false,
       CASE WHEN seq %% 60 <> 0 OR device_id %% 5 <> 0 THEN
           CASE WHEN high_c < 0 THEN -19 ELSE 3 END + 1.5 * sin(seq / 20.0 + device_id)
           + CASE WHEN (8650 - seq) %% 400 < 20 AND device_id %% 4 = 0 THEN 9 ELSE 0 END END,
       CASE WHEN seq %% 60 = 0 AND device_id %% 5 = 0 THEN 'open circuit' END, 80, seq %% 50 < 4,
       greatest(100 - device_id %% 10 * 7 - seq / 400.0, 4)
FROM heard JOIN boots USING (device_id) JOIN device_bands USING (device_id) JOIN ticks ON at <= until
WHERE kind IN ('logger', 'door_sensor') AND NOT (device_id %% 6 = 2 AND (8650 - seq) %% 300 BETWEEN 12 AND 24);
INSERT INTO status (device_id, at, boot_id, seq, received_at, clock_ahead, uptime_s, firmware, battery_pct, rssi_dbm,
                    storage_free_pct, backlog, clock_offset_ms, errors)
SELECT device_id, at, boot_id, seq, at + INTERVAL '1 second', false, seq * 300, '2.4.1',
       CASE WHEN kind = 'handheld' THEN greatest(90 - device_id %% 9 * 10, 3) END, -70 - device_id %% 30, 60, 0, 500,
       CASE WHEN kind = 'trace_scale' AND device_id %% 9 = 0 THEN '{printer_paper}'::text[] END
FROM heard JOIN boots USING (device_id) JOIN ticks ON at <= until AND (seq + device_id) %% 12 = 0;
ANALYZE weighing, scan, coldchain, status;
"""
LATEST: Final = """
INSERT INTO latest (device_id, stream, probe, at, seq, received_at, record)
SELECT DISTINCT ON (device_id) device_id, 'coldchain', '', at, seq, received_at, jsonb_build_object(
    'temperature_c', temperature_c, 'fault', fault, 'humidity_pct', humidity_pct, 'door_open', door_open,
    'battery_pct', battery_pct)
FROM coldchain ORDER BY device_id, at DESC;
INSERT INTO latest (device_id, stream, probe, at, seq, received_at, record)
SELECT DISTINCT ON (device_id) device_id, 'status', '', at, seq, received_at, jsonb_strip_nulls(jsonb_build_object(
    'uptime_s', uptime_s, 'firmware', firmware, 'battery_pct', battery_pct, 'rssi_dbm', rssi_dbm))
FROM status ORDER BY device_id, at DESC;
INSERT INTO device_presence (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at, clock_offset_ms)
SELECT device_id, boot_id, first_at, 'online', first_at, first_at, until, 500 FROM heard JOIN boots USING (device_id);
INSERT INTO presence_slots (device_id, day, heard)
SELECT device_id, day::date, rpad(repeat('1', least(greatest(slots, 0), 288)), 288, '0')::bit(288)
FROM heard CROSS JOIN generate_series(
    (%(now)s AT TIME ZONE 'Asia/Shanghai')::date::timestamp - INTERVAL '30 days',
    (%(now)s AT TIME ZONE 'Asia/Shanghai')::date::timestamp, INTERVAL '1 day') AS day
CROSS JOIN LATERAL (
    SELECT floor(extract(epoch FROM until - day::timestamp AT TIME ZONE 'Asia/Shanghai') / 300)::int AS slots
) AS so_far;
"""
ACCOUNT: Final = """
INSERT INTO ingest_stats (bucket_at, worker, stream, messages, received, stored, duplicate, conflict, dead_lettered,
                          late)
SELECT bucket_at, 'ingest-1', stream, 40, 100, 93, 5, 1, 1, 0
FROM generate_series(date_trunc('minute', %(now)s) - INTERVAL '30 days', %(now)s, INTERVAL '1 minute') AS bucket_at,
     unnest('{weighing,scan,coldchain,status}'::text[]) AS stream;
INSERT INTO workers (worker, started_at, heartbeat_at, connected, unacknowledged, lag_seconds)
VALUES ('ingest-1', %(now)s - INTERVAL '9 days', %(now)s, true, 12, 0.8), ('ingest-2', %(now)s, %(now)s, true, 0, 0.4);
INSERT INTO dead_letter_payloads (payload_hash, payload)
SELECT sha256(n::text::bytea), n::text::bytea FROM generate_series(1, 3000) AS n;
INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream, received_at)
SELECT 'tracefleet/v1/GHOST-1/status', payload_id, 0, 1,
       CASE payload_id %% 3 WHEN 0 THEN 'bad_record' WHEN 1 THEN 'unknown_device' ELSE 'out_of_range' END, '',
       CASE payload_id %% 4 WHEN 1 THEN (SELECT min(device_no) FROM devices) WHEN 3 THEN NULL ELSE 'GHOST-1' END,
       'status',
       %(now)s - payload_id * INTERVAL '14 minutes'
FROM dead_letter_payloads;
"""
# Every seventh device was repaired once, one of them an hour ago.
HISTORY: Final = """
INSERT INTO device_transitions (device_id, from_state, to_state, at, actor)
SELECT device_id, s.from_state, s.to_state, %(now)s - device_id %% 28 * INTERVAL '1 day' - s.ago, 'li'
FROM heard CROSS JOIN (VALUES ('in_service', 'faulty', INTERVAL '3 hours'), ('faulty', 'in_service', INTERVAL '1 hour'))
    AS s (from_state, to_state, ago)
WHERE device_id %% 7 = 0;
INSERT INTO outages (scope, site_id, began_at, ended_at, source, reason)
SELECT 'platform', NULL::integer, %(now)s - INTERVAL '10 days', %(now)s - INTERVAL '239 hours', 'detected', 'power'
UNION ALL SELECT 'platform', NULL, %(now)s - INTERVAL '3 hours', %(now)s - INTERVAL '170 minutes', 'detected', 'power'
UNION ALL SELECT 'site', min(site_id), %(now)s - INTERVAL '2 hours', NULL, 'detected', 'power' FROM sites;
"""
RETIREMENT: Final = """
INSERT INTO health_days (device_id, day, presence, score, reasons)
SELECT device_id, day::date, presence, greatest(score - 5, 0), reasons
FROM device_health CROSS JOIN generate_series(
    (%(now)s AT TIME ZONE 'Asia/Shanghai')::date::timestamp - INTERVAL '30 days',
    (%(now)s AT TIME ZONE 'Asia/Shanghai')::date::timestamp, INTERVAL '1 day') AS day;
INSERT INTO findings (device_id, rule, rule_version, weight, is_mandatory, found_on, numbers, query, sentence_zh,
                      sentence_en, opened_at, cleared_at)
SELECT device_id, CASE device_id %% 2 WHEN 0 THEN 'dormant' ELSE 'unavailable' END, 1, 60, false, (%(now)s)::date - 3,
       '{}', '', '', '', %(now)s - INTERVAL '3 days', CASE device_id %% 4 WHEN 0 THEN %(now)s END
FROM devices WHERE device_id %% 3 = 0;
INSERT INTO flags (device_id, flagged_on, flagged_at, policy_version, score, findings, sentence_zh, sentence_en)
SELECT device_id, (%(now)s)::date - 3, %(now)s - INTERVAL '3 days', 1, 60, '{}', '', '' FROM devices
WHERE device_id %% 6 = 3;
INSERT INTO programmes (programme_no, name_zh, name_en, region_code, kinds, begins_on, due_on)
SELECT 'P-1', '淘汰查询机', 'Kiosks', '41', '{kiosk,trace_scale}', (%(now)s)::date - 28, (%(now)s)::date + 30;
INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, due_on, opened_by)
SELECT 'RC-' || device_id, device_id, 'state', CASE device_id %% 3 WHEN 0 THEN 'opened' ELSE 'proposed' END,
       %(now)s - device_id %% 120 * INTERVAL '1 day', '[]', (%(now)s)::date + (device_id %% 40) - 20, 'li'
FROM devices WHERE device_id %% 12 = 3;
INSERT INTO case_steps (case_id, to_state, at)
SELECT case_id, state, %(now)s - case_id %% 60 * INTERVAL '1 day' FROM cases;
INSERT INTO security_events (device_id, channel, first_at, last_at, noted_at, attempts)
SELECT device_id, 'broker', %(now)s - INTERVAL '2 days', %(now)s, %(now)s, 7 FROM devices WHERE device_id %% 50 = 3;
"""


def fill(database_url: str, keys: Keys) -> datetime:
    """Put the month into a migrated, empty database; the moment at which it ends."""
    now = datetime.now(UTC)
    seed(database_url, build(DEVICES, 7), keys=keys, is_wanted=True)
    with psycopg.connect(database_url) as connection:
        for part in (LEDGER, HEARD, TELEMETRY, LATEST, ACCOUNT, HISTORY):
            _run(connection, part, now)
        for back in range(DAYS, -1, -1):
            roll(connection, day_of(now) - timedelta(days=back), now=now)
        evaluate(connection, now=now)
        _run(connection, RETIREMENT, now)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return now


def _run(connection: psycopg.Connection[Any], statements: str, now: datetime) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            connection.execute(statement.encode(), {"now": now})
