-- What could not be stored as telemetry, and the account of everything that came.

-- The raw bytes once, however many of their records were refused.
CREATE TABLE dead_letter_payloads (
    payload_id   bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    payload_hash bytea PRIMARY KEY,
    payload      bytea NOT NULL
);

-- record_index is -1 when the whole message was refused. The key makes a redelivery, or a device that repeats the same
-- rubbish for days, one row.
CREATE TABLE dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic          text NOT NULL,
    payload_id     bigint NOT NULL REFERENCES dead_letter_payloads (payload_id),
    record_index   integer NOT NULL,
    records        integer NOT NULL CHECK (records > 0),
    reason         text NOT NULL CHECK (reason IN (
        'bad_topic', 'bad_json', 'bad_utf8', 'too_large', 'too_deep', 'bad_version', 'bad_message', 'bad_record',
        'out_of_range', 'non_finite', 'nul_character', 'clock_out_of_range', 'no_time', 'unknown_device',
        'retired_device', 'wrong_stream', 'database_rejected', 'crashed')),
    detail         text NOT NULL,
    device_no      text,
    stream         text,
    received_at    timestamptz NOT NULL,
    replayed_at    timestamptz
);
-- The hash, since a topic may be longer than an index row.
CREATE UNIQUE INDEX dead_letters_identity ON dead_letters (payload_id, record_index, md5(topic));
CREATE INDEX dead_letters_by_time ON dead_letters (received_at, dead_letter_id);
CREATE INDEX dead_letters_by_device ON dead_letters (device_no, received_at) WHERE device_no IS NOT NULL;

-- Same identity, another body: the first stays in its stream, the other is kept here beside it.
CREATE TABLE conflicts (
    conflict_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    device_id   integer NOT NULL REFERENCES devices,
    boot_id     bigint NOT NULL,
    seq         bigint NOT NULL,
    body_hash   bytea NOT NULL,
    stream      text NOT NULL,
    first_body  jsonb NOT NULL,
    second_body jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, boot_id, seq, body_hash)
);
CREATE INDEX conflicts_by_time ON conflicts (received_at);

-- The account: every record that came has exactly one outcome, and the database refuses a sum that does not hold.
CREATE TABLE ingest_stats (
    bucket_at     timestamptz NOT NULL,
    worker        text NOT NULL,
    stream        text NOT NULL,
    messages      bigint NOT NULL,
    received      bigint NOT NULL,
    stored        bigint NOT NULL,
    duplicate     bigint NOT NULL,
    conflict      bigint NOT NULL,
    dead_lettered bigint NOT NULL,
    late          bigint NOT NULL,
    PRIMARY KEY (bucket_at, worker, stream),
    CHECK (received = stored + duplicate + conflict + dead_lettered)
) WITH (fillfactor = 70);

-- Each ingest process says how it is; readiness and the dashboards read it.
CREATE TABLE workers (
    worker         text PRIMARY KEY,
    started_at     timestamptz NOT NULL,
    heartbeat_at   timestamptz NOT NULL,
    connected      boolean NOT NULL,
    unacknowledged integer NOT NULL,
    lag_seconds    double precision,
    stopped_reason text
);
