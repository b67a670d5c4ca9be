-- Bands of the cold chain as data, the days of cold stores and of trades in the detail that people look at, and the views
-- of the four detailed dashboards. Ranges above a day read these days and no telemetry.

-- Within which temperatures a probe is well. The most specific row counts: a device, a model at a kind of site, a model, a
-- kind of device at a kind of site, a kind of device. `place`: whether it stands in a store or rides in a vehicle.
CREATE TABLE coldchain_bands (
    band_id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind              text NOT NULL REFERENCES kinds,
    model_id          integer REFERENCES models ON DELETE CASCADE,
    site_kind         text,
    device_id         integer REFERENCES devices ON DELETE CASCADE,
    goods_zh          text NOT NULL,
    goods_en          text NOT NULL,
    place             text NOT NULL DEFAULT 'store' CHECK (place IN ('store', 'vehicle')),
    low_c             double precision NOT NULL,
    high_c            double precision NOT NULL,
    -- Outside for as long is an excursion; a shorter while is somebody at the door, or defrosting.
    tolerated_seconds integer NOT NULL DEFAULT 1800 CHECK (tolerated_seconds >= 0),
    -- A door may stand open for as long.
    door_seconds      integer NOT NULL DEFAULT 600 CHECK (door_seconds > 0),
    -- How often it is expected to tell: what is missing for more than twice as long is a gap. Loggers send in batches.
    interval_seconds  integer NOT NULL DEFAULT 900 CHECK (interval_seconds > 0),
    basis             text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    -- An excursion ends half a degree inside the band, so there must be an inside.
    CHECK (high_c >= low_c + 1),
    UNIQUE NULLS NOT DISTINCT (kind, model_id, site_kind, device_id)
);
-- Chilled food, 0 to 8 °C; a door sensor says how warm it is at the door, which nobody limits.
INSERT INTO coldchain_bands (kind, goods_zh, goods_en, low_c, high_c, basis) VALUES
    ('logger', '冷藏食品', 'chilled food', 0, 8, 'default of ours 默认值, 可配置'),
    ('door_sensor', '库门', 'door', -50, 50, 'default of ours 默认值, 可配置');

CREATE VIEW device_bands AS
SELECT DISTINCT ON (d.device_id) d.device_id, b.band_id, b.goods_zh, b.goods_en, b.place, b.low_c, b.high_c, b.tolerated_seconds,
       b.door_seconds, b.interval_seconds
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
JOIN coldchain_bands AS b ON b.kind = m.kind AND (b.model_id IS NULL OR b.model_id = m.model_id)
    AND (b.site_kind IS NULL OR b.site_kind = s.kind) AND (b.device_id IS NULL OR b.device_id = d.device_id)
ORDER BY d.device_id, b.device_id NULLS LAST, b.model_id NULLS LAST, b.site_kind NULLS LAST;

