-- Who calls the API: people with passwords and sessions, and what each may see. Of a session and of a key only a SHA-256
-- is kept: they are random and long. A password is neither, so Argon2id keeps it, in a table apart that no audit copies.

-- A name is one person's for ever: people are disabled, never deleted, so whoever is named in the audit stays who he was.
CREATE TABLE users (
    user_id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Latin small letters alone: no two names look alike, and two pairs of eyes can be told apart.
    name                text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$' AND name <> 'anonymous'),
    display_name        text NOT NULL DEFAULT '',
    roles               text[] NOT NULL CHECK (roles <> '{}' AND roles <@ ARRAY[
        'viewer', 'operator', 'fleet_admin', 'approver', 'auditor', 'admin']),
    -- Region codes, each with all that lies below it, and numbers of sites; both NULL: everywhere.
    regions             text[] CHECK (regions <> '{}'),
    sites               text[] CHECK (sites <> '{}'),
    created_at          timestamptz NOT NULL DEFAULT now(),
    created_by          text NOT NULL DEFAULT acting_as(),
    disabled_at         timestamptz,
    -- Somebody else knows the password: it opens nothing but its own change, and that not for ever.
    must_change         boolean NOT NULL DEFAULT true,
    password_expires_at timestamptz,
    password_changed_at timestamptz,
    -- Whoever gives out rights could give himself the others.
    CONSTRAINT users_admin_everywhere CHECK (NOT 'admin' = ANY (roles) OR (regions IS NULL AND sites IS NULL))
);

CREATE TABLE user_passwords (
    user_id       integer PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%')
);

CREATE TABLE sessions (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    user_id      integer NOT NULL REFERENCES users ON DELETE CASCADE,
    address      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Log-ins that failed, or are under way, by the name that was given and by the address it came from; here and not in a
-- process, so that several processes count together. A name stands as its SHA-256: people type passwords for names.
CREATE TABLE login_tries (
    subject       text PRIMARY KEY,
    tries         integer NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);
CREATE INDEX login_tries_by_time ON login_tries (last_at);

-- A key may be somebody's: then it acts in his name, with no role and in no place that he has not himself.
ALTER TABLE api_keys
    ADD COLUMN owner_id integer REFERENCES users,
    ADD COLUMN regions  text[] CHECK (regions <> '{}'),
    ADD COLUMN sites    text[] CHECK (sites <> '{}'),
    -- The key that this one takes the place of, which ends by itself.
    ADD COLUMN replaces text REFERENCES api_keys,
    DROP CONSTRAINT api_keys_roles_check,
    ADD CONSTRAINT api_keys_roles_check CHECK (roles <> '{}' AND roles <@ ARRAY[
        'viewer', 'operator', 'fleet_admin', 'approver', 'auditor', 'admin', 'broker', 'gateway']),
    ADD CONSTRAINT api_keys_admin_everywhere
        CHECK (NOT 'admin' = ANY (roles) OR (regions IS NULL AND sites IS NULL));
CREATE INDEX api_keys_by_owner ON api_keys (owner_id) WHERE owner_id IS NOT NULL;

SELECT put_under_audit('users', 'name', 'user_id');

-- Whoever changes a password, and however: it is told in the audit without the hash, and nobody stays logged in by the
-- old one. Who is disabled is logged out, too.
CREATE FUNCTION password_was_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users AS u SET password_changed_at = clock_timestamp() FROM changed AS c WHERE c.user_id = u.user_id;
    UPDATE sessions AS s SET revoked_at = now() FROM changed AS c WHERE c.user_id = s.user_id AND s.revoked_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER user_passwords_set AFTER INSERT ON user_passwords REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION password_was_changed();
CREATE TRIGGER user_passwords_changed AFTER UPDATE ON user_passwords REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION password_was_changed();
CREATE FUNCTION log_out_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sessions AS s SET revoked_at = now() FROM changed AS c
    WHERE c.user_id = s.user_id AND c.disabled_at IS NOT NULL AND s.revoked_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER users_updated_sessions AFTER UPDATE ON users REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_out_disabled();
