-- Roll-ups are compressed and dropped like the telemetry they are made of: they grew for ever.

ALTER MATERIALIZED VIEW coldchain_5m SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'bucket_at, probe');
ALTER MATERIALIZED VIEW coldchain_1h SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'bucket_at, probe');
ALTER MATERIALIZED VIEW weighing_1h SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'bucket_at');
ALTER MATERIALIZED VIEW scan_1h SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_id', timescaledb.orderby = 'bucket_at');

-- As 0004; the policies of a relation, whether hypertable or roll-up, are the same three lines.
CREATE OR REPLACE FUNCTION set_policies(compress_after interval, keep_for interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    relation text;
BEGIN
    IF EXISTS (SELECT FROM policies AS p WHERE (p.compress_after, p.keep_for) = (set_policies.compress_after, set_policies.keep_for)) THEN
        RETURN;
    END IF;
    FOREACH relation IN ARRAY '{coldchain_5m,coldchain_1h,weighing_1h,scan_1h}'::text[] LOOP
        PERFORM remove_continuous_aggregate_policy(relation::regclass, if_exists => true);
        PERFORM add_continuous_aggregate_policy(
            relation::regclass,
            start_offset => least(keep_for - INTERVAL '1 day', INTERVAL '366 days'),
            end_offset => CASE WHEN relation LIKE '%_1h' THEN INTERVAL '1 hour' ELSE INTERVAL '5 minutes' END,
            schedule_interval => INTERVAL '5 minutes');
    END LOOP;
    FOREACH relation IN ARRAY '{weighing,scan,coldchain,status,coldchain_5m,coldchain_1h,weighing_1h,scan_1h}'::text[] LOOP
        CALL remove_columnstore_policy(relation::regclass, if_exists => true);
        CALL add_columnstore_policy(relation::regclass, after => compress_after);
        PERFORM remove_retention_policy(relation::regclass, if_exists => true);
        PERFORM add_retention_policy(relation::regclass, keep_for);
    END LOOP;
    UPDATE retention SET keep = keep_for WHERE keep <> keep_for;
    INSERT INTO policies (compress_after, keep_for) VALUES (set_policies.compress_after, set_policies.keep_for)
    ON CONFLICT (only_row) DO UPDATE SET compress_after = excluded.compress_after, keep_for = excluded.keep_for;
END $$;

-- So that the policies are set at the end of this `migrate`, though no setting changed.
DELETE FROM policies;
