"""What devices prove themselves by: passwords shown once, client certificates, their rotation and their end.

Every function works within :func:`fleet.acting.acting`. The audit has the digest of a secret; the secret itself is in
what is returned here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.holders import end_of, find, hold
from fleet.identity.secret import digest, new_secret

State = Literal["good", "expired", "revoked"]

ISSUE: Final = """
INSERT INTO credentials (device_id, kind, secret_sha256, note, created_at, expires_at)
SELECT device_id, 'password', secret_sha256, %(note)s, %(now)s, %(expires_at)s
FROM unnest(%(device_ids)s::int[], %(digests)s::bytea[]) AS given (device_id, secret_sha256)
RETURNING device_id, credential_id
"""
ADD_CERTIFICATE: Final = """
INSERT INTO credentials (device_id, kind, certificate_sha256, note, created_at, expires_at)
VALUES (%(device_id)s, 'certificate', %(sha256)s, %(note)s, %(now)s, %(expires_at)s)
ON CONFLICT (certificate_sha256) DO NOTHING
RETURNING credential_id
"""
OWNER: Final = """
SELECT d.device_no, c.revoked_at IS NOT NULL AS revoked FROM credentials AS c JOIN devices AS d USING (device_id)
WHERE c.certificate_sha256 = %(sha256)s
"""
# Passwords only: a certificate has its own end, and goes by its own number.
END_EARLIER: Final = """
UPDATE credentials SET expires_at = %(ends_at)s
WHERE device_id = ANY(%(device_ids)s) AND kind = 'password' AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > %(ends_at)s)
"""
REVOKE_EARLIER: Final = """
UPDATE credentials SET revoked_at = %(now)s, revoked_reason = 'replaced by a new one'
WHERE device_id = ANY(%(device_ids)s) AND kind = 'password' AND revoked_at IS NULL
"""
REVOKE: Final = """
UPDATE credentials SET revoked_at = %(now)s, revoked_reason = %(reason)s
WHERE device_id = ANY(%(device_ids)s) AND revoked_at IS NULL
  AND (%(credential_id)s::int IS NULL OR credential_id = %(credential_id)s)
RETURNING credential_id
"""
REVOKE_EACH: Final = """
UPDATE credentials AS c SET revoked_at = %(now)s, revoked_reason = r.reason
FROM unnest(%(device_ids)s::int[], %(reasons)s::text[]) AS r (device_id, reason)
WHERE c.device_id = r.device_id AND c.revoked_at IS NULL
RETURNING c.credential_id
"""
IS_OF: Final = "SELECT FROM credentials WHERE device_id = %(device_id)s AND credential_id = %(credential_id)s"
LIST: Final = """
SELECT c.credential_id, c.kind, c.note, c.created_at, c.created_by, c.expires_at, c.revoked_at, c.revoked_reason,
       encode(c.certificate_sha256, 'hex') AS certificate_sha256, u.last_used_at, u.last_host,
       CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked' WHEN c.expires_at <= %(now)s THEN 'expired' ELSE 'good' END
           AS state
FROM credentials AS c LEFT JOIN credential_uses AS u USING (credential_id)
WHERE c.device_id = %(device_id)s ORDER BY c.credential_id DESC
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new password, which nobody can ask for again. It does not show itself where this is logged."""

    credential_id: int
    device_no: str
    secret: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What is known of a credential: everything but what it is."""

    credential_id: int
    kind: Literal["password", "certificate"]
    state: State
    note: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    certificate_sha256: str | None
    last_used_at: datetime | None
    last_host: str | None


def issue(
    connection: Connection[Any],
    device_no: str,
    *,
    now: datetime,
    note: str | None = None,
    expires_in: timedelta | None = None,
) -> Issued:
    """A new password beside those the device has. Raises RefusedError."""
    [issued] = _issue(connection, [device_no], now=now, note=note, expires_in=expires_in)
    return issued


def issue_many(
    connection: Connection[Any],
    device_nos: Sequence[str],
    *,
    now: datetime,
    note: str | None = None,
    expires_in: timedelta | None = None,
) -> dict[str, str]:
    """A new password for each of many devices, by number and in their order, or none at all. Raises RefusedError."""
    made = _issue(connection, list(dict.fromkeys(device_nos)), now=now, note=note, expires_in=expires_in)
    return {one.device_no: one.secret for one in made}


