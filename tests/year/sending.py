"""The SQL by which a day's telemetry of all devices comes into the tables, as ingest would leave it.

Rows are made by the database, many at once; chance was settled before, in the masks of `year.habits`.
"""

from typing import Final

SCHEMA: Final = """
CREATE SCHEMA year;
CREATE UNLOGGED TABLE year.habits (
    device_id integer, device_no text, site_id integer, first_day date, last_day date, stream text, slots smallint[],
    every smallint, purpose text, is_valid boolean, runs bit(288), is_linked boolean, by_hours boolean,
    on_mains boolean, bulk smallint, firmware text, battery_pct real, battery_a_day real, base_c real,
    refused_every smallint, fault_every smallint, jump_every smallint, is_stuck boolean, boots boolean,
    boots_nightly boolean);
CREATE UNLOGGED TABLE year.site_days (
    site_id integer, day date, open bit(288), powered bit(288), lit bit(288), warmth real, PRIMARY KEY (day, site_id));
CREATE UNLOGGED TABLE year.lines (
    device_id integer PRIMARY KEY, boot_id bigint, boot_at timestamptz, next_seq bigint, heard_at timestamptz)
    WITH (fillfactor = 50);
-- What was made and has not come yet.
CREATE UNLOGGED TABLE year.kept (
    device_id integer, stream text, at timestamptz, boot_id bigint, seq bigint, is_live boolean, bulk smallint,
    purpose text, is_valid boolean, firmware text, battery_pct real, base_c real, fault_every smallint,
    jump_every smallint, is_stuck boolean);
"""

# Those of one connection, empty at the end of each transaction.
DAY_TABLES: Final = """
CREATE TEMP TABLE today ON COMMIT DELETE ROWS AS
SELECT h.*, h.runs AS running, h.runs AS lit, 0::real AS warmth, h.runs AS heard FROM year.habits AS h WHERE false;
CREATE TEMP TABLE made (LIKE year.kept) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE arriving (LIKE year.kept, received_at timestamptz) ON COMMIT DELETE ROWS;
"""

TODAY: Final = """
INSERT INTO today
SELECT r.*, CASE WHEN r.is_linked THEN r.running & r.lit ELSE repeat('0', 288)::bit(288) END
FROM (
    SELECT h.*, h.runs & CASE WHEN h.by_hours THEN s.open ELSE repeat('1', 288)::bit(288) END
                      & CASE WHEN h.on_mains THEN s.powered ELSE repeat('1', 288)::bit(288) END AS running,
           s.lit, s.warmth
    FROM year.habits AS h JOIN year.site_days AS s ON s.site_id = h.site_id AND s.day = %(day)s
    WHERE %(day)s BETWEEN h.first_day AND h.last_day
) AS r
WHERE r.running <> repeat('0', 288)::bit(288)
"""
POWER_UPS: Final = """
WITH up AS (
    SELECT t.device_id, (%(day)s + make_interval(mins => 5 * (position(B'1' IN t.running) - 1)))
                        AT TIME ZONE 'Asia/Shanghai' AS at
    FROM today AS t LEFT JOIN year.lines AS l USING (device_id)
    WHERE l.device_id IS NULL OR t.boots_nightly OR t.boots AND t.first_day = %(day)s
), born AS (
    INSERT INTO boots (device_id, boot, first_received_at, first_at)
    SELECT device_id, to_char(%(day)s, 'YYMMDD') || device_id, at, at FROM up
    RETURNING device_id, boot_id, first_received_at
), told AS (
    INSERT INTO presence (device_id, at, boot_id, state)
    SELECT device_id, first_received_at, boot_id, 'online' FROM born
)
INSERT INTO year.lines (device_id, boot_id, boot_at, next_seq)
SELECT device_id, boot_id, first_received_at, 0 FROM born
ON CONFLICT (device_id) DO UPDATE SET boot_id = excluded.boot_id, boot_at = excluded.boot_at, next_seq = 0
"""
MADE: Final = """
INSERT INTO made
SELECT t.device_id, r.stream, r.at, l.boot_id,
       l.next_seq + row_number() OVER (PARTITION BY t.device_id ORDER BY r.at, r.stream = 'status' DESC) - 1,
       get_bit(t.heard, r.slot) = 1 AND (r.stream = 'status' OR t.bulk = 0),
       CASE r.stream WHEN 'status' THEN 0 ELSE t.bulk END,
       t.purpose, t.is_valid, t.firmware, greatest(t.battery_pct + t.battery_a_day * (%(day)s - t.first_day), 0),
       t.base_c + t.warmth, t.fault_every, t.jump_every, t.is_stuck
FROM today AS t JOIN year.lines AS l USING (device_id)
CROSS JOIN LATERAL (
    SELECT s.*, (%(day)s + make_interval(mins => 5 * s.slot, secs => (t.device_id * 7 + s.slot * 13) %% 280))
                AT TIME ZONE 'Asia/Shanghai' AS at
    FROM (
        SELECT 'status', position(B'1' IN t.running) - 1
        UNION ALL
        SELECT t.stream, slot FROM unnest(t.slots) AS slot
        WHERE get_bit(t.running, slot) = 1 AND (%(number)s + t.device_id) %% t.every = 0
    ) AS s (stream, slot)
) AS r
"""
COMING_LIVE: Final = """
INSERT INTO arriving SELECT *, at + INTERVAL '2 seconds' FROM made WHERE is_live
"""
COMING_LATE: Final = """
WITH gone AS (
    DELETE FROM year.kept AS k USING today AS t
    WHERE k.device_id = t.device_id AND t.heard <> repeat('0', 288)::bit(288)
      AND (k.bulk = 0 OR %(number)s %% k.bulk = 0)
    RETURNING k.*, (%(day)s + make_interval(mins => 5 * (position(B'1' IN t.heard) - 1), secs => 3))
                   AT TIME ZONE 'Asia/Shanghai'
)
INSERT INTO arriving SELECT * FROM gone
"""
KEEPING: Final = "INSERT INTO year.kept SELECT * FROM made WHERE NOT is_live"

