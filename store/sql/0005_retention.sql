-- What is dropped, by which clock and by whom: a policy of TimescaleDB, or the housekeeping of fleet.

CREATE TABLE retention (
    relation    text PRIMARY KEY,
    time_column text NOT NULL,
    keep        interval NOT NULL DEFAULT '750 days',
    dropped_by  text NOT NULL CHECK (dropped_by IN ('housekeeping', 'policy'))
);
INSERT INTO retention (relation, time_column, dropped_by)
SELECT relation, 'at', CASE WHEN telemetry_is_hypertable() THEN 'policy' ELSE 'housekeeping' END
FROM unnest('{weighing,scan,coldchain,status}'::text[]) AS relation;
INSERT INTO retention (relation, time_column, dropped_by) VALUES
    ('presence', 'at', 'housekeeping'),
    ('presence_slots', 'day', 'housekeeping'),
    ('dead_letters', 'received_at', 'housekeeping'),
    ('conflicts', 'received_at', 'housekeeping'),
    ('ingest_stats', 'bucket_at', 'housekeeping');

-- What set_policies() did last, so that a migration that changes nothing leaves the jobs and their history alone.
CREATE TABLE policies (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    compress_after interval NOT NULL,
    keep_for       interval NOT NULL
);

-- Every job that keeps the store in order, ours and TimescaleDB's, and how its last run went.
CREATE TABLE housekeeping_runs (
    job             text PRIMARY KEY,
    last_started_at timestamptz NOT NULL,
    last_success_at timestamptz,
    last_error      text,
    failures        bigint NOT NULL DEFAULT 0
);
CREATE VIEW jobs AS
SELECT job, last_started_at, last_success_at, last_error, failures FROM housekeeping_runs
UNION ALL
SELECT job, last_started_at, last_success_at, last_error, failures FROM policy_jobs;
