-- What a day comes to, for each site and each device, and how well each device is: everything that judges devices reads
-- these, and no telemetry. Days are those of Asia/Shanghai; slots are 5 minutes, 288 a day, as in presence_slots.

-- When nothing could be heard, of a site (its power, its line) or of anybody (ours). Nobody is blamed for it.
CREATE TABLE outages (
    outage_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope      text NOT NULL CHECK (scope IN ('platform', 'site')),
    site_id    integer REFERENCES sites ON DELETE CASCADE,
    began_at   timestamptz NOT NULL CHECK (isfinite(began_at)),
    -- NULL while it lasts.
    ended_at   timestamptz CHECK (ended_at >= began_at AND isfinite(ended_at)),
    source     text NOT NULL CHECK (source IN ('detected', 'declared')),
    reason     text NOT NULL,
    -- Numbers that showed it: devices expected and silent, minutes without a record …
    evidence   jsonb NOT NULL DEFAULT '{}',
    -- A detected one that was none, as somebody found: it excuses nobody any more.
    dismissed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((scope = 'site') = (site_id IS NOT NULL))
);
CREATE UNIQUE INDEX outages_open ON outages (scope, site_id, source) NULLS NOT DISTINCT WHERE ended_at IS NULL AND dismissed_at IS NULL;
CREATE INDEX outages_by_time ON outages (began_at);

-- After how long without a word a device is late, and silent. The most specific row counts: a model at a kind of site, a
-- model, a kind of device at a kind of site, a kind of device.
CREATE TABLE presence_thresholds (
    threshold_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL REFERENCES kinds,
    model_id       integer REFERENCES models ON DELETE CASCADE,
    site_kind      text,
    late_seconds   integer NOT NULL CHECK (late_seconds > 0),
    silent_seconds integer NOT NULL CHECK (silent_seconds > late_seconds),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (kind, model_id, site_kind)
);
-- Two intervals of what a kind is expected to report, and a day: defaults of ours 默认值, 可配置.
INSERT INTO presence_thresholds (kind, late_seconds, silent_seconds) VALUES
    ('trace_scale', 600, 86400), ('kiosk', 600, 86400), ('handheld', 1800, 86400), ('card_reader', 600, 86400),
    ('scanner', 600, 86400), ('logger', 1200, 86400), ('door_sensor', 1200, 86400), ('gateway', 600, 86400);

-- A day of a site: the slots in which it is open, and those of them that count for nobody because of an outage.
CREATE TABLE site_days (
    site_id  integer NOT NULL REFERENCES sites ON DELETE CASCADE,
    day      date NOT NULL,
    open     bit(288) NOT NULL,
    excused  bit(288) NOT NULL,
    -- Why a day has no open slot: 'hours', 'closure', 'status'.
    closed_by text,
    PRIMARY KEY (site_id, day)
);
CREATE INDEX site_days_by_day ON site_days USING brin (day);

-- A day of a device. Numbers of what never came are 0, values of it NULL.
CREATE TABLE device_days (
    device_id       integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    day             date NOT NULL,
    site_id         integer NOT NULL,
    -- In service, site open, no outage; and those of them in which it was heard live.
    expected_slots  smallint NOT NULL DEFAULT 0,
    online_slots    smallint NOT NULL DEFAULT 0,
    -- Whenever it was heard.
    heard_slots     smallint NOT NULL DEFAULT 0,
    records         integer NOT NULL DEFAULT 0,
    late            integer NOT NULL DEFAULT 0,
    dead_lettered   integer NOT NULL DEFAULT 0,
    conflicts       integer NOT NULL DEFAULT 0,
    -- Sequence numbers between the first and the last of its boots that never came.
    missing         bigint NOT NULL DEFAULT 0,
    restarts        integer NOT NULL DEFAULT 0,
    -- Sales with a weight.
    trades          integer NOT NULL DEFAULT 0,
    unprinted       integer NOT NULL DEFAULT 0,
    scans           integer NOT NULL DEFAULT 0,
    lookups         integer NOT NULL DEFAULT 0,
    scan_errors     integer NOT NULL DEFAULT 0,
    statuses        integer NOT NULL DEFAULT 0,
    error_codes     text[] NOT NULL DEFAULT '{}',
    firmware        text,
    -- The last of the day.
    battery_pct     real,
    rssi_dbm        real,
    clock_offset_ms bigint,
    backlog         bigint,
    storage_free_pct real,
    readings        integer NOT NULL DEFAULT 0,
    sensor_faults   integer NOT NULL DEFAULT 0,
    temperature_c_min real,
    temperature_c_max real,
    -- Readings that differ from the one before by more than any store can warm or cool in the time between.
    temperature_jumps integer NOT NULL DEFAULT 0,
    door_samples    integer NOT NULL DEFAULT 0,
    door_open_samples integer NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, day)
) WITH (fillfactor = 80);
-- Days come one after the other, so a few pages tell where a window's rows are.
CREATE INDEX device_days_by_day ON device_days USING brin (day) WITH (pages_per_range = 32);