WEIGHING: Final = """
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable, printed)
SELECT device_id, at, boot_id, seq, received_at, false, boot_id || '-' || seq,
       CASE WHEN is_valid THEN 'sale' ELSE 'void' END, 500 + (device_id * 37 + seq * 91) %% 2000, 2000,
       2 * (500 + (device_id * 37 + seq * 91) %% 2000), true, true
FROM arriving WHERE stream = 'weighing' ORDER BY at
"""
SCAN: Final = """
INSERT INTO scan (device_id, at, boot_id, seq, received_at, clock_ahead, code, purpose, result)
SELECT device_id, at, boot_id, seq, received_at, false, 'c' || seq, purpose, 'ok'
FROM arriving WHERE stream = 'scan' ORDER BY at
"""
COLDCHAIN: Final = """
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c, humidity_pct, door_open,
                       battery_pct, fault)
SELECT device_id, at, boot_id, seq, received_at, false,
       CASE WHEN fault_every > 0 AND seq %% fault_every = 0 THEN NULL
            WHEN jump_every > 0 AND seq %% jump_every = 0 THEN 85
            WHEN is_stuck THEN base_c ELSE base_c + ((device_id * 31 + seq * 17) %% 20) / 10.0 END,
       80, false, battery_pct, CASE WHEN fault_every > 0 AND seq %% fault_every = 0 THEN 'probe open' END
FROM arriving WHERE stream = 'coldchain' ORDER BY at
"""
STATUS: Final = """
INSERT INTO status (device_id, at, boot_id, seq, received_at, clock_ahead, uptime_s, firmware, battery_pct, rssi_dbm,
                    storage_free_pct, backlog, clock_offset_ms)
SELECT device_id, at, boot_id, seq, received_at, false, greatest(0, extract(epoch FROM at - b.first_received_at)),
       firmware, battery_pct, -60 - device_id %% 10, 70, 0, device_id %% 400
FROM arriving JOIN boots AS b USING (device_id, boot_id) WHERE stream = 'status' ORDER BY at
"""
SLOTS_HEARD: Final = """
INSERT INTO presence_slots (device_id, day, heard)
SELECT device_id, %(day)s, heard FROM today WHERE heard <> repeat('0', 288)::bit(288)
"""
# Which days got records after they were over, as ingest tells fleet.
STALE: Final = """
INSERT INTO stale_days AS s (device_id, day)
SELECT DISTINCT device_id, (at AT TIME ZONE 'Asia/Shanghai')::date FROM arriving
WHERE (at AT TIME ZONE 'Asia/Shanghai')::date < %(day)s
ON CONFLICT (device_id, day) DO UPDATE SET noted = s.noted + 1
"""
SEEN: Final = """
UPDATE boots AS b SET seen = b.seen + a.seqs, last_at = greatest(b.last_at, a.last_at)
FROM (
    SELECT device_id, boot_id, range_agg(int8range(seq, seq + 1)) AS seqs, max(at) AS last_at
    FROM arriving GROUP BY device_id, boot_id
) AS a
WHERE (b.device_id, b.boot_id) = (a.device_id, a.boot_id)
"""
LINES: Final = """
UPDATE year.lines AS l
SET next_seq = l.next_seq + m.records,
    heard_at = CASE WHEN t.heard = repeat('0', 288)::bit(288) THEN l.heard_at
                    ELSE (%(day)s + make_interval(
                             mins => 5 * (288 - position('1' IN reverse(t.heard::text))), secs => 290))
                         AT TIME ZONE 'Asia/Shanghai' END
FROM today AS t JOIN (SELECT device_id, count(*) AS records FROM made GROUP BY device_id) AS m USING (device_id)
WHERE t.device_id = l.device_id
"""
REFUSED: Final = """
WITH bad AS (
    SELECT device_no, CASE WHEN stream IS NULL THEN 'status' ELSE stream END AS stream,
           convert_to('{"device": "' || device_no || '", "day": "' || %(day)s || '"}', 'UTF8') AS payload,
           (%(day)s + make_interval(mins => 5 * (position(B'1' IN heard) - 1))) AT TIME ZONE 'Asia/Shanghai' AS at
    FROM today WHERE refused_every > 0 AND (%(number)s + device_id) %% refused_every = 0
      AND heard <> repeat('0', 288)::bit(288)
), kept AS (
    INSERT INTO dead_letter_payloads (payload_hash, payload) SELECT sha256(payload), payload FROM bad
    RETURNING payload_id, payload_hash
)
INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream, received_at)
SELECT 'tracefleet/v1/' || b.device_no || '/' || b.stream, k.payload_id, 0, 1, 'bad_record', 'net_g is missing',
       b.device_no, b.stream, b.at
FROM bad AS b JOIN kept AS k ON k.payload_hash = sha256(b.payload)
"""
ACCOUNT: Final = """
INSERT INTO ingest_stats (bucket_at, worker, stream, messages, received, stored, duplicate, conflict,
                          dead_lettered, late)
SELECT (%(day)s + make_interval(mins => 5 * slot)) AT TIME ZONE 'Asia/Shanghai', 'year', 'status', 100, 100, 100, 0, 0,
       0, 0
FROM (SELECT bit_or(heard) AS heard FROM today) AS any_of_them, generate_series(0, 287) AS slot
WHERE get_bit(heard, slot) = 1
"""