-- Mean kinetic temperature: the constant temperature that would age goods as the changing one did. Haynes' equation,
-- T = (H/R) / -ln(mean of exp(-H/(R Ti))), with H = 83.144 kJ/mol as in USP <1079>, so H/R = 10,000 K; each reading counts as
-- long as it held. Weights are taken against 0 °C, so that sums stay near 1; below -200 °C is no store.
CREATE FUNCTION kinetic_weight(temperature_c double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT exp(10000 * (1 / 273.15::double precision - 1 / (greatest(temperature_c, -200) + 273.15)))
$$;
-- Of the sum of weights times seconds, and of the seconds; NULL where nothing held.
CREATE FUNCTION mean_kinetic_c(kinetic_sum double precision, held_seconds double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN kinetic_sum > 0 AND held_seconds > 0
                THEN 10000 / (10000 / 273.15::double precision - ln(kinetic_sum / held_seconds)) - 273.15 END
$$;

-- A day (Asia/Shanghai) of a probe against its band of then. Excursions, open doors and gaps end at midnight and go on in the
-- next day. A reading holds until the next one, for two intervals at most.
CREATE TABLE coldchain_days (
    device_id         integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    day               date NOT NULL,
    probe             text NOT NULL,
    low_c             double precision NOT NULL,
    high_c            double precision NOT NULL,
    readings          integer NOT NULL,
    faults            integer NOT NULL,
    temperature_c_min double precision,
    temperature_c_max double precision,
    -- Sums over the seconds for which something held: divide by held_seconds.
    held_seconds      double precision NOT NULL,
    temperature_sum   double precision NOT NULL,
    kinetic_sum       double precision NOT NULL,
    outside_seconds   double precision NOT NULL,
    -- [{"began_at", "ended_at", "seconds", "extreme_c", "is_warm"}] in the order of time.
    excursions        jsonb NOT NULL,
    door_openings     integer NOT NULL,
    door_seconds      double precision NOT NULL,
    door_longest_seconds double precision NOT NULL,
    gaps              integer NOT NULL,
    gap_seconds       double precision NOT NULL,
    PRIMARY KEY (device_id, day, probe)
) WITH (fillfactor = 80);
CREATE INDEX coldchain_days_by_day ON coldchain_days USING brin (day) WITH (pages_per_range = 32);

-- A day of a scale: how much, and what is wrong with it.
CREATE TABLE weighing_days (
    device_id  integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    day        date NOT NULL,
    sales      integer NOT NULL,
    returns    integer NOT NULL,
    voids      integer NOT NULL,
    net_g      bigint NOT NULL,
    amount_fen bigint NOT NULL,
    -- Sales with a receipt, and without one; of the others nothing is told.
    printed    integer NOT NULL,
    unprinted  integer NOT NULL,
    -- Price times weight is not the amount, by more than a fen; a sale weighs nothing; the weight was not stable.
    amount_wrong integer NOT NULL,
    weight_wrong integer NOT NULL,
    unstable   integer NOT NULL,
    PRIMARY KEY (device_id, day)
) WITH (fillfactor = 80);
CREATE INDEX weighing_days_by_day ON weighing_days USING brin (day) WITH (pages_per_range = 32);

INSERT INTO retention (relation, time_column, dropped_by, keep) VALUES
    ('coldchain_days', 'day', 'housekeeping', '750 days'),
    ('weighing_days', 'day', 'housekeeping', '750 days');
SELECT put_under_audit('coldchain_bands', 'kind,band_id', 'band_id');

-- A filter on a bucket is a filter on this expression, as for weighing_by_hour.
DO $$ BEGIN
    IF NOT telemetry_is_hypertable() THEN
        CREATE INDEX coldchain_by_5m ON coldchain USING brin (date_bin('5 minutes', at, '2000-01-01 00:00+00'));
        CREATE INDEX scan_by_hour ON scan USING brin (date_bin('1 hour', at, '2000-01-01 00:00+00'));
    END IF;
END $$;

-- Each probe in service: its newest reading, its band, and its day. `standing`: the worst that is the case.
CREATE VIEW grafana_coldchain_probes AS
SELECT l.*, b.goods_zh, b.goods_en, b.place, b.low_c, b.high_c,
       extract(epoch FROM now() - l.at)::double precision AS age_seconds,
       CASE WHEN l.at < now() - 2 * make_interval(secs => b.interval_seconds) THEN 'missing'
            WHEN l.fault IS NOT NULL THEN 'fault'
            WHEN l.temperature_c > b.high_c THEN 'warm'
            WHEN l.temperature_c < b.low_c THEN 'cold'
            ELSE 'inside' END AS standing
FROM grafana_coldchain_latest AS l JOIN devices AS d USING (device_no) JOIN device_bands AS b USING (device_id);

CREATE VIEW grafana_coldchain_days AS
SELECT c.day, c.day::timestamp AT TIME ZONE 'Asia/Shanghai' AS bucket_at, d.device_no, m.kind, s.site_no, s.region_code,
       s.name_zh AS site_zh, s.name_en AS site_en, c.probe, b.place, b.goods_zh, b.goods_en, c.low_c, c.high_c, c.readings, c.faults,
       c.temperature_c_min, c.temperature_c_max, c.held_seconds, c.temperature_sum, c.kinetic_sum, c.outside_seconds,
       jsonb_array_length(c.excursions) AS excursions, c.door_openings, c.door_seconds, c.door_longest_seconds,
       c.gaps, c.gap_seconds, b.door_seconds AS door_limit_seconds
FROM coldchain_days AS c JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
LEFT JOIN device_bands AS b USING (device_id);

CREATE VIEW grafana_excursions AS
SELECT c.day, d.device_no, m.kind, s.site_no, s.region_code, s.name_zh AS site_zh, s.name_en AS site_en, c.probe, c.low_c, c.high_c,
       e.began_at, e.ended_at, e.seconds, e.extreme_c, e.is_warm
FROM coldchain_days AS c JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
CROSS JOIN LATERAL jsonb_to_recordset(c.excursions)
    AS e (began_at timestamptz, ended_at timestamptz, seconds double precision, extreme_c double precision, is_warm boolean);

-- From telemetry, as grafana_trades_1h: for a day at most.
CREATE VIEW grafana_coldchain_5m AS
SELECT c.bucket_at, d.device_no, m.kind, s.site_no, s.region_code, c.probe, c.samples, c.readings, c.faults, c.temperature_c_avg,
       c.temperature_c_min, c.temperature_c_max, c.humidity_pct_avg, c.door_open_samples
FROM coldchain_5m AS c JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);
CREATE VIEW grafana_scans_1h AS
SELECT c.bucket_at, d.device_no, m.kind, s.site_no, s.region_code, c.scans, c.lookups, c.unknown, c.errors, c.elapsed_ms_avg
FROM scan_1h AS c JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);
CREATE VIEW grafana_status AS
SELECT t.at, d.device_no, m.kind, s.site_no, s.region_code, t.battery_pct, t.rssi_dbm, t.clock_offset_ms, t.backlog, t.errors
FROM status AS t JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

