-- When somebody logged in last is found without reading every session. The alerts of the cold chain judge by each probe's own
-- band from now on, as the dashboards do (grafana_coldchain_probes): grafana_cold_probes is there for those of the release
-- before, and goes with the next.

DROP INDEX sessions_by_user;
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