# What a day is made of, in this order. PostgreSQL sees what was made before.
DAY: Final = (
    TODAY, POWER_UPS, MADE, COMING_LIVE, COMING_LATE, KEEPING, WEIGHING, SCAN, COLDCHAIN, STATUS, SLOTS_HEARD, STALE,
    SEEN, LINES, REFUSED, ACCOUNT,
)  # fmt: skip

# The lines and newest records, as they are at a moment: they follow from the rest, so they are brought up only where
# they are read.
LINES_TOLD: Final = """
INSERT INTO device_presence (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at, clock_offset_ms)
SELECT device_id, boot_id, boot_at, s.state, CASE s.state WHEN 'online' THEN boot_at ELSE heard_at END, heard_at,
       heard_at, device_id %% 400
FROM year.lines
CROSS JOIN LATERAL (
    SELECT CASE WHEN heard_at < %(now)s - INTERVAL '10 minutes' THEN 'offline' ELSE 'online' END
) AS s (state)
WHERE heard_at IS NOT NULL
ON CONFLICT (device_id) DO UPDATE SET boot_id = excluded.boot_id, boot_at = excluded.boot_at, state = excluded.state,
    state_at = excluded.state_at, told_at = excluded.told_at, last_heard_at = excluded.last_heard_at,
    clock_offset_ms = excluded.clock_offset_ms
"""
NEWEST: Final = """
INSERT INTO latest AS l (device_id, stream, probe, at, seq, received_at, record)
SELECT device_id, '{stream}', '', at, seq, received_at,
       to_jsonb(s) - '{{device_id,boot_id,seq,received_at,clock_ahead}}'::text[]
FROM (
    SELECT DISTINCT ON (device_id) * FROM {stream} WHERE at >= %(since)s ORDER BY device_id, at DESC, seq DESC
) AS s
ON CONFLICT (device_id, stream, probe) DO UPDATE
SET at = excluded.at, seq = excluded.seq, received_at = excluded.received_at, record = excluded.record
WHERE (excluded.at, excluded.seq) > (l.at, l.seq)
"""
