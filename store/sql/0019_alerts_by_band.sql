-- The alerts of the cold chain judge by each probe's own band, as the dashboards do (grafana_coldchain_probes); and when
-- somebody logged in last is found without reading every session.

DROP VIEW grafana_cold_probes;

DROP INDEX sessions_by_user;
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
