-- Runs once, when the database is made and before the first migration: a role for each process, its password from a file.
-- What each may, and the way into the database, is given by `tracefleet migrate` (store/grants.py).
-- For a database that is older, see COMPOSE.md. By hand: psql --set=folder=… names where the files are.
\set ON_ERROR_STOP on
\if :{?folder}
\else
    \set folder /run/secrets
\endif
\set migrate `cat :folder/database_migrate`
\set ingest `cat :folder/database_ingest`
\set fleet `cat :folder/database_fleet`
\set api `cat :folder/database_api`
\set dashboards `cat :folder/database_dashboards`

-- It owns the database and so every table; no process that runs for long knows its password.
CREATE ROLE tracefleet_migrate LOGIN PASSWORD :'migrate';
CREATE ROLE tracefleet_ingest LOGIN PASSWORD :'ingest';
CREATE ROLE tracefleet_fleet LOGIN PASSWORD :'fleet';
CREATE ROLE tracefleet_api LOGIN PASSWORD :'api';
CREATE ROLE tracefleet_dashboards LOGIN PASSWORD :'dashboards' CONNECTION LIMIT 10;
ALTER ROLE tracefleet_dashboards SET default_transaction_read_only = on;
-- A panel somebody clicked together may not keep the database busy for longer than it is looked at.
ALTER ROLE tracefleet_dashboards SET statement_timeout = '20s';

SELECT format('ALTER DATABASE %I OWNER TO tracefleet_migrate', current_database()) \gexec
SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
