-- The ledger as far as ingest needs it: where devices stand, what they are, and whether they may speak.
-- Everything that identifies a thing to people is text as written on it; everything that joins is a small integer.

-- GB/T 2260 codes change hands over the years (410728 became 410783), so a region is a code within its dates.
CREATE TABLE regions (
    region_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_code text NOT NULL CHECK (region_code ~ '^[0-9]{6}$'),
    name_zh     text NOT NULL,
    name_en     text NOT NULL,
    parent_code text CHECK (parent_code ~ '^[0-9]{6}$'),
    valid_from  date NOT NULL DEFAULT '1980-01-01',
    valid_to    date CHECK (valid_to > valid_from),
    UNIQUE (region_code, valid_from)
);

CREATE TABLE sites (
    site_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_no     text NOT NULL UNIQUE,
    name_zh     text NOT NULL,
    name_en     text NOT NULL,
    kind        text NOT NULL CHECK (kind IN (
        'slaughterhouse', 'wholesale_market', 'wet_market', 'supermarket', 'group_caterer',
        'cold_store', 'specialty_shop', 'check_point', 'origin_wholesaler', 'ecommerce')),
    region_code text NOT NULL CHECK (region_code ~ '^[0-9]{6}$'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sites_by_region ON sites (region_code);

-- A merchant registers once and trades at many sites.
CREATE TABLE merchants (
    merchant_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_code text NOT NULL UNIQUE,
    name          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE site_merchants (
    site_id     integer NOT NULL REFERENCES sites,
    merchant_id integer NOT NULL REFERENCES merchants,
    stall_no    text NOT NULL DEFAULT '',
    PRIMARY KEY (site_id, merchant_id, stall_no)
);

-- What a kind of device may report. A record on another stream is refused as wrong_stream.
CREATE TABLE kinds (
    kind    text PRIMARY KEY,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    streams text[] NOT NULL
);
INSERT INTO kinds (kind, name_zh, name_en, streams) VALUES
    ('trace_scale', '追溯秤',     'trace scale',      '{weighing,scan,status,presence}'),
    ('kiosk',       '查询机',     'query kiosk',      '{scan,status,presence}'),
    ('handheld',    '手持读写终端', 'handheld terminal', '{scan,weighing,status,presence}'),
    ('card_reader', '读卡器',     'card reader',      '{scan,status,presence}'),
    ('scanner',     '扫码器',     'scanner',          '{scan,status,presence}'),
    ('logger',      '温湿度记录仪', 'cold-chain logger', '{coldchain,status,presence}'),
    ('door_sensor', '门磁',       'door sensor',      '{coldchain,status,presence}'),
    ('gateway',     '网关',       'gateway',          '{status,presence}');

CREATE TABLE models (
    model_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_no   text NOT NULL UNIQUE,
    kind       text NOT NULL REFERENCES kinds,
    vendor     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE devices (
    device_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_no   text NOT NULL UNIQUE CHECK (device_no ~ '^[A-Za-z0-9_-]{1,64}$'),
    model_id    integer NOT NULL REFERENCES models,
    site_id     integer NOT NULL REFERENCES sites,
    merchant_id integer REFERENCES merchants,
    stall_no    text,
    state       text NOT NULL DEFAULT 'in_service' CHECK (state IN (
        'draft', 'in_stock', 'in_service', 'suspended', 'faulty', 'repairing',
        'idle', 'recovered', 'pending_disposal', 'disposed', 'lost')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_by_site ON devices (site_id);
CREATE INDEX devices_by_model ON devices (model_id);

-- Ingest holds the registry in memory; this wakes it. Statement level: an import of 100,000 rows is one message.
CREATE FUNCTION notify_registry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tracefleet_registry', TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER devices_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON devices
    FOR EACH STATEMENT EXECUTE FUNCTION notify_registry();
CREATE TRIGGER models_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION notify_registry();
CREATE TRIGGER kinds_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON kinds
    FOR EACH STATEMENT EXECUTE FUNCTION notify_registry();
