-- Every change of the ledger is a row here, whoever made it and however: the tables themselves write it. What makes it
-- tamper-evident is a chain of seals, made by those who hold the key, which this database never sees (fleet.audit).

-- Who is at it, from where and why: as fleet.acting told this transaction, else what the connection itself shows.
CREATE FUNCTION acting_as() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('tracefleet.actor', true), ''), session_user)
$$;
CREATE FUNCTION acting_from() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('tracefleet.origin', true), ''),
                    concat_ws(' ', 'database', host(inet_client_addr()), nullif(current_setting('application_name'), '')))
$$;
CREATE FUNCTION acting_because() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('tracefleet.reason', true), '')
$$;
CREATE FUNCTION acting_in() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('tracefleet.operation', true), '')::uuid
$$;

CREATE TABLE audit (
    audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL DEFAULT acting_as(),
    origin    text NOT NULL DEFAULT acting_from(),
    reason    text DEFAULT acting_because(),
    -- What was done at once, such as all rows of an import, has one number.
    operation uuid DEFAULT acting_in(),
    db_user   text NOT NULL DEFAULT session_user,
    action    text NOT NULL CHECK (action IN ('baseline', 'insert', 'update', 'delete')),
    entity    text NOT NULL,
    entity_id text NOT NULL,
    -- What people call it: device_no, site_no …
    label     text NOT NULL,
    before    jsonb,
    after     jsonb
);
-- text_pattern_ops: what hangs on a device is found by the beginning of its label.
CREATE INDEX audit_by_label ON audit (entity, label text_pattern_ops, audit_id);
CREATE INDEX audit_by_time ON audit USING brin (at);

