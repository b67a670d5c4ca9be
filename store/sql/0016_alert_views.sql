-- What the alert rules of Grafana ask of the ledger and is in no other view of the dashboards, as 0006.

-- Each probe in service, and the coldest its device was in a fortnight: that tells a freezer from a cold store, and both
-- from a hall, as long as nobody has entered what a store is for.
CREATE VIEW grafana_cold_probes AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, s.name_zh AS site_zh, s.name_en AS site_en, l.probe, l.at,
       (l.record ->> 'temperature_c')::double precision AS temperature_c, l.record ->> 'fault' AS fault, lowest.coldest_c
FROM latest AS l JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
LEFT JOIN LATERAL (
    SELECT min(y.temperature_c_min)::double precision AS coldest_c FROM device_days AS y
    WHERE y.device_id = d.device_id AND y.day > (now() AT TIME ZONE 'Asia/Shanghai')::date - 14
) AS lowest ON true
WHERE l.stream = 'coldchain' AND d.state = 'in_service';

-- Devices in service whose verification (检定) no longer holds: the rows of fleet.lifecycle.metrology, by today's date.
CREATE VIEW grafana_unverified AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, d.verified_until,
       CASE WHEN d.verification_result IN ('failed', 'withdrawn') THEN d.verification_result ELSE 'overdue' END AS metrology
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE d.state = 'in_service'
  AND (d.verification_result IN ('failed', 'withdrawn')
       OR d.verified_until < (now() AT TIME ZONE 'Asia/Shanghai')::date);

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tracefleet_dashboards') THEN
        GRANT SELECT ON grafana_cold_probes, grafana_unverified TO tracefleet_dashboards;
    END IF;
END $$;
