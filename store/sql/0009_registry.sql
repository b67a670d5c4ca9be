-- The whole ledger (设备管理台账): everything a fleet administrator has to answer for, each fact where it belongs.
-- Text that people may have wrong is checked where it enters; what is checked here would make a row meaningless.

-- Weekly hours as text that people read, `1-5 06:00-18:00; 6,7 05:00-19:00` (1 is Monday), and as minutes of the week
-- (0 is Monday, midnight) that queries read. fleet.ledger.hours writes no other form. An interval may pass midnight.
CREATE FUNCTION opening_minutes(hours text) RETURNS int4multirange LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT range_agg(r) FROM (
        SELECT regexp_matches(part, '^([1-7,-]+) (\d\d):(\d\d)-(\d\d):(\d\d)$') AS m FROM regexp_split_to_table(hours, '; ') AS part
    ) AS parts
    CROSS JOIN LATERAL (SELECT m[2]::int * 60 + m[3]::int AS begins, m[4]::int * 60 + m[5]::int AS ends) AS span
    CROSS JOIN LATERAL regexp_split_to_table(m[1], ',') AS days
    CROSS JOIN LATERAL generate_series(left(days, 1)::int - 1, right(days, 1)::int - 1) AS day
    CROSS JOIN LATERAL (
        SELECT CASE WHEN ends > begins THEN ends ELSE ends + 1440 END - begins AS minutes, day * 1440 + begins AS first
    ) AS width
    CROSS JOIN LATERAL (
        VALUES (int4range(first, least(first + minutes, 10080))), (int4range(0, greatest(first + minutes - 10080, 0)))
    ) AS ranges (r)
$$;

ALTER TABLE sites
    ADD COLUMN address         text,
    ADD COLUMN lat             double precision CHECK (lat BETWEEN -90 AND 90),
    ADD COLUMN lon             double precision CHECK (lon BETWEEN -180 AND 180),
    -- Unified social credit code (GB 32100-2015).
    ADD COLUMN credit_code     text,
    ADD COLUMN status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'cancelled')),
    -- NULL: not told, so always expected to be open.
    ADD COLUMN opening_hours   text,
    ADD COLUMN opening_minutes int4multirange GENERATED ALWAYS AS (opening_minutes(opening_hours)) STORED;

-- 停业报备 and the like: days on which nothing is expected of a site. Both days belong to it.
CREATE TABLE site_closures (
    closure_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id    integer NOT NULL REFERENCES sites ON DELETE CASCADE,
    begins_on  date NOT NULL,
    ends_on    date NOT NULL CHECK (ends_on >= begins_on),
    kind       text NOT NULL CHECK (kind IN ('filed', 'holiday', 'maintenance', 'ordered')),
    reason     text NOT NULL,
    document   text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (site_id, begins_on)
);

-- Personal data is sealed by the application (fleet.sealing); here it is bytes. What is masked may be seen by anybody.
ALTER TABLE merchants
    ADD COLUMN credit_code     text,
    ADD COLUMN status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    ADD COLUMN contact_name    text,
    ADD COLUMN phone_sealed    bytea,
    ADD COLUMN phone_masked    text,
    ADD COLUMN identity_sealed bytea,
    ADD COLUMN identity_masked text;

ALTER TABLE site_merchants
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- Who answers for devices: government departments, the operator of the system, node enterprises, merchants.
CREATE TABLE parties (
    party_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    party_no     text NOT NULL UNIQUE,
    name         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('government', 'operator', 'site', 'merchant')),
    site_id      integer REFERENCES sites,
    merchant_id  integer REFERENCES merchants,
    credit_code  text,
    contact_name text,
    phone_sealed bytea,
    phone_masked text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (site_id IS NULL OR kind = 'site'),
    CHECK (merchant_id IS NULL OR kind = 'merchant')
);

