-- The identity a device speaks with: what it proves itself by at the broker, who tried and was refused, and the keys of
-- those who call the API. Of every secret only a SHA-256 is kept: they are random and long, so nothing slower is needed.

CREATE TABLE credentials (
    credential_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id          integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    kind               text NOT NULL CHECK (kind IN ('password', 'certificate')),
    -- Of a password.
    secret_sha256      bytea UNIQUE CHECK (octet_length(secret_sha256) = 32),
    -- Of a client certificate: SHA-256 of its DER form.
    certificate_sha256 bytea UNIQUE CHECK (octet_length(certificate_sha256) = 32),
    note               text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    created_by         text NOT NULL DEFAULT acting_as(),
    -- NULL: until it is revoked.
    expires_at         timestamptz,
    revoked_at         timestamptz,
    revoked_reason     text,
    CHECK ((kind = 'password') = (secret_sha256 IS NOT NULL)),
    CHECK ((kind = 'certificate') = (certificate_sha256 IS NOT NULL))
);
CREATE INDEX credentials_by_device ON credentials (device_id);

-- Apart from the credentials: it changes at every connection and is no change of the ledger.
CREATE TABLE credential_uses (
    credential_id integer PRIMARY KEY REFERENCES credentials ON DELETE CASCADE,
    last_used_at  timestamptz NOT NULL,
    last_host     text NOT NULL
);

-- One-time codes for installers: whoever has the code gets the device's credential, once.
CREATE TABLE enrolments (
    enrolment_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id    integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    code_sha256  bytea NOT NULL CHECK (octet_length(code_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text NOT NULL DEFAULT acting_as(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    voided_at    timestamptz
);
CREATE INDEX enrolments_by_device ON enrolments (device_id);
-- Wrong codes, apart from the enrolment for the same reason as above.
CREATE TABLE enrolment_failures (
    enrolment_id integer PRIMARY KEY REFERENCES enrolments ON DELETE CASCADE,
    failures     integer NOT NULL,
    last_at      timestamptz NOT NULL
);

-- Where each device connects from. Two hosts at the same time are a shared credential.
CREATE TABLE device_accesses (
    device_id integer NOT NULL REFERENCES devices ON DELETE CASCADE,
    host      text NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    accesses  bigint NOT NULL,
    PRIMARY KEY (device_id, host)
);

-- Who was refused. Names are whatever the caller sent, cut to a length; '' where none was given.
CREATE TABLE refused_accesses (
    username  text NOT NULL,
    client_id text NOT NULL,
    host      text NOT NULL,
    reason    text NOT NULL CHECK (reason IN (
        'no_credentials', 'unknown_device', 'wrong_secret', 'revoked', 'expired', 'retired', 'wrong_client_id')),
    device_id integer REFERENCES devices ON DELETE CASCADE,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    accesses  bigint NOT NULL,
    PRIMARY KEY (username, client_id, host, reason)
);
CREATE INDEX refused_accesses_by_reason ON refused_accesses (reason, last_at);
CREATE INDEX refused_accesses_by_device ON refused_accesses (device_id) WHERE device_id IS NOT NULL;

-- Who speaks and is not in the ledger: from one number to the next, whatever else fills the dead letters.
CREATE INDEX dead_letters_of_strangers ON dead_letters (device_no, received_at)
    WHERE reason = 'unknown_device' AND device_no IS NOT NULL AND replayed_at IS NULL;

-- Callers of the API: `tf_<key_id>_<secret>`.
CREATE TABLE api_keys (
    key_id        text PRIMARY KEY CHECK (key_id ~ '^[a-z0-9]{8}$'),
    name          text NOT NULL,
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    roles         text[] NOT NULL CHECK (roles <> '{}' AND roles <@ ARRAY[
        'viewer', 'operator', 'fleet_admin', 'approver', 'auditor', 'admin', 'broker']),
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz
);
CREATE TABLE api_key_uses (
    key_id       text PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
    last_used_at timestamptz NOT NULL
);

SELECT put_under_audit(table_name, naming, keys) FROM (VALUES
    ('credentials', 'device_id,credential_id', 'credential_id'),
    ('enrolments', 'device_id,enrolment_id', 'enrolment_id'),
    ('api_keys', 'key_id', 'key_id')
) AS tables (table_name, naming, keys);

-- A device that is retired has no credential any more, whoever retired it and however.
CREATE FUNCTION revoke_of_retired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credentials AS c SET revoked_at = now(), revoked_reason = 'the device is ' || d.state
    FROM changed AS d
    WHERE d.device_id = c.device_id AND d.state IN ('disposed', 'lost') AND c.revoked_at IS NULL;
    UPDATE enrolments AS e SET voided_at = now()
    FROM changed AS d
    WHERE d.device_id = e.device_id AND d.state IN ('disposed', 'lost') AND e.used_at IS NULL AND e.voided_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_updated_credentials AFTER UPDATE ON devices REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION revoke_of_retired();

-- Those who let devices in hold all credentials in memory; this wakes them, as the registry's notifications do.
CREATE FUNCTION notify_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tracefleet_identity', TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON credentials
    FOR EACH STATEMENT EXECUTE FUNCTION notify_identity();
CREATE TRIGGER devices_changed_identity AFTER INSERT OR UPDATE OR DELETE ON devices
    FOR EACH STATEMENT EXECUTE FUNCTION notify_identity();