-- Days that got records after they were over: ingest says which, the next round of fleet reckons them again.
CREATE TABLE stale_days (
    device_id integer NOT NULL,
    day       date NOT NULL,
    -- How often: who reckons deletes only what has not been noted again meanwhile.
    noted     bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (device_id, day)
);
-- Which days were reckoned, and when last: what is due is what changed since.
CREATE TABLE rolled_days (
    day        date PRIMARY KEY,
    rolled_at  timestamptz NOT NULL,
    devices    integer NOT NULL,
    seconds    real NOT NULL
);

-- How each device is now. `reasons`: [{"check", "number", "threshold", "unit", "window", "points"}], worst first.
CREATE TABLE device_health (
    device_id      integer PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    evaluated_at   timestamptz NOT NULL,
    presence       text NOT NULL CHECK (presence IN ('online', 'late', 'silent', 'never_seen')),
    presence_since timestamptz NOT NULL,
    -- Why silence is no failure of its own just now.
    excused_by     text CHECK (excused_by IN ('closed', 'site_outage', 'platform_outage', 'not_in_service')),
    -- NULL where nothing is expected of it.
    score          smallint CHECK (score BETWEEN 0 AND 100),
    reasons        jsonb NOT NULL DEFAULT '[]'
) WITH (fillfactor = 70);

-- The last of each day.
CREATE TABLE health_days (
    device_id integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    day       date NOT NULL,
    presence  text NOT NULL,
    score     smallint,
    reasons   jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (device_id, day)
);
CREATE INDEX health_days_by_day ON health_days USING brin (day);

-- Look-ups on other ways than a device of ours (the QR page), a day of a site: told by whoever runs that page.
CREATE TABLE site_lookups (
    site_id    integer NOT NULL REFERENCES sites ON DELETE CASCADE,
    day        date NOT NULL,
    channel    text NOT NULL CHECK (channel IN ('qr', 'web', 'wechat')),
    lookups    bigint NOT NULL CHECK (lookups >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, day, channel)
);

-- A boot's first word, and its last: days are found by them. Blocks, since a row moves on within its own; an index over
-- blocks costs a row that is updated nothing.
CREATE INDEX boots_by_first ON boots USING brin (first_received_at);
CREATE INDEX boots_by_last ON boots USING brin (last_at);

-- What changed and whom it may concern, for those who watch: kept for a week, so that one who was away catches up.
CREATE TABLE events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    -- 'case.approved', 'finding.opened', 'outage.began' …
    kind     text NOT NULL,
    -- What it is about, as people call it: device_no, case_no, site_no …
    subject  text NOT NULL,
    data     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_by_time ON events USING brin (at);
CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tracefleet_events', '');
    RETURN NULL;
END $$;
CREATE TRIGGER events_inserted AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION notify_events();

INSERT INTO retention (relation, time_column, dropped_by, keep) VALUES
    ('site_days', 'day', 'housekeeping', '750 days'),
    ('device_days', 'day', 'housekeeping', '750 days'),
    ('health_days', 'day', 'housekeeping', '750 days'),
    ('rolled_days', 'day', 'housekeeping', '750 days'),
    ('events', 'at', 'housekeeping', '7 days');

SELECT put_under_audit(table_name, naming, keys) FROM (VALUES
    ('outages', 'scope,outage_id', 'outage_id'),
    ('presence_thresholds', 'kind,threshold_id', 'threshold_id'),
    ('site_lookups', 'site_id,day,channel', 'site_id,day,channel')
) AS tables (table_name, naming, keys);