ALTER TABLE models
    ADD COLUMN name                 text,
    ADD COLUMN service_life_months  integer CHECK (service_life_months > 0),
    ADD COLUMN min_firmware         text,
    ADD COLUMN support_ends_on      date,
    ADD COLUMN transport_security   text NOT NULL DEFAULT 'unknown'
        CHECK (transport_security IN ('none', 'tls', 'mutual_tls', 'unknown')),
    ADD COLUMN withdrawn_on         date;

ALTER TABLE devices
    -- identity
    ADD COLUMN name                text,
    ADD COLUMN factory_no          text,
    ADD COLUMN mac                 text,
    ADD COLUMN imei_sealed         bytea,
    ADD COLUMN imei_masked         text,
    ADD COLUMN iccid_sealed        bytea,
    ADD COLUMN iccid_masked        text,
    ADD COLUMN hardware_version    text,
    ADD COLUMN firmware            text,
    ADD COLUMN photo_sha256        text CHECK (photo_sha256 ~ '^[0-9a-f]{64}$'),
    -- asset; money is fen
    ADD COLUMN asset_no            text,
    ADD COLUMN asset_class_standard text,
    ADD COLUMN asset_class_code    text,
    ADD COLUMN owner_type          text CHECK (owner_type IN ('government', 'operator', 'site', 'merchant', 'leased')),
    ADD COLUMN fund_source         text CHECK (fund_source IN ('central_subsidy', 'local', 'self_raised')),
    ADD COLUMN contract_no         text,
    ADD COLUMN supplier            text,
    ADD COLUMN acquired_on         date,
    ADD COLUMN accepted_on         date,
    ADD COLUMN original_value_fen  bigint CHECK (original_value_fen >= 0),
    ADD COLUMN depreciation_months integer CHECK (depreciation_months > 0),
    ADD COLUMN warranty_until      date,
    ADD COLUMN min_service_months  integer CHECK (min_service_months > 0),
    -- place; a device in stock keeps the site it belongs to
    ADD COLUMN address             text,
    ADD COLUMN lat                 double precision CHECK (lat BETWEEN -90 AND 90),
    ADD COLUMN lon                 double precision CHECK (lon BETWEEN -180 AND 180),
    ADD COLUMN storage_place       text,
    ADD COLUMN custodian           text,
    ADD COLUMN custodian_phone_sealed bytea,
    ADD COLUMN custodian_phone_masked text,
    ADD COLUMN installer           text,
    ADD COLUMN installed_on        date,
    -- metrology
    ADD COLUMN type_approval_no    text,
    ADD COLUMN accuracy_class      text,
    ADD COLUMN max_g               integer CHECK (max_g > 0),
    ADD COLUMN min_g               integer CHECK (min_g >= 0),
    ADD COLUMN interval_g          integer CHECK (interval_g > 0),
    ADD COLUMN seal_no             text,
    ADD COLUMN verification_no     text,
    ADD COLUMN verification_body   text,
    ADD COLUMN verification_rule   text,
    ADD COLUMN verified_on         date,
    ADD COLUMN verified_until      date,
    ADD COLUMN verification_result text CHECK (verification_result IN ('passed', 'failed', 'withdrawn')),
    ADD COLUMN is_fair_scale       boolean,
    -- connectivity
    ADD COLUMN protocol            text,
    ADD COLUMN sim_plan            text,
    -- A gateway speaks for the devices behind it.
    ADD COLUMN gateway_id          integer REFERENCES devices,
    -- lifecycle
    ADD COLUMN state_since         timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN state_reason        text,
    ADD COLUMN commissioned_on     date,
    ADD COLUMN exemption_document  text,
    -- The device it took the place of.
    ADD COLUMN predecessor_id      integer REFERENCES devices;
UPDATE devices SET state_since = created_at;
CREATE INDEX devices_by_gateway ON devices (gateway_id) WHERE gateway_id IS NOT NULL;
CREATE INDEX devices_by_predecessor ON devices (predecessor_id) WHERE predecessor_id IS NOT NULL;
CREATE INDEX devices_by_state ON devices (state);
CREATE INDEX devices_by_factory_no ON devices (factory_no) WHERE factory_no IS NOT NULL;

