-- The telemetry tables on TimescaleDB: hypertables of one day, a columnstore for what is past redelivery, and roll-ups
-- that a late record still reaches.

CREATE FUNCTION telemetry_is_hypertable() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';

SELECT create_hypertable(stream::regclass, by_range('at', INTERVAL '1 day'), create_default_indexes => false)
FROM unnest('{weighing,scan,coldchain,status}'::text[]) AS stream;

CREATE UNIQUE INDEX weighing_identity ON weighing (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX scan_identity ON scan (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX coldchain_identity ON coldchain (device_id, at, boot_id, seq);
CREATE UNIQUE INDEX status_identity ON status (device_id, at, boot_id, seq);

-- Nearly every query names devices and a span of time. Segmented and ordered like the unique index, a compressed chunk
-- answers "is this identity here" by the batch bounds, so late data finds its duplicates without a full decompression.
ALTER TABLE weighing SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'at, boot_id, seq');
ALTER TABLE scan SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'at, boot_id, seq');
ALTER TABLE coldchain SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'at, boot_id, seq');
ALTER TABLE status SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'at, boot_id, seq');

-- materialized_only = false: the newest buckets are computed from the raw rows, so a dashboard never waits for a refresh.
CREATE MATERIALIZED VIEW coldchain_5m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT device_id, coalesce(probe, '') AS probe, time_bucket(INTERVAL '5 minutes', at) AS bucket_at,
       count(*) AS samples, count(temperature_c) AS readings, count(fault) AS faults,
       avg(temperature_c) AS temperature_c_avg, min(temperature_c) AS temperature_c_min, max(temperature_c) AS temperature_c_max,
       avg(humidity_pct) AS humidity_pct_avg, count(*) FILTER (WHERE door_open) AS door_open_samples,
       min(battery_pct) AS battery_pct_min
FROM coldchain GROUP BY device_id, coalesce(probe, ''), time_bucket(INTERVAL '5 minutes', at)
WITH NO DATA;

CREATE MATERIALIZED VIEW coldchain_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT device_id, coalesce(probe, '') AS probe, time_bucket(INTERVAL '1 hour', at) AS bucket_at,
       count(*) AS samples, count(temperature_c) AS readings, count(fault) AS faults,
       avg(temperature_c) AS temperature_c_avg, min(temperature_c) AS temperature_c_min, max(temperature_c) AS temperature_c_max,
       avg(humidity_pct) AS humidity_pct_avg, count(*) FILTER (WHERE door_open) AS door_open_samples,
       min(battery_pct) AS battery_pct_min
FROM coldchain GROUP BY device_id, coalesce(probe, ''), time_bucket(INTERVAL '1 hour', at)
WITH NO DATA;

CREATE MATERIALIZED VIEW weighing_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT device_id, time_bucket(INTERVAL '1 hour', at) AS bucket_at,
       count(*) FILTER (WHERE kind = 'sale') AS sales, count(*) FILTER (WHERE kind = 'return') AS returns,
       count(*) FILTER (WHERE kind = 'void') AS voids, count(*) FILTER (WHERE printed) AS printed,
       count(*) FILTER (WHERE NOT stable) AS unstable,
       sum(net_g) FILTER (WHERE kind = 'sale') AS net_g, sum(amount_fen) FILTER (WHERE kind = 'sale') AS amount_fen
FROM weighing GROUP BY device_id, time_bucket(INTERVAL '1 hour', at)
WITH NO DATA;

CREATE MATERIALIZED VIEW scan_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT device_id, time_bucket(INTERVAL '1 hour', at) AS bucket_at,
       count(*) AS scans, count(*) FILTER (WHERE purpose = 'lookup') AS lookups,
       count(*) FILTER (WHERE result = 'unknown') AS unknown, count(*) FILTER (WHERE result = 'error') AS errors,
       avg(elapsed_ms) AS elapsed_ms_avg
FROM scan GROUP BY device_id, time_bucket(INTERVAL '1 hour', at)
WITH NO DATA;

CREATE VIEW policy_jobs AS
SELECT concat_ws(' ', j.proc_name, coalesce(c.view_name, j.hypertable_name)) AS job,
       -- Where a job has never run or never succeeded, TimescaleDB says -infinity, which Python cannot read.
       nullif(s.last_run_started_at, '-infinity') AS last_started_at,
       nullif(s.last_successful_finish, '-infinity') AS last_success_at,
       (SELECT e.err_message FROM timescaledb_information.job_errors AS e
        WHERE e.job_id = j.job_id AND e.finish_time > coalesce(s.last_successful_finish, '-infinity')
        ORDER BY e.finish_time DESC LIMIT 1) AS last_error,
       s.total_failures AS failures
FROM timescaledb_information.jobs AS j
JOIN timescaledb_information.job_stats AS s USING (job_id)
LEFT JOIN timescaledb_information.continuous_aggregates AS c
    ON c.materialization_hypertable_name = j.hypertable_name
WHERE j.job_id >= 1000;

-- Policies are dropped and made anew, so a changed setting takes effect at the next `tracefleet migrate`.
-- The roll-ups are refreshed over everything that may still arrive (365 days) but nothing that retention has dropped:
-- a refresh of a dropped span would empty it. Only buckets that changed are computed.
CREATE FUNCTION set_policies(compress_after interval, keep_for interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stream text;
    rollup text;
BEGIN
    IF EXISTS (SELECT FROM policies AS p WHERE (p.compress_after, p.keep_for) = (set_policies.compress_after, set_policies.keep_for)) THEN
        RETURN;
    END IF;
    FOREACH stream IN ARRAY '{weighing,scan,coldchain,status}'::text[] LOOP
        CALL remove_columnstore_policy(stream::regclass, if_exists => true);
        CALL add_columnstore_policy(stream::regclass, after => compress_after);
        PERFORM remove_retention_policy(stream::regclass, if_exists => true);
        PERFORM add_retention_policy(stream::regclass, keep_for);
    END LOOP;
    FOREACH rollup IN ARRAY '{coldchain_5m,coldchain_1h,weighing_1h,scan_1h}'::text[] LOOP
        PERFORM remove_continuous_aggregate_policy(rollup::regclass, if_exists => true);
        PERFORM add_continuous_aggregate_policy(
            rollup::regclass,
            start_offset => least(keep_for - INTERVAL '1 day', INTERVAL '366 days'),
            end_offset => CASE WHEN rollup LIKE '%_1h' THEN INTERVAL '1 hour' ELSE INTERVAL '5 minutes' END,
            schedule_interval => INTERVAL '5 minutes');
    END LOOP;
    UPDATE retention SET keep = keep_for WHERE keep <> keep_for;
    INSERT INTO policies (compress_after, keep_for) VALUES (set_policies.compress_after, set_policies.keep_for)
    ON CONFLICT (only_row) DO UPDATE SET compress_after = excluded.compress_after, keep_for = excluded.keep_for;
END $$;
