-- The telemetry tables on plain PostgreSQL: one index each, roll-ups as views.

CREATE FUNCTION telemetry_is_hypertable() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';

CREATE UNIQUE INDEX weighing_identity ON weighing (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX scan_identity ON scan (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX coldchain_identity ON coldchain (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX status_identity ON status (device_id, at, boot_id, seq);
-- Retention and fleet-wide queries go by time alone; a block-range index costs a few pages.
CREATE INDEX weighing_by_time ON weighing USING brin (at);
CREATE INDEX scan_by_time ON scan USING brin (at);
CREATE INDEX coldchain_by_time ON coldchain USING brin (at);
CREATE INDEX status_by_time ON status USING brin (at);
-- A filter on a roll-up's bucket is a filter on this expression: without it, an hour of trades reads the whole table.
CREATE INDEX weighing_by_hour ON weighing USING brin (date_bin('1 hour', at, '2000-01-01 00:00+00'));

CREATE VIEW coldchain_5m AS
SELECT device_id, coalesce(probe, '') AS probe, date_bin('5 minutes', at, '2000-01-01 00:00+00') AS bucket_at,
       count(*) AS samples, count(temperature_c) AS readings, count(fault) AS faults,
       avg(temperature_c) AS temperature_c_avg, min(temperature_c) AS temperature_c_min, max(temperature_c) AS temperature_c_max,
       avg(humidity_pct) AS humidity_pct_avg, count(*) FILTER (WHERE door_open) AS door_open_samples,
       min(battery_pct) AS battery_pct_min
FROM coldchain GROUP BY device_id, coalesce(probe, ''), date_bin('5 minutes', at, '2000-01-01 00:00+00');

CREATE VIEW coldchain_1h AS
SELECT device_id, coalesce(probe, '') AS probe, date_bin('1 hour', at, '2000-01-01 00:00+00') AS bucket_at,
       count(*) AS samples, count(temperature_c) AS readings, count(fault) AS faults,
       avg(temperature_c) AS temperature_c_avg, min(temperature_c) AS temperature_c_min, max(temperature_c) AS temperature_c_max,
       avg(humidity_pct) AS humidity_pct_avg, count(*) FILTER (WHERE door_open) AS door_open_samples,
       min(battery_pct) AS battery_pct_min
FROM coldchain GROUP BY device_id, coalesce(probe, ''), date_bin('1 hour', at, '2000-01-01 00:00+00');

CREATE VIEW weighing_1h AS
SELECT device_id, date_bin('1 hour', at, '2000-01-01 00:00+00') AS bucket_at,
       count(*) FILTER (WHERE kind = 'sale') AS sales, count(*) FILTER (WHERE kind = 'return') AS returns,
       count(*) FILTER (WHERE kind = 'void') AS voids, count(*) FILTER (WHERE printed) AS printed,
       count(*) FILTER (WHERE NOT stable) AS unstable,
       sum(net_g) FILTER (WHERE kind = 'sale') AS net_g, sum(amount_fen) FILTER (WHERE kind = 'sale') AS amount_fen
FROM weighing GROUP BY device_id, date_bin('1 hour', at, '2000-01-01 00:00+00');

CREATE VIEW scan_1h AS
SELECT device_id, date_bin('1 hour', at, '2000-01-01 00:00+00') AS bucket_at,
       count(*) AS scans, count(*) FILTER (WHERE purpose = 'lookup') AS lookups,
       count(*) FILTER (WHERE result = 'unknown') AS unknown, count(*) FILTER (WHERE result = 'error') AS errors,
       avg(elapsed_ms) AS elapsed_ms_avg
FROM scan GROUP BY device_id, date_bin('1 hour', at, '2000-01-01 00:00+00');

CREATE VIEW policy_jobs AS
SELECT NULL::text AS job, NULL::timestamptz AS last_started_at, NULL::timestamptz AS last_success_at,
       NULL::text AS last_error, NULL::bigint AS failures
WHERE false;

-- How long telemetry is kept. Here housekeeping deletes; nothing is compressed.
CREATE FUNCTION set_policies(compress_after interval, keep_for interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM policies AS p WHERE (p.compress_after, p.keep_for) = (set_policies.compress_after, set_policies.keep_for)) THEN
        RETURN;
    END IF;
    UPDATE retention SET keep = keep_for WHERE keep <> keep_for;
    INSERT INTO policies (compress_after, keep_for) VALUES (set_policies.compress_after, set_policies.keep_for)
    ON CONFLICT (only_row) DO UPDATE SET compress_after = excluded.compress_after, keep_for = excluded.keep_for;
END $$;
