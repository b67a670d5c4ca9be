-- What came late, what came from the future, how far a device's clock is off, and what ingest died of.

ALTER TABLE ingest_stats
    -- Of those stored: more than a day after they were made (补报), and made in our future.
    ADD COLUMN backfilled  bigint NOT NULL DEFAULT 0,
    ADD COLUMN clock_ahead bigint NOT NULL DEFAULT 0;

-- How far the device's clock was ahead of ours when it last said when it sent: an estimate that lacks the time on the
-- way, so it reads low. NULL while no message said.
ALTER TABLE device_presence ADD COLUMN clock_offset_ms bigint;

-- A worker that stopped in order says so; one that did not has died with messages in its hands.
ALTER TABLE workers ADD COLUMN stopped_at timestamptz;

-- Messages that a worker was reading when it died, and how often that happened. Written only after a death.
CREATE TABLE deadly_messages (
    message_hash bytea PRIMARY KEY,
    worker       text NOT NULL,
    deaths       integer NOT NULL,
    last_died_at timestamptz NOT NULL
);
