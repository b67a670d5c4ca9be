-- Which devices no longer serve: rules as data, what they found with the evidence frozen, and the devices flagged for it.

-- Of the versions of a rule whose day has come, the one with the latest day counts, and of those the highest. None is ever
-- changed: another rule is another version. What its parameters mean is said where it is judged
-- (fleet.obsolescence); names and texts are shown to people as they stand here.
CREATE TABLE obsolescence_rules (
    rule           text NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    effective_from date NOT NULL,
    is_enabled     boolean NOT NULL DEFAULT true,
    name_zh        text NOT NULL,
    name_en        text NOT NULL,
    text_zh        text NOT NULL,
    text_en        text NOT NULL,
    parameters     jsonb NOT NULL DEFAULT '{}',
    weight         integer NOT NULL CHECK (weight BETWEEN 0 AND 100),
    -- Flags by itself, whatever the score.
    is_mandatory   boolean NOT NULL DEFAULT false,
    -- A finding is cleared when its cause was gone for so many days on end.
    clear_after_days integer NOT NULL DEFAULT 3 CHECK (clear_after_days >= 0),
    basis          text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL DEFAULT acting_as(),
    PRIMARY KEY (rule, version)
);

-- What the weights of a device's findings come to, and how much of a site one run may flag.
CREATE TABLE obsolescence_policies (
    version         integer PRIMARY KEY CHECK (version > 0),
    effective_from  date NOT NULL,
    watch_score     integer NOT NULL CHECK (watch_score > 0),
    flag_score      integer NOT NULL CHECK (flag_score >= watch_score),
    site_share_pct  integer NOT NULL CHECK (site_share_pct BETWEEN 1 AND 100),
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text NOT NULL DEFAULT acting_as()
);
INSERT INTO obsolescence_policies (version, effective_from, watch_score, flag_score, site_share_pct, created_by)
VALUES (1, '2012-01-01', 30, 60, 20, 'migration');

CREATE TABLE findings (
    finding_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id    integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    rule         text NOT NULL,
    rule_version integer NOT NULL,
    weight       integer NOT NULL,
    is_mandatory boolean NOT NULL,
    -- The day that was judged, and the window that was looked at.
    found_on     date NOT NULL,
    window_from  date,
    window_to    date,
    -- Frozen: the numbers, the thresholds, and a few records or days that show them.
    numbers      jsonb NOT NULL,
    sample       jsonb NOT NULL DEFAULT '[]',
    -- The query, parameters filled in, that shows the numbers.
    query        text NOT NULL,
    sentence_zh  text NOT NULL,
    sentence_en  text NOT NULL,
    opened_at    timestamptz NOT NULL,
    -- Since which day its cause is gone; it is cleared when it stays so.
    gone_since   date,
    cleared_at   timestamptz,
    FOREIGN KEY (rule, rule_version) REFERENCES obsolescence_rules (rule, version)
);
CREATE UNIQUE INDEX findings_open ON findings (device_id, rule) WHERE cleared_at IS NULL;
CREATE INDEX findings_by_device ON findings (device_id, finding_id);
CREATE INDEX findings_by_rule ON findings (rule, cleared_at);

-- A device that ought to go. Its findings and its score are those of the day.
CREATE TABLE flags (
    flag_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id      integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    flagged_on     date NOT NULL,
    flagged_at     timestamptz NOT NULL,
    policy_version integer NOT NULL REFERENCES obsolescence_policies,
    score          integer NOT NULL,
    findings       bigint[] NOT NULL,
    -- One sentence that a market's manager understands.
    sentence_zh    text NOT NULL,
    sentence_en    text NOT NULL,
    ended_at       timestamptz,
    -- 'cleared', 'kept', 'retired'.
    ended_because  text,
    CHECK ((ended_at IS NULL) = (ended_because IS NULL))
);
CREATE UNIQUE INDEX flags_open ON flags (device_id) WHERE ended_at IS NULL;
CREATE INDEX flags_by_device ON flags (device_id, flag_id);

-- Where each device with a finding stands after the last run. No row: sound.
CREATE TABLE device_verdicts (
    device_id    integer PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    verdict      text NOT NULL CHECK (verdict IN ('noted', 'watch', 'flagged')),
    score        integer NOT NULL,
    since        timestamptz NOT NULL,
    evaluated_at timestamptz NOT NULL,
    -- Why it is not flagged though it would be: 'outage', 'site_share', 'kept'.
    held_back_by text
);

CREATE TABLE evaluations (
    day        date PRIMARY KEY,
    ended_at   timestamptz NOT NULL,
    seconds    real NOT NULL,
    devices    integer NOT NULL,
    opened     integer NOT NULL,
    cleared    integer NOT NULL,
    flagged    integer NOT NULL,
    held_back  integer NOT NULL
);

-- Evidence stays as it was found. What may change is when its cause went away.
CREATE FUNCTION refuse_thawing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - TG_ARGV::text[] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV::text[] THEN
        RAISE insufficient_privilege USING MESSAGE = format('the evidence in %s is frozen: only %s may change', TG_TABLE_NAME, array_to_string(TG_ARGV, ', '));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER findings_are_frozen BEFORE UPDATE ON findings
    FOR EACH ROW EXECUTE FUNCTION refuse_thawing('gone_since', 'cleared_at');
CREATE TRIGGER flags_are_frozen BEFORE UPDATE ON flags
    FOR EACH ROW EXECUTE FUNCTION refuse_thawing('ended_at', 'ended_because');
CREATE TRIGGER obsolescence_rules_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON obsolescence_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER obsolescence_policies_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON obsolescence_policies
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

SELECT put_under_audit(table_name, naming, keys) FROM (VALUES
    ('obsolescence_rules', 'rule,version', 'rule,version'),
    ('obsolescence_policies', 'version', 'version'),
    ('findings', 'device_id,rule,finding_id', 'finding_id'),
    ('flags', 'device_id,flag_id', 'flag_id')
) AS tables (table_name, naming, keys);