def _issue(
    connection: Connection[Any],
    device_nos: Sequence[str],
    *,
    now: datetime,
    note: str | None,
    expires_in: timedelta | None,
) -> list[Issued]:
    expires_at = end_of(expires_in, now)
    ids = hold(connection, device_nos)
    secrets = {ids[device_no]: new_secret() for device_no in device_nos}
    given = {
        "device_ids": list(secrets),
        "digests": [digest(secret) for secret in secrets.values()],
        "note": note,
        "now": now,
        "expires_at": expires_at,
    }
    made = dict(connection.execute(ISSUE, given).fetchall())
    return [Issued(made[ids[number]], number, secrets[ids[number]], expires_at) for number in device_nos]


def rotate(
    connection: Connection[Any],
    device_no: str,
    *,
    overlap: timedelta,
    now: datetime,
    note: str | None = None,
    expires_in: timedelta | None = None,
) -> Issued:
    """A new password; earlier ones end *overlap* from now at the latest, or at once. Raises RefusedError."""
    ends_at = end_of(overlap, now) if overlap else None
    device_ids = list(hold(connection, [device_no]).values())
    if ends_at is None:
        connection.execute(REVOKE_EARLIER, {"device_ids": device_ids, "now": now})
    else:
        connection.execute(END_EARLIER, {"device_ids": device_ids, "ends_at": ends_at})
    return issue(connection, device_no, now=now, note=note, expires_in=expires_in)


def add_certificate(
    connection: Connection[Any],
    device_no: str,
    sha256: bytes,
    *,
    now: datetime,
    note: str | None = None,
    expires_in: timedelta | None = None,
) -> int:
    """The id of a credential that is the client certificate of this SHA-256. Raises RefusedError."""
    device_id = hold(connection, [device_no])[device_no]
    given = {"device_id": device_id, "sha256": sha256, "note": note, "now": now, "expires_at": end_of(expires_in, now)}
    row = connection.execute(ADD_CERTIFICATE, given).fetchone()
    if row is None:
        raise RefusedError(_taken(connection, sha256))
    return int(row[0])


def _taken(connection: Connection[Any], sha256: bytes) -> str:
    device_no, revoked = connection.execute(OWNER, {"sha256": sha256}).fetchone() or ("another", False)
    if revoked:
        return f"This certificate was revoked as that of device {device_no} and is good for nobody any more: make one."
    return f"This certificate is that of device {device_no} already. Each device has its own."


def revoke(
    connection: Connection[Any], device_no: str, credential_id: int | None = None, *, reason: str, now: datetime
) -> list[int]:
    """End one credential of a device, or all of them, now; the ids of those that were not revoked before.

    Raises UnknownEntryError when the device has no such credential.
    """
    device_id = find(connection, device_no)
    named = {"device_id": device_id, "credential_id": credential_id}
    if credential_id is not None and connection.execute(IS_OF, named).fetchone() is None:
        raise UnknownEntryError(f"Device {device_no} has no credential {credential_id}.")
    return _revoke(connection, [device_id], credential_id, reason=reason, now=now)


def revoke_all(connection: Connection[Any], device_ids: Sequence[int], *, reason: str, now: datetime) -> list[int]:
    """End all credentials of devices, by their ids in the ledger, now; those that were not revoked before."""
    return _revoke(connection, device_ids, None, reason=reason, now=now)


def revoke_each(connection: Connection[Any], reasons: Mapping[int, str], *, now: datetime) -> list[int]:
    """End all credentials of devices now, by their ids, each for a reason of its own; those not revoked before."""
    given = {"device_ids": list(reasons), "reasons": list(reasons.values()), "now": now}
    return sorted(row[0] for row in connection.execute(REVOKE_EACH, given))


def _revoke(
    connection: Connection[Any], device_ids: Sequence[int], credential_id: int | None, *, reason: str, now: datetime
) -> list[int]:
    given = {"device_ids": list(device_ids), "credential_id": credential_id, "reason": reason, "now": now}
    return sorted(row[0] for row in connection.execute(REVOKE, given))


def credentials_of(connection: Connection[Any], device_no: str, *, now: datetime) -> list[Credential]:
    """All of a device, the latest first. Raises UnknownEntryError."""
    device_id = find(connection, device_no)
    with connection.cursor(row_factory=class_row(Credential)) as cursor:
        return cursor.execute(LIST, {"device_id": device_id, "now": now}).fetchall()