CREATE VIEW grafana_weighing_days AS
SELECT w.day, w.day::timestamp AT TIME ZONE 'Asia/Shanghai' AS bucket_at, d.device_no, m.kind, s.site_no, s.region_code,
       s.name_zh AS site_zh, s.name_en AS site_en, w.sales, w.returns, w.voids, w.net_g, w.amount_fen, w.printed, w.unprinted,
       w.amount_wrong, w.weight_wrong, w.unstable
FROM weighing_days AS w JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- What the ledger says of a device, without anything of a person: the party that has it in custody is an office or a firm.
CREATE VIEW grafana_device_cards AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, s.name_zh AS site_zh, s.name_en AS site_en, d.stall_no, m.model_no, m.vendor,
       d.factory_no, d.asset_no, d.firmware, d.state, d.state_since, d.owner_type, d.acquired_on, d.installed_on, d.warranty_until,
       d.verified_until, p.last_heard_at,
       (SELECT string_agg(DISTINCT a.name, ', ') FROM device_responsibilities AS r JOIN parties AS a USING (party_id)
        WHERE r.device_id = d.device_id AND r.duty = 'custody' AND a.kind <> 'merchant') AS holder
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id) LEFT JOIN device_presence AS p USING (device_id);

CREATE VIEW grafana_health_reasons AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, h.evaluated_at, r.place::integer AS place, r.reason ->> 'check' AS reason,
       r.reason ->> 'number' AS number, r.reason ->> 'threshold' AS threshold, r.reason ->> 'unit' AS unit,
       r.reason ->> 'window' AS span, (r.reason ->> 'points')::double precision AS points
FROM device_health AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
CROSS JOIN LATERAL jsonb_array_elements(h.reasons) WITH ORDINALITY AS r (reason, place);

-- Those of devices of the ledger.
CREATE VIEW grafana_device_dead_letters AS
SELECT l.received_at, l.reason, l.stream, d.device_no, m.kind, s.site_no, s.region_code, l.records, l.replayed_at
FROM dead_letters AS l JOIN devices AS d USING (device_no) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tracefleet_dashboards') THEN
        GRANT SELECT ON grafana_coldchain_probes, grafana_coldchain_days, grafana_excursions, grafana_coldchain_5m, grafana_scans_1h,
            grafana_status, grafana_weighing_days, grafana_device_cards, grafana_health_reasons, grafana_device_dead_letters
            TO tracefleet_dashboards;
    END IF;
END $$;