-- The chain: seal n covers row audit_id and seal n - 1. Numbers have no gap.
CREATE TABLE audit_seals (
    seal_no  bigint PRIMARY KEY,
    audit_id bigint NOT NULL UNIQUE,
    seal     bytea NOT NULL
);
-- Rows that wait for their seal: a queue, and no evidence.
CREATE TABLE audit_unsealed (audit_id bigint PRIMARY KEY);
-- Which key seals: a digest of it, so that a process with another key says so instead of breaking the chain.
CREATE TABLE key_fingerprints (
    purpose     text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = format(
        '%s of %s is refused for every role: nothing would be left that says what was there', TG_OP, TG_TABLE_NAME);
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER audit_seals_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER tombstones_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tombstones
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- Who may change the ledger must be able to insert here; still, no mere INSERT makes up a change: the triggers of the
-- tables write, one level deeper than this one.
CREATE FUNCTION refuse_made_up_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE insufficient_privilege USING MESSAGE = 'rows of audit are written by the tables under audit alone';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_is_written_by_tables BEFORE INSERT ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_made_up_rows();

CREATE FUNCTION queue_for_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unsealed (audit_id) SELECT audit_id FROM written;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_inserted AFTER INSERT ON audit REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION queue_for_sealing();

-- Puts a table under audit; its rows of today are the baseline. *naming* are the columns that people know a row by, *keys*
-- those of its primary key, both joined by commas. The functions are written for the table: finding its columns by name
-- at each row would cost more than all the rest.
CREATE FUNCTION put_under_audit(table_name text, naming text, keys text) RETURNS void LANGUAGE plpgsql AS $put$
DECLARE
    of_a text := 'concat_ws(''/'', a.' || replace(keys, ',', ', a.') || '), concat_ws(''/'', a.' || replace(naming, ',', ', a.') || ')';
    of_b text := 'concat_ws(''/'', b.' || replace(keys, ',', ', b.') || '), concat_ws(''/'', b.' || replace(naming, ',', ', b.') || ')';
    -- Of an update, whichever side is there: a row whose key was changed has no other.
    of_either text := 'coalesce(nullif(concat_ws(''/'', a.' || replace(keys, ',', ', a.') || '), ''''), concat_ws(''/'', b.' || replace(keys, ',', ', b.') || ')), '
        || 'CASE WHEN a IS NULL THEN concat_ws(''/'', b.' || replace(naming, ',', ', b.') || ') ELSE concat_ws(''/'', a.' || replace(naming, ',', ', a.') || ') END';
    template text := $make$
        CREATE FUNCTION audit_%1$s() RETURNS trigger LANGUAGE plpgsql AS $fn$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO audit (action, entity, entity_id, label, after)
                SELECT 'insert', '%1$s', %2$s, to_jsonb(a) FROM after_rows AS a;
            ELSIF TG_OP = 'UPDATE' THEN
                INSERT INTO audit (action, entity, entity_id, label, before, after)
                SELECT CASE WHEN b IS NULL THEN 'insert' WHEN a IS NULL THEN 'delete' ELSE 'update' END, '%1$s', %5$s,
                       to_jsonb(b), to_jsonb(a)
                FROM after_rows AS a FULL JOIN before_rows AS b USING (%4$s)
                WHERE to_jsonb(b) - 'updated_at' IS DISTINCT FROM to_jsonb(a) - 'updated_at';
            ELSE
                INSERT INTO audit (action, entity, entity_id, label, before)
                SELECT 'delete', '%1$s', %3$s, to_jsonb(b) FROM before_rows AS b;
            END IF;
            RETURN NULL;
        END $fn$;
        CREATE TRIGGER %1$s_inserted_audit AFTER INSERT ON %1$s REFERENCING NEW TABLE AS after_rows
            FOR EACH STATEMENT EXECUTE FUNCTION audit_%1$s();
        CREATE TRIGGER %1$s_updated_audit AFTER UPDATE ON %1$s REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
            FOR EACH STATEMENT EXECUTE FUNCTION audit_%1$s();
        CREATE TRIGGER %1$s_deleted_audit AFTER DELETE ON %1$s REFERENCING OLD TABLE AS before_rows
            FOR EACH STATEMENT EXECUTE FUNCTION audit_%1$s();
        -- TRUNCATE would leave no row behind that says what was there.
        CREATE TRIGGER %1$s_truncated_audit BEFORE TRUNCATE ON %1$s
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
        -- Only who owns the audit can do this.
        ALTER TABLE audit DISABLE TRIGGER audit_is_written_by_tables;
        INSERT INTO audit (actor, origin, reason, action, entity, entity_id, label, after)
        SELECT session_user, 'migration', 'rows from before there was an audit', 'baseline', '%1$s', %2$s, to_jsonb(a)
        FROM %1$s AS a;
        ALTER TABLE audit ENABLE TRIGGER audit_is_written_by_tables;
    $make$;
BEGIN
    EXECUTE format(template, table_name, of_a, of_b, keys, of_either);
END $put$;

-- Each time somebody was shown personal data in clear: what of which entry, by its number; never the data.
CREATE TABLE personal_readings (
    reading_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity     text NOT NULL CHECK (entity IN ('merchants', 'parties', 'devices')),
    number     text NOT NULL,
    columns    text[] NOT NULL,
    read_at    timestamptz NOT NULL DEFAULT now()
);

SELECT put_under_audit(table_name, naming, keys) FROM (VALUES
    ('personal_readings', 'entity,number', 'reading_id'),
    ('regions', 'region_code,valid_from', 'region_id'),
    ('sites', 'site_no', 'site_id'),
    ('site_closures', 'site_id,begins_on', 'closure_id'),
    ('merchants', 'merchant_code', 'merchant_id'),
    ('site_merchants', 'site_id,merchant_id,stall_no', 'site_id,merchant_id,stall_no'),
    ('parties', 'party_no', 'party_id'),
    ('kinds', 'kind', 'kind'),
    ('models', 'model_no', 'model_id'),
    ('devices', 'device_no', 'device_id'),
    ('device_responsibilities', 'device_id,duty', 'device_id,duty'),
    ('device_holds', 'device_id,hold_id', 'hold_id'),
    ('code_profiles', 'region_code,subject,version', 'profile_id'),
    ('registration_gates', 'kind', 'kind')
) AS tables (table_name, naming, keys);
