-- What the dashboards read besides 0006 and 0014. Every view of things that stand somewhere has site_no and region_code, and
-- where it is about devices kind and device_no: the four variables of a dashboard filter on these names and no others.

-- The regions that have sites, and their prefectures: whoever chooses a prefecture means all below it. A code that nobody
-- entered as a region is its own name.
CREATE VIEW grafana_regions AS
SELECT c.region_code, coalesce(r.name_zh, c.region_code) AS name_zh, coalesce(r.name_en, c.region_code) AS name_en
FROM (SELECT region_code FROM sites UNION SELECT left(region_code, 4) || '00' FROM sites) AS c
LEFT JOIN LATERAL (
    SELECT each.name_zh, each.name_en FROM regions AS each WHERE each.region_code = c.region_code
    ORDER BY each.valid_to IS NULL DESC, each.valid_from DESC LIMIT 1
) AS r ON true;

CREATE OR REPLACE VIEW grafana_sites AS
SELECT site_no, name_zh, name_en, kind, region_code, status FROM sites;

-- `metrology` is the axis of fleet.lifecycle.metrology, by today's date in Asia/Shanghai.
CREATE OR REPLACE VIEW grafana_devices AS
SELECT d.device_no, d.state, m.kind, s.site_no, s.region_code, s.name_zh AS site_zh, s.name_en AS site_en, m.model_no, d.stall_no,
       d.firmware, d.state_since, d.decommissioned_at, d.verified_until, d.verified_until - today.day AS verified_days_left,
       CASE WHEN d.verification_result IN ('failed', 'withdrawn') THEN d.verification_result
            WHEN d.verified_until IS NULL AND (d.verification_result IS NOT NULL OR m.kind = 'trace_scale') THEN 'unknown'
            WHEN d.verified_until IS NULL THEN 'not_applicable'
            WHEN d.verified_until < today.day THEN 'overdue'
            WHEN d.verified_until <= today.day + 30 THEN 'due_soon'
            ELSE 'valid' END AS metrology
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
CROSS JOIN (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS day) AS today;

CREATE OR REPLACE VIEW grafana_coldchain_latest AS
SELECT d.device_no, m.kind, s.site_no, s.name_zh AS site_zh, s.name_en AS site_en, l.probe, l.at,
       (l.record ->> 'temperature_c')::double precision AS temperature_c,
       (l.record ->> 'humidity_pct')::double precision AS humidity_pct,
       (l.record ->> 'door_open')::boolean AS door_open,
       (l.record ->> 'battery_pct')::double precision AS battery_pct,
       l.record ->> 'fault' AS fault, s.region_code
FROM latest AS l JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE l.stream = 'coldchain' AND d.state = 'in_service';

-- Hours of trades come from telemetry: for a day at most. Beyond it there is grafana_device_days.
CREATE OR REPLACE VIEW grafana_trades_1h AS
SELECT w.bucket_at, m.kind, s.site_no, w.sales, w.returns, w.voids, d.device_no, s.region_code, w.printed, w.unstable,
       w.net_g, w.amount_fen
FROM weighing_1h AS w JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

CREATE OR REPLACE VIEW grafana_presence_1h AS
SELECT p.day, (p.day + make_interval(hours => hour)) AT TIME ZONE 'Asia/Shanghai' AS bucket_at, m.kind, s.site_no,
       bit_count(substring(p.heard FROM hour * 12 + 1 FOR 12)) AS slots, d.device_no, s.region_code
FROM presence_slots AS p JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
CROSS JOIN generate_series(0, 23) AS hour;

-- The slots of a day as they are stored: who wants hours of many devices takes them from here, of those hours alone.
CREATE VIEW grafana_presence_days AS
SELECT p.day, d.device_no, m.kind, s.site_no, s.region_code, p.heard
FROM presence_slots AS p JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- A day of a device; the site is the one where it stood that day.
CREATE VIEW grafana_device_days AS
SELECT y.day, y.day::timestamp AT TIME ZONE 'Asia/Shanghai' AS bucket_at, d.device_no, m.kind, s.site_no, s.region_code,
       y.expected_slots, y.online_slots, y.heard_slots, y.records, y.late, y.dead_lettered, y.conflicts, y.missing, y.restarts,
       y.trades, y.unprinted, y.scans, y.lookups, y.scan_errors, y.error_codes, y.battery_pct, y.rssi_dbm, y.clock_offset_ms,
       y.backlog, y.readings, y.sensor_faults, y.temperature_c_min, y.temperature_c_max, y.temperature_jumps,
       y.door_samples, y.door_open_samples
FROM device_days AS y JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s ON s.site_id = y.site_id;

CREATE OR REPLACE VIEW grafana_health AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, h.evaluated_at, h.presence, h.presence_since, h.excused_by, h.score,
       h.reasons -> 0 ->> 'check' AS worst_reason, s.name_zh AS site_zh, s.name_en AS site_en, d.state,
       jsonb_array_length(h.reasons) AS reasons
FROM device_health AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- The battery of each device as it was told last, on whichever stream.
CREATE VIEW grafana_batteries AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, s.name_zh AS site_zh, s.name_en AS site_en, b.at, b.battery_pct
FROM (
    SELECT DISTINCT ON (device_id) device_id, at, (record ->> 'battery_pct')::double precision AS battery_pct
    FROM latest WHERE stream IN ('status', 'coldchain') AND record ->> 'battery_pct' IS NOT NULL
    ORDER BY device_id, at DESC
) AS b JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE d.state = 'in_service';

-- The steps of devices' lives. Who took them is nobody's business on a wall.
CREATE VIEW grafana_lifecycle AS
SELECT t.at, t.from_state, t.to_state, d.device_no, m.kind, s.site_no, s.region_code
FROM device_transitions AS t JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);
-- Steps are written in the order of time: a few pages tell where a range's rows are.
CREATE INDEX device_transitions_by_time ON device_transitions USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX case_steps_by_time ON case_steps USING brin (at) WITH (pages_per_range = 16);

CREATE VIEW grafana_workers AS
SELECT worker, started_at, heartbeat_at, extract(epoch FROM now() - heartbeat_at)::double precision AS heartbeat_age_seconds,
       connected, unacknowledged, lag_seconds, stopped_at, stopped_reason
FROM workers;

-- Neither the bytes nor the details: they hold what a device said, whatever that is.
CREATE VIEW grafana_dead_letters AS
SELECT received_at, reason, stream, device_no, records, replayed_at FROM dead_letters;

-- Whichever name an installation gave the dashboards' role.
DO $$ DECLARE reader text; BEGIN
    FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('tracefleet_dashboards', 'tracefleet_grafana') LOOP
        EXECUTE format('GRANT SELECT ON grafana_regions, grafana_presence_days, grafana_device_days, grafana_batteries,'
            ' grafana_lifecycle, grafana_workers, grafana_dead_letters TO %I', reader);
    END LOOP;
END $$;
