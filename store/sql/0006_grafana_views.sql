-- What the dashboards read, and nothing more: every panel queries these views alone. Whoever may look at a dashboard can
-- send any SQL through it, so where an installation gives the dashboards a role of their own, it reads these and no table.

CREATE VIEW grafana_kinds AS SELECT kind, name_zh, name_en FROM kinds;

CREATE VIEW grafana_sites AS SELECT site_no, name_zh, name_en, kind FROM sites;

CREATE VIEW grafana_devices AS
SELECT d.device_no, d.state, m.kind, s.site_no
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- The newest reading of each probe in service; a probe that cannot read has a fault and no temperature.
CREATE VIEW grafana_coldchain_latest AS
SELECT d.device_no, m.kind, s.site_no, s.name_zh AS site_zh, s.name_en AS site_en, l.probe, l.at,
       (l.record ->> 'temperature_c')::double precision AS temperature_c,
       (l.record ->> 'humidity_pct')::double precision AS humidity_pct,
       (l.record ->> 'door_open')::boolean AS door_open,
       (l.record ->> 'battery_pct')::double precision AS battery_pct,
       l.record ->> 'fault' AS fault
FROM latest AS l JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE l.stream = 'coldchain' AND d.state = 'in_service';

CREATE VIEW grafana_trades_1h AS
SELECT w.bucket_at, m.kind, s.site_no, w.sales, w.returns, w.voids
FROM weighing_1h AS w JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- An hour of a device as the number of its twelve 5-minute slots in which it was heard live. `day` is there to be
-- filtered on: the hours are computed, and only the day is stored.
CREATE VIEW grafana_presence_1h AS
SELECT p.day, (p.day + make_interval(hours => hour)) AT TIME ZONE 'Asia/Shanghai' AS bucket_at, m.kind, s.site_no,
       bit_count(substring(p.heard FROM hour * 12 + 1 FOR 12)) AS slots
FROM presence_slots AS p JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
CROSS JOIN generate_series(0, 23) AS hour;
-- Rows come day by day, so a few pages tell where a day's rows are; the primary key leads with the device.
CREATE INDEX presence_slots_by_day ON presence_slots USING brin (day);

CREATE VIEW grafana_ingest_minutes AS
SELECT bucket_at, stream, received, stored, duplicate, conflict, dead_lettered, late FROM ingest_stats;

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tracefleet_dashboards') THEN
        GRANT SELECT ON grafana_kinds, grafana_sites, grafana_devices, grafana_coldchain_latest, grafana_trades_1h,
            grafana_presence_1h, grafana_ingest_minutes TO tracefleet_dashboards;
    END IF;
END $$;
