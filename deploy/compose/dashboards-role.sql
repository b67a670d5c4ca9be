-- Runs once, when the database is made and before the first migration, which then grants the dashboards' views to this
-- role. On a database that is older, run it by hand and repeat the GRANT of store/sql/0006_grafana_views.sql.
\getenv password DASHBOARDS_PASSWORD
CREATE ROLE tracefleet_dashboards LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE tracefleet_dashboards SET default_transaction_read_only = on;
-- A panel somebody clicked together may not keep the database busy for longer than it is looked at.
ALTER ROLE tracefleet_dashboards SET statement_timeout = '20s';
