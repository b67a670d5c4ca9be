-- The telemetry streams. A record's identity is (device, boot, seq); boot_id stands for (device, boot).
--
-- One unique index a table, led by device and time: it serves the queries, keeps duplicates out and, on TimescaleDB,
-- is covered by the columnstore's segment-by and order-by. It cannot see a second body that claims another time for
-- the same identity; boots.seen can.

-- One row per power-up of a device. `seen` holds the sequence numbers that have arrived: a record outside it is
-- certainly new and needs no look-up. It may claim too much (gaps are closed when it grows large), never too little.
-- `overlap_base` is `seen` as it was before the last change: ON CONFLICT can return it, where OLD needs PostgreSQL 18.
CREATE TABLE boots (
    boot_id           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    device_id         integer NOT NULL REFERENCES devices,
    boot              text NOT NULL,
    first_received_at timestamptz NOT NULL,
    -- When the device powered up, for devices without a clock: fixed by the first message, so a redelivery gets the same times.
    booted_at         timestamptz,
    first_at          timestamptz,
    last_at           timestamptz,
    seen              int8multirange NOT NULL DEFAULT '{}',
    overlap_base      int8multirange NOT NULL DEFAULT '{}',
    PRIMARY KEY (device_id, boot)
) WITH (fillfactor = 70);

-- *seen* with its smallest gaps closed, so that at most *kept* of them stay.
CREATE FUNCTION close_small_gaps(seen int8multirange, kept integer) RETURNS int8multirange LANGUAGE sql IMMUTABLE AS $$
    WITH ranges AS (
        SELECT lower(r) AS first, upper(r) AS "end", lower(r) - lag(upper(r)) OVER (ORDER BY lower(r)) AS gap
        FROM unnest(seen) AS r
    ), ranked AS (
        SELECT first, "end", row_number() OVER (ORDER BY gap DESC NULLS FIRST) AS rank FROM ranges
    ), parted AS (
        SELECT first, "end", count(*) FILTER (WHERE rank <= kept + 1) OVER (ORDER BY first) AS part FROM ranked
    )
    SELECT range_agg(merged)
    FROM (SELECT range_merge(range_agg(int8range(first, "end"))) AS merged FROM parted GROUP BY part) AS parts
$$;

CREATE TABLE weighing (
    device_id             integer NOT NULL,
    at                    timestamptz NOT NULL,
    boot_id               bigint NOT NULL,
    seq                   bigint NOT NULL CHECK (seq >= 0),
    received_at           timestamptz NOT NULL,
    clock_ahead           boolean NOT NULL,
    trade_no              text NOT NULL,
    kind                  text NOT NULL CHECK (kind IN ('sale', 'return', 'void')),
    net_g                 integer NOT NULL,
    unit_price_fen_per_kg integer NOT NULL,
    amount_fen            bigint NOT NULL,
    stable                boolean NOT NULL,
    gross_g               integer,
    tare_g                integer,
    printed               boolean,
    trace_code            text,
    stall_no              text,
    merchant_code         text,
    plu                   text,
    goods_code            text,
    goods_name            text,
    batch_no              text,
    ref_trade_no          text
);

CREATE TABLE scan (
    device_id   integer NOT NULL,
    at          timestamptz NOT NULL,
    boot_id     bigint NOT NULL,
    seq         bigint NOT NULL CHECK (seq >= 0),
    received_at timestamptz NOT NULL,
    clock_ahead boolean NOT NULL,
    code        text NOT NULL,
    purpose     text NOT NULL CHECK (purpose IN ('inbound', 'outbound', 'sale', 'lookup', 'inspection')),
    result      text NOT NULL CHECK (result IN ('ok', 'unknown', 'error')),
    symbology   text,
    elapsed_ms  integer
);

-- BETWEEN is false for NaN and the infinities: they would poison every average that touches them.
CREATE TABLE coldchain (
    device_id      integer NOT NULL,
    at             timestamptz NOT NULL,
    boot_id        bigint NOT NULL,
    seq            bigint NOT NULL CHECK (seq >= 0),
    received_at    timestamptz NOT NULL,
    clock_ahead    boolean NOT NULL,
    temperature_c  double precision CHECK (temperature_c BETWEEN -273.15 AND 1000),
    probe          text,
    humidity_pct   double precision CHECK (humidity_pct BETWEEN 0 AND 100),
    door_open      boolean,
    battery_pct    double precision CHECK (battery_pct BETWEEN 0 AND 100),
    lat            double precision CHECK (lat BETWEEN -90 AND 90),
    lon            double precision CHECK (lon BETWEEN -180 AND 180),
    external_power boolean,
    fault          text,
    CHECK (temperature_c IS NOT NULL OR fault IS NOT NULL)
);

CREATE TABLE status (
    device_id        integer NOT NULL,
    at               timestamptz NOT NULL,
    boot_id          bigint NOT NULL,
    seq              bigint NOT NULL CHECK (seq >= 0),
    received_at      timestamptz NOT NULL,
    clock_ahead      boolean NOT NULL,
    uptime_s         bigint NOT NULL CHECK (uptime_s >= 0),
    firmware         text,
    battery_pct      double precision CHECK (battery_pct BETWEEN 0 AND 100),
    rssi_dbm         double precision CHECK (rssi_dbm BETWEEN -200 AND 100),
    storage_free_pct double precision CHECK (storage_free_pct BETWEEN 0 AND 100),
    backlog          bigint CHECK (backlog >= 0),
    clock_offset_ms  bigint,
    errors           text[]
);

-- Births and deaths. They carry no sequence number, so a state is kept once per boot, at its first arrival.
CREATE TABLE presence (
    device_id   integer NOT NULL REFERENCES devices,
    at          timestamptz NOT NULL,
    boot_id     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('online', 'offline')),
    PRIMARY KEY (device_id, boot_id, state)
);

-- The newest record of each device and stream (and probe), as it would be read over HTTP. It never goes back in time.
CREATE TABLE latest (
    device_id   integer NOT NULL REFERENCES devices,
    stream      text NOT NULL,
    probe       text NOT NULL DEFAULT '',
    at          timestamptz NOT NULL,
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    record      jsonb NOT NULL,
    PRIMARY KEY (device_id, stream, probe)
) WITH (fillfactor = 70);

-- What is known of a device's line: its current boot, whether it said goodbye, when it was last heard live.
CREATE TABLE device_presence (
    device_id     integer PRIMARY KEY REFERENCES devices,
    boot_id       bigint NOT NULL,
    -- Since when this boot is the current one, and since when the state holds.
    boot_at       timestamptz NOT NULL,
    state         text NOT NULL CHECK (state IN ('online', 'offline')),
    state_at      timestamptz NOT NULL,
    -- When the last word about the line came: nothing older moves it.
    told_at       timestamptz NOT NULL,
    last_heard_at timestamptz
) WITH (fillfactor = 70);

-- A day (Asia/Shanghai, UTC+8, no daylight saving) of a device as 288 slots of 5 minutes; bit n is set when the device
-- was heard live in slot n. A record that comes more than 5 minutes late sets none: a backlog is no proof of life.
CREATE TABLE presence_slots (
    device_id integer NOT NULL REFERENCES devices,
    day       date NOT NULL,
    heard     bit(288) NOT NULL,
    PRIMARY KEY (device_id, day)
) WITH (fillfactor = 70);
