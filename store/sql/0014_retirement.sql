-- The retirement loop (依法依规处置): a case carries a device from the first doubt to the books closed. What each step needs
-- and who may take it is said in fleet.retirement.states; here stands what may never be, whoever writes.

-- From this moment the device's identity is retired, wherever the thing itself still is: nothing it says is accepted.
ALTER TABLE devices ADD COLUMN decommissioned_at timestamptz;
-- Whether a device's identity is retired: the one place that says so. Inlined, so it costs a query nothing.
CREATE FUNCTION is_retired(state text, decommissioned_at timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN state IN ('disposed', 'lost') OR decommissioned_at IS NOT NULL;
-- A device that is retired has no credential any more, whoever retired it and however: as 0011, by the rule above.
CREATE OR REPLACE FUNCTION revoke_of_retired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credentials AS c SET revoked_at = now(),
        revoked_reason = 'the device is ' || CASE WHEN d.state IN ('disposed', 'lost') THEN d.state ELSE 'decommissioned' END
    FROM changed AS d
    WHERE d.device_id = c.device_id AND is_retired(d.state, d.decommissioned_at) AND c.revoked_at IS NULL;
    UPDATE enrolments AS e SET voided_at = now()
    FROM changed AS d
    WHERE d.device_id = e.device_id AND is_retired(d.state, d.decommissioned_at) AND e.used_at IS NULL AND e.voided_at IS NULL;
    -- Its line is over, though its last will is refused like all it says. Locked in the order of ingest.
    WITH gone AS (
        SELECT p.device_id FROM device_presence AS p JOIN changed AS d USING (device_id)
        WHERE is_retired(d.state, d.decommissioned_at) AND p.state = 'online' ORDER BY p.device_id FOR UPDATE OF p
    )
    UPDATE device_presence AS p SET state = 'offline', state_at = greatest(now(), p.told_at), told_at = greatest(now(), p.told_at)
    FROM gone WHERE p.device_id = gone.device_id;
    RETURN NULL;
END $$;
-- Which of a decommissioned device's topics the broker still had something retained on, and since when it has nothing.
CREATE TABLE retained_clearings (
    device_id  integer PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    topics     text[] NOT NULL DEFAULT '{}',
    cleared_at timestamptz
);
CREATE INDEX devices_decommissioned ON devices (decommissioned_at) WHERE decommissioned_at IS NOT NULL;
-- What may come instead of a kind that the notice forbids.
ALTER TABLE registration_gates
    ADD COLUMN instead_zh text,
    ADD COLUMN instead_en text;
UPDATE registration_gates SET instead_zh = '二维码查询（追溯码、小程序）', instead_en = 'QR look-up on the customer''s own telephone'
WHERE kind = 'kiosk';
UPDATE registration_gates SET instead_zh = '联网智能秤（手持终端配合）或商超ERP上传', instead_en = 'a networked scale with a handheld terminal, or upload from the shop''s ERP'
WHERE kind = 'trace_scale';

-- A campaign: all kiosks of a prefecture by a day.
CREATE TABLE programmes (
    programme_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    programme_no text NOT NULL UNIQUE,
    name_zh      text NOT NULL,
    name_en      text NOT NULL,
    -- Which devices: in this region and below it (two, four or six digits), of these kinds, at these kinds of site.
    region_code  text NOT NULL CHECK (region_code ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6})$'),
    kinds        text[] NOT NULL CHECK (kinds <> '{}'),
    site_kinds   text[] NOT NULL DEFAULT '{}',
    begins_on    date NOT NULL,
    due_on       date NOT NULL CHECK (due_on > begins_on),
    -- How many are to go; NULL: all of them.
    target       integer CHECK (target > 0),
    basis        text,
    ended_on     date,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- Who has to approve, by what the device cost when it was bought: rows in the order of their limits, the first that holds
-- counts. Limits are of one device and of all that are proposed together. Thresholds are local law: data 可配置.
CREATE TABLE approval_tiers (
    tier_id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier             text NOT NULL UNIQUE,
    name_zh          text NOT NULL,
    name_en          text NOT NULL,
    owner_types      text[] NOT NULL,
    -- Below both; NULL: no limit.
    single_below_fen bigint,
    bundle_below_fen bigint,
    -- 'filed': the department decides and files (备案); 'approved': an authority's reply (批复) is needed.
    outcome          text NOT NULL CHECK (outcome IN ('filed', 'approved')),
    basis            text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO approval_tiers (tier, name_zh, name_en, owner_types, single_below_fen, bundle_below_fen, outcome, basis) VALUES
    ('owner', '所有者同意', 'the owner''s consent', '{site,merchant,leased}', NULL, NULL, 'approved', '非国有资产，由所有者决定'),
    ('department', '主管部门审批并备案', 'the department approves and files', '{government,operator}', 10000000, 20000000, 'filed', '按原值分级，默认值，可配置'),
    ('authority', '财政部门审核、政府批准', 'the finance authority approves', '{government,operator}', NULL, NULL, 'approved', '按原值分级，默认值，可配置');

-- How long a case may stay in a state before somebody is reminded, and before it is escalated.
CREATE TABLE case_deadlines (
    state          text PRIMARY KEY,
    days           integer NOT NULL CHECK (days > 0),
    remind_days    integer NOT NULL CHECK (remind_days >= 0),
    escalate_days  integer NOT NULL CHECK (escalate_days >= 0),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
INSERT INTO case_deadlines (state, days, remind_days, escalate_days) VALUES
    ('opened', 15, 3, 7), ('proposed', 15, 3, 7), ('appraised', 30, 5, 10), ('approved', 15, 3, 7), ('executing', 7, 1, 3),
    ('silent', 30, 5, 10), ('recovered', 15, 3, 7), ('wiped', 60, 10, 15), ('disposed', 30, 5, 10), ('written_off', 30, 5, 10);

-- A case that is over stands in nobody's way; fleet.retirement.states has the same.
CREATE FUNCTION is_over(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('kept', 'rejected', 'archived', 'withdrawn', 'stopped')
$$;

CREATE TABLE cases (
    case_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_no        text NOT NULL UNIQUE,
    device_id      integer NOT NULL REFERENCES devices,
    flag_id        integer REFERENCES flags,
    programme_id   integer REFERENCES programmes,
    -- Cases proposed together: their original values count together.
    bundle         uuid,
    -- 'state': property of the government or the operator; 'owner': of a site, a merchant or a lessor, the shorter way.
    path           text NOT NULL CHECK (path IN ('state', 'owner')),
    state          text NOT NULL CHECK (state IN (
        'opened', 'kept', 'proposed', 'appraised', 'approved', 'rejected', 'executing', 'silent', 'recovered', 'wiped',
        'disposed', 'written_off', 'archived', 'withdrawn', 'stopped')),
    state_since    timestamptz NOT NULL,
    -- Why: the flag's findings, or what the proposer says; frozen when it is opened.
    grounds        jsonb NOT NULL,
    -- The day by which the present state is to be left.
    due_on         date,
    reminded_at    timestamptz,
    escalated_at   timestamptz,
    kept_until     date,
    opened_by      text NOT NULL,
    proposed_by    text,
    proposed_at    timestamptz,
    appraised_by   text,
    appraised_at   timestamptz,
    appraisal      text CHECK (appraisal IN ('no_use_left', 'not_worth_repair', 'usable')),
    tier           text,
    approved_by    text,
    approved_at    timestamptz,
    approval       text CHECK (approval IN ('approved', 'filed')),
    executed_by    text,
    executed_at    timestamptz,
    -- Since when nothing was accepted; with the attempts that were refused, the proof of silence.
    silent_since   timestamptz,
    silence        jsonb,
    -- What comes in its place: a device of the ledger, or another way to do its work.
    successor_id   integer REFERENCES devices,
    replacement    text CHECK (replacement IN ('none', 'device', 'qr_lookup', 'erp_upload')),
    recovered_place text,
    recovered_by   text,
    photo_sha256   text CHECK (photo_sha256 ~ '^[0-9a-f]{64}$'),
    wiped_by       text,
    wiped_at       timestamptz,
    method         text CHECK (method IN ('transfer', 'public_warehouse', 'sale', 'donation', 'scrap', 'loss', 'returned')),
    recipient      text,
    recycler_licence text,
    receipt_no     text,
    income_fen     bigint CHECK (income_fen >= 0),
    disposed_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    -- Four eyes, whatever the order of calls.
    -- Names that differ by their case or their spaces alone are one person's.
    CONSTRAINT cases_maker_is_not_checker CHECK (
        lower(btrim(approved_by)) NOT IN (lower(btrim(proposed_by)), lower(btrim(coalesce(appraised_by, proposed_by))))),
    CONSTRAINT cases_are_proposed_first CHECK (approved_by IS NULL OR proposed_by IS NOT NULL),
    CONSTRAINT cases_are_approved_first CHECK (
        (executed_at IS NULL AND state NOT IN ('executing', 'silent', 'recovered', 'wiped', 'disposed', 'written_off', 'archived'))
        OR (approved_by IS NOT NULL AND approval IS NOT NULL AND executed_by IS NOT NULL))
);
-- One at a time: a case that is over does not stand in the way of another.
CREATE UNIQUE INDEX cases_open ON cases (device_id) WHERE NOT is_over(state);
CREATE INDEX cases_by_device ON cases (device_id, case_id);
CREATE INDEX cases_by_state ON cases (state, due_on);
CREATE INDEX cases_by_bundle ON cases (bundle) WHERE bundle IS NOT NULL;
CREATE INDEX cases_by_programme ON cases (programme_id) WHERE programme_id IS NOT NULL;

CREATE TABLE case_steps (
    step_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    integer NOT NULL REFERENCES cases,
    from_state text,
    to_state   text NOT NULL,
    at         timestamptz NOT NULL,
    actor      text NOT NULL DEFAULT acting_as(),
    reason     text,
    document   text,
    -- What was told with it: appraisal, method, receipt, numbers that guards went by.
    details    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX case_steps_by_case ON case_steps (case_id, step_id);

-- Papers are kept elsewhere; here is what they are, and the hash by which each is known to be the same.
CREATE TABLE case_documents (
    document_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id     integer NOT NULL REFERENCES cases,
    kind        text NOT NULL CHECK (kind IN (
        'application', 'value_evidence', 'appraisal', 'consent', 'approval', 'photo', 'wipe_record', 'receipt', 'income', 'write_off', 'other')),
    name        text NOT NULL,
    sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes  bigint CHECK (size_bytes >= 0),
    note        text,
    added_by    text NOT NULL DEFAULT acting_as(),
    added_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (case_id, sha256)
);

-- A retired identity that speaks: refused, counted, kept. One row for a device and a way until somebody has dealt with it.
CREATE TABLE security_events (
    security_event_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id    integer NOT NULL REFERENCES devices,
    -- 'broker': refused at its login; 'ingest': a message of it was refused.
    channel      text NOT NULL CHECK (channel IN ('broker', 'ingest')),
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    attempts     bigint NOT NULL CHECK (attempts > 0),
    -- When the numbers were last brought up to date: not at each attempt, since every change of them is audited.
    noted_at     timestamptz NOT NULL,
    -- Hosts, client ids, reasons, numbers of dead letters.
    evidence     jsonb NOT NULL DEFAULT '{}',
    raised_at    timestamptz NOT NULL DEFAULT now(),
    settled_at   timestamptz,
    settled_by   text,
    note         text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX security_events_open ON security_events (device_id, channel) WHERE settled_at IS NULL;
CREATE INDEX security_events_by_device ON security_events (device_id, security_event_id);
-- From one retired number to the next, whatever else fills the dead letters.
CREATE INDEX dead_letters_of_retired ON dead_letters (device_no, received_at) WHERE reason = 'retired_device' AND device_no IS NOT NULL;

CREATE TRIGGER case_steps_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER case_documents_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_documents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

SELECT put_under_audit(table_name, naming, keys) FROM (VALUES
    ('programmes', 'programme_no', 'programme_id'),
    ('approval_tiers', 'tier', 'tier_id'),
    ('case_deadlines', 'state', 'state'),
    ('cases', 'case_no', 'case_id'),
    ('case_steps', 'case_id,step_id', 'step_id'),
    ('case_documents', 'case_id,document_id', 'document_id'),
    ('security_events', 'device_id,security_event_id', 'security_event_id')
) AS tables (table_name, naming, keys);

-- What each programme is about: devices of its kinds that were in the ledger and not retired when it began, and those that
-- came since. A draft is not in the ledger yet. A device belongs to the site where it stood when it came into scope, and
-- stays in scope wherever it is carried: a target that shrinks by carrying devices across a border would be none. Sites
-- count with the region and the kind that they had when the programme began. Days are those of Asia/Shanghai.
CREATE VIEW programme_scope AS
-- Made first, once a site and not once a device: the planner thinks little of sites and takes few devices for less.
WITH wanted AS MATERIALIZED (
    SELECT p.programme_id, s.site_id
    FROM programmes AS p
    CROSS JOIN sites AS s
    LEFT JOIN LATERAL (
        -- Gathered and not limited: for a first row the audit would be read in its own order.
        SELECT (array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] AS told FROM audit AS a
        WHERE a.entity = 'sites' AND a.label = s.site_no AND a.at >= p.begins_on::timestamp AT TIME ZONE 'Asia/Shanghai'
    ) AS earlier ON true
    WHERE starts_with(coalesce(earlier.told ->> 'region_code', s.region_code), p.region_code)
      AND (p.site_kinds = '{}' OR coalesce(earlier.told ->> 'kind', s.kind) = ANY (p.site_kinds))
)
SELECT p.programme_id, d.device_id, place.site_id, span.entered_at, span.retired_at
FROM programmes AS p
CROSS JOIN LATERAL (SELECT p.begins_on::timestamp AT TIME ZONE 'Asia/Shanghai' AS at) AS start
JOIN models AS m ON m.kind = ANY (p.kinds)
JOIN devices AS d USING (model_id)
LEFT JOIN tombstones AS z ON z.device_no = d.device_no AND z.state <> 'deleted'
CROSS JOIN LATERAL (
    SELECT min(t.at) FILTER (WHERE t.from_state = 'draft') AS accepted_at,
           min(t.at) FILTER (WHERE t.to_state IN ('disposed', 'lost')) AS retired_at
    FROM device_transitions AS t WHERE t.device_id = d.device_id
) AS step
-- Ledgers are taken over without the steps that led there: then the row itself says since when, and its tombstone until when.
CROSS JOIN LATERAL (
    SELECT coalesce(step.accepted_at, CASE WHEN d.state <> 'draft' THEN d.created_at END) AS accepted_at,
           coalesce(step.retired_at, z.retired_at) AS retired_at
) AS life
CROSS JOIN LATERAL (SELECT greatest(life.accepted_at, start.at) AS entered_at, life.retired_at) AS span
-- Not placed by then: it belonged to the site that its row named, which the next change of the row tells.
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT q.site_id FROM device_placements AS q
         WHERE q.device_id = d.device_id AND q.since <= span.entered_at ORDER BY q.since DESC, q.placement_id DESC LIMIT 1),
        (SELECT ((array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] ->> 'site_id')::integer FROM audit AS a
         WHERE a.entity = 'devices' AND a.label = d.device_no AND a.at >= span.entered_at),
        d.site_id) AS site_id
) AS place
JOIN wanted ON wanted.programme_id = p.programme_id AND wanted.site_id = place.site_id
WHERE life.accepted_at IS NOT NULL
  -- What came into the ledger as retired was never to be retired.
  AND (span.retired_at IS NULL OR (span.retired_at >= start.at AND span.retired_at > life.accepted_at));

-- What the dashboards read of health and retirement, as in 0006: who looks at them reads these and no table.

CREATE VIEW grafana_health AS
SELECT d.device_no, m.kind, s.site_no, s.region_code, h.evaluated_at, h.presence, h.presence_since, h.excused_by, h.score,
       h.reasons -> 0 ->> 'check' AS worst_reason
FROM device_health AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

CREATE VIEW grafana_health_days AS
SELECT h.day, d.device_no, m.kind, s.site_no, s.region_code, h.presence, h.score, h.reasons -> 0 ->> 'check' AS worst_reason
FROM health_days AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

-- Those that somebody found to be none are left out.
CREATE VIEW grafana_outages AS
SELECT o.outage_id, o.scope, s.site_no, s.name_zh AS site_zh, s.name_en AS site_en, s.region_code, o.began_at, o.ended_at,
       o.source, o.reason
FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE o.dismissed_at IS NULL;

CREATE VIEW grafana_findings AS
SELECT f.finding_id, f.rule, r.name_zh AS rule_zh, r.name_en AS rule_en, f.weight, f.is_mandatory, d.device_no, m.kind,
       s.site_no, s.region_code, f.opened_at, f.cleared_at
FROM findings AS f JOIN obsolescence_rules AS r ON r.rule = f.rule AND r.version = f.rule_version
JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

CREATE VIEW grafana_flags AS
SELECT f.flag_id, d.device_no, m.kind, s.site_no, s.region_code, f.flagged_on, f.flagged_at, f.score, f.sentence_zh,
       f.sentence_en, f.ended_at, f.ended_because
FROM flags AS f JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id);

CREATE VIEW grafana_cases AS
SELECT c.case_no, d.device_no, m.kind, s.site_no, s.region_code, p.programme_no, c.path, c.state, c.state_since, c.due_on,
       NOT is_over(c.state) AS is_open,
       coalesce(c.due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date, false)
           AND NOT is_over(c.state) AS is_overdue,
       c.proposed_at, c.appraised_at, c.approved_at, c.executed_at, c.wiped_at, c.disposed_at, c.method, c.income_fen
FROM cases AS c JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
LEFT JOIN programmes AS p USING (programme_id);

CREATE VIEW grafana_case_steps AS
SELECT t.at, c.case_no, c.path, m.kind, s.site_no, s.region_code, t.from_state, t.to_state
FROM case_steps AS t JOIN cases AS c USING (case_id) JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id);

-- A programme day by day, from its beginning until today or its end. `even` is where the same number each day would be.
CREATE VIEW grafana_programme_days AS
WITH moved AS (
    SELECT s.programme_id, (m.at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           count(*) FILTER (WHERE m.is_entry) AS entered, count(*) FILTER (WHERE NOT m.is_entry) AS retired
    FROM programme_scope AS s CROSS JOIN LATERAL (VALUES (s.entered_at, true), (s.retired_at, false)) AS m (at, is_entry)
    WHERE m.at IS NOT NULL GROUP BY 1, 2
), days AS (
    SELECT p.programme_id, each.day::date AS day, sum(coalesce(moved.entered, 0)) OVER so_far AS devices,
           sum(coalesce(moved.retired, 0)) OVER so_far AS retired
    FROM programmes AS p
    CROSS JOIN LATERAL generate_series(
        p.begins_on::timestamp, coalesce(p.ended_on, (now() AT TIME ZONE 'Asia/Shanghai')::date)::timestamp, '1 day') AS each (day)
    LEFT JOIN moved ON moved.programme_id = p.programme_id AND moved.day = each.day::date
    WINDOW so_far AS (PARTITION BY p.programme_id ORDER BY each.day)
)
SELECT p.programme_no, p.name_zh, p.name_en, p.region_code, p.due_on, p.ended_on, d.day,
       d.day::timestamp AT TIME ZONE 'Asia/Shanghai' AS bucket_at, d.devices::bigint AS devices,
       coalesce(p.target, d.devices)::bigint AS target, d.retired::bigint AS retired,
       greatest(coalesce(p.target, d.devices) - d.retired, 0)::bigint AS remaining,
       round(coalesce(p.target, d.devices) * greatest(1 - (d.day - p.begins_on + 1)::numeric / (p.due_on - p.begins_on + 1), 0), 1)
           ::double precision AS even
FROM days AS d JOIN programmes AS p USING (programme_id);

-- Each programme as it stands today, or stood at its end.
CREATE VIEW grafana_programmes AS
SELECT DISTINCT ON (programme_no) programme_no, name_zh, name_en, region_code, due_on, ended_on, day, devices, target, retired,
       remaining, retired::double precision / nullif(target, 0) AS rate
FROM grafana_programme_days ORDER BY programme_no, day DESC;

CREATE VIEW grafana_security_events AS
SELECT e.security_event_id, d.device_no, m.kind, s.site_no, s.region_code, e.channel, e.first_at, e.last_at, e.attempts,
       e.raised_at, e.settled_at
FROM security_events AS e JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id);

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tracefleet_dashboards') THEN
        GRANT SELECT ON grafana_health, grafana_health_days, grafana_outages, grafana_findings, grafana_flags, grafana_cases,
            grafana_case_steps, grafana_programme_days, grafana_programmes, grafana_security_events TO tracefleet_dashboards;
    END IF;
END $$;