-- Which party answers for what, one for each duty.
CREATE TABLE device_responsibilities (
    device_id  integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    duty       text NOT NULL CHECK (duty IN ('supervision', 'operation', 'custody', 'use')),
    party_id   integer NOT NULL REFERENCES parties,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, duty)
);
CREATE INDEX device_responsibilities_by_party ON device_responsibilities (party_id);

-- Why nothing may be done to a device for a while; apart from its state, and several at a time.
CREATE TABLE device_holds (
    hold_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('evidence', 'dispute', 'maintenance', 'inspection')),
    reason      text NOT NULL,
    document    text,
    begins_at   timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz CHECK (ends_at > begins_at),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_holds_by_device ON device_holds (device_id);

-- The steps of each device's life, as people ask for them; the audit has every field of every change besides.
CREATE TABLE device_transitions (
    transition_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id     integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    from_state    text,
    to_state      text NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    actor         text NOT NULL,
    reason        text,
    document      text,
    cost_fen      bigint CHECK (cost_fen >= 0)
);
CREATE INDEX device_transitions_by_device ON device_transitions (device_id, transition_id);

-- Where a device stood and when: a place's series is that of the devices that stood there, each in its time.
CREATE TABLE device_placements (
    placement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id    integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    site_id      integer NOT NULL REFERENCES sites,
    stall_no     text,
    since        timestamptz NOT NULL,
    until        timestamptz CHECK (until >= since),
    -- Whose place it took here. Kept for each place: a device may follow one here and another elsewhere later.
    predecessor_id integer REFERENCES devices ON DELETE SET NULL
);
CREATE UNIQUE INDEX device_placements_open ON device_placements (device_id) WHERE until IS NULL;
CREATE INDEX device_placements_by_device ON device_placements (device_id, since);
CREATE INDEX device_placements_by_site ON device_placements (site_id, stall_no, since);

