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

-- The rules that an installation begins with. Weights are against 30 for watch and 60 for a flag: what shows a device to be
-- of no use flags by itself, age and its like never do 默认值, 可配置.
INSERT INTO obsolescence_rules (rule, version, effective_from, name_zh, name_en, text_zh, text_en, parameters, weight, is_mandatory, clear_after_days, basis, created_by)
SELECT r.rule, 1, DATE '2012-01-01', r.name_zh, r.name_en, r.text_zh, r.text_en, r.parameters::jsonb, r.weight, r.is_mandatory, r.clear_after_days, r.basis, 'migration'
FROM (VALUES
    ('forbidden_kind', '淘汰类设备', 'Forbidden kind',
     '查询机一律淘汰；追溯秤在限期后新增且无豁免文件的，予以淘汰。现有追溯秤不因此淘汰。',
     'Query kiosks go. Trace scales go when they were acquired after the day without an exemption document; those that were there before stay.',
     '{"always_kinds": ["kiosk"], "acquired_after_kinds": ["trace_scale"], "acquired_after": "2018-08-27", "exemption_excuses": true}',
     60, true, 1, '豫商办文〔2018〕81号'),
    ('model_withdrawn', '型号停用', 'Model withdrawn',
     '设备型号已被厂家或主管部门停用召回。', 'Its model was withdrawn, by the vendor or by order.',
     '{"grace_days": 0}', 60, false, 1, NULL),
    ('dormant', '沉睡设备', 'Dormant',
     '在用设备在场所正常营业期间长期没有有效交易或查询。', 'In service at a site that is open, and for a long time without one valid sale or look-up.',
     '{"days": 60, "min_open_days": 40, "kinds": ["trace_scale", "kiosk", "handheld", "scanner", "card_reader"]}', 60, false, 1, NULL),
    ('replaced_function', '功能已被代替', 'Replaced function',
     '查询机很少有人使用，同场所多用二维码查询。', 'A kiosk that hardly anybody asks, where people look up by QR code.',
     '{"days": 30, "max_lookups_a_day": 5, "min_qr_lookups_a_day": 20, "min_open_days": 20}', 60, false, 3, NULL),
    ('unavailable', '在线率过低', 'Unavailable',
     '应在线时段内的在线率低于要求。', 'Heard in too small a share of the time in which it was expected.',
     '{"days": 30, "min_pct": 80, "min_expected_days": 15, "min_expected_slots": 720}', 60, false, 3, NULL),
    ('dying', '传感器失灵', 'Failing sensor',
     '传感器频繁读取失败、读数长期不变或出现不可能的跳变。', 'Its sensor often fails, does not move, or jumps as no store can.',
     '{"days": 14, "min_readings": 200, "max_fault_pct": 20, "min_flat_days": 7, "min_readings_a_day": 48, "max_jumps": 50}', 60, false, 3, NULL),
    ('repairs', '反复维修', 'Repeated repairs',
     '短期内多次维修，或维修费超过原值的规定比例。', 'Repaired several times within a short while, or for more than a share of what it cost new.',
     '{"days": 180, "min_repairs": 3, "max_cost_pct": 50}', 60, false, 3, NULL),
    ('firmware_behind', '固件落后', 'Firmware behind',
     '固件低于最低版本，或型号的数据传输没有加密保护。', 'Its firmware is below the least that is allowed, or its model sends without any protection.',
     '{"no_transport_security": true}', 60, false, 3, NULL),
    ('error_rate', '差错率过高', 'Error rate',
     '上报数据中差错所占比例过高。', 'Too large a share of what it sends is faulty.',
     '{"days": 30, "max_pct": 5, "min_records": 200}', 40, false, 3, NULL),
    ('verification', '检定不合格或逾期', 'Verification failed or overdue',
     '强制检定不合格、证书被撤销，或长期逾期未检。', 'Its mandatory verification failed, was withdrawn, or is long overdue.',
     '{"overdue_days": 90}', 40, false, 1, NULL),
    ('past_service_life', '超过使用年限', 'Past its service life',
     '已达规定使用年限。仍能正常使用的设备不得仅因此报废。', 'Older than its service life. Equipment that still works is not scrapped for that alone.',
     '{"grace_months": 0}', 25, false, 1, NULL),
    ('support_ended', '厂家停止支持', 'Support ended',
     '厂家已停止维护和供应配件。', 'The vendor no longer maintains it.',
     '{"grace_days": 0}', 25, false, 1, NULL)
) AS r (rule, name_zh, name_en, text_zh, text_en, parameters, weight, is_mandatory, clear_after_days, basis);

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
-- By the row: that a draft is deleted, which was never judged, is told to these tables as well.
CREATE TRIGGER findings_are_kept BEFORE DELETE ON findings FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER flags_are_kept BEFORE DELETE ON flags FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
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