CREATE FUNCTION is_placed(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('in_service', 'suspended', 'faulty', 'repairing', 'idle')
$$;

INSERT INTO device_placements (device_id, site_id, stall_no, since)
SELECT device_id, site_id, stall_no, created_at FROM devices WHERE is_placed(state);

CREATE FUNCTION follow_placements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_placements AS p SET until = greatest(now(), p.since)
    FROM changed AS d
    WHERE p.device_id = d.device_id AND p.until IS NULL
      AND (NOT is_placed(d.state) OR p.site_id <> d.site_id OR p.stall_no IS DISTINCT FROM d.stall_no);
    -- Installed before it was entered: it stood there since. Never before an earlier place was left, nor before the
    -- device whose place it takes was.
    INSERT INTO device_placements (device_id, site_id, stall_no, since, predecessor_id)
    SELECT d.device_id, d.site_id, d.stall_no,
           CASE WHEN left_at IS NULL AND d.predecessor_id IS NULL
                THEN least(now(), d.installed_on::timestamp AT TIME ZONE 'Asia/Shanghai') ELSE now() END,
           d.predecessor_id
    FROM changed AS d
    CROSS JOIN LATERAL (SELECT max(until) AS left_at FROM device_placements AS p WHERE p.device_id = d.device_id) AS earlier
    WHERE is_placed(d.state)
      AND NOT EXISTS (SELECT FROM device_placements AS p WHERE p.device_id = d.device_id AND p.until IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER devices_inserted_placements AFTER INSERT ON devices REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION follow_placements();
CREATE TRIGGER devices_updated_placements AFTER UPDATE ON devices REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION follow_placements();

-- A number that was retired is never issued again, whatever becomes of its row.
CREATE TABLE tombstones (
    device_no  text PRIMARY KEY,
    device_id  integer NOT NULL,
    state      text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now(),
    reason     text
);
INSERT INTO tombstones (device_no, device_id, state, retired_at)
SELECT device_no, device_id, state, updated_at FROM devices WHERE state IN ('disposed', 'lost');

CREATE FUNCTION keep_tombstones() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    retired text;
    renamed bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT string_agg(t.device_no, ', ') INTO retired FROM after_rows JOIN tombstones AS t USING (device_no);
        IF retired IS NOT NULL THEN
            RAISE unique_violation USING MESSAGE = format('retired device numbers are never issued again: %s', left(retired, 500)),
                CONSTRAINT = 'tombstones_pkey', TABLE = 'devices';
        END IF;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        -- Counted: EXISTS would be planned for a first row soon found, which is never there.
        SELECT count(*) INTO renamed FROM before_rows AS b JOIN after_rows AS a USING (device_id) WHERE a.device_no <> b.device_no;
        IF renamed > 0 THEN
            RAISE integrity_constraint_violation USING MESSAGE = 'the number of a device never changes: register another one';
        END IF;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO tombstones (device_no, device_id, state, reason)
        SELECT device_no, device_id, state, state_reason FROM after_rows WHERE state IN ('disposed', 'lost')
        ON CONFLICT (device_no) DO NOTHING;
    ELSE
        INSERT INTO tombstones (device_no, device_id, state, reason)
        SELECT device_no, device_id, 'deleted', 'the row was deleted' FROM before_rows WHERE state <> 'draft'
        ON CONFLICT (device_no) DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_inserted_tombstones AFTER INSERT ON devices REFERENCING NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_tombstones();
CREATE TRIGGER devices_updated_tombstones AFTER UPDATE ON devices REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_tombstones();
CREATE TRIGGER devices_deleted_tombstones AFTER DELETE ON devices REFERENCING OLD TABLE AS before_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_tombstones();

-- How a region writes its codes. None is known to be official: `verified` stays false until somebody has seen the document.
CREATE TABLE code_profiles (
    profile_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- A region and all below it: two, four or six digits.
    region_code text NOT NULL CHECK (region_code ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6})$'),
    subject     text NOT NULL CHECK (subject IN ('site', 'merchant', 'trace', 'goods')),
    version     integer NOT NULL CHECK (version > 0),
    pattern     text NOT NULL,
    -- [{"name": …, "from": 1, "length": 6}]: what the characters mean, for people.
    segments    jsonb NOT NULL DEFAULT '[]',
    verified    boolean NOT NULL DEFAULT false,
    source      text NOT NULL,
    valid_from  date NOT NULL,
    valid_to    date CHECK (valid_to > valid_from),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (region_code, subject, version)
);
INSERT INTO code_profiles (region_code, subject, version, pattern, segments, source, valid_from) VALUES
    ('41', 'site', 1, '[0-9]{9}', '[{"name": "region", "from": 1, "length": 6}, {"name": "serial", "from": 7, "length": 3}]',
     'general knowledge, not verified 未核实', '2012-01-01'),
    ('41', 'merchant', 1, '[0-9]{13}', '[{"name": "site", "from": 1, "length": 9}, {"name": "serial", "from": 10, "length": 4}]',
     'general knowledge, not verified 未核实', '2012-01-01'),
    ('41', 'trace', 1, '[0-9]{20}', '[{"name": "merchant", "from": 1, "length": 13}, {"name": "serial", "from": 14, "length": 7}]',
     'general knowledge, not verified; another layout is as plausible 未核实', '2012-01-01'),
    ('41', 'goods', 1, '[0-9A-Za-z]{1,32}', '[]', 'SB/T 10680, digits not seen 未核实', '2012-01-01');

-- What may no longer be added (豫商办文〔2018〕81号). The notice can be read two ways, so the policy is data.
CREATE TABLE registration_gates (
    kind           text PRIMARY KEY REFERENCES kinds,
    acquired_after date NOT NULL,
    policy         text NOT NULL DEFAULT 'require_exemption' CHECK (policy IN ('block', 'require_exemption', 'warn')),
    basis          text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
INSERT INTO registration_gates (kind, acquired_after, basis) VALUES
    ('kiosk', '2018-08-27', '豫商办文〔2018〕81号'), ('trace_scale', '2018-08-27', '豫商办文〔2018〕81号');
