"""One-time codes for those who install devices: whoever has the code of a device gets its new password, once.

A device has one code at a time. It ends when it is used, when it expires, when another is made, when the device is
retired, and after TRIES wrong ones: at 50 random bits that is what keeps it from being guessed.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from psycopg import Connection

from fleet.errors import RefusedError
from fleet.identity.credentials import Issued, revoke_all, rotate
from fleet.identity.holders import end_of, hold
from fleet.identity.secret import code_digest, new_code

TRIES: Final = 5
LONGEST: Final = timedelta(days=30)
# So long the old passwords go on beside the new one: an installer may be interrupted before the device has it.
OVERLAP: Final = timedelta(hours=24)

VOID_OPEN: Final = """
UPDATE enrolments SET voided_at = %(now)s
WHERE device_id = ANY(%(device_ids)s) AND used_at IS NULL AND voided_at IS NULL
"""
INVITE: Final = """
INSERT INTO enrolments (device_id, code_sha256, created_at, expires_at)
SELECT device_id, code_sha256, %(now)s, %(expires_at)s
FROM unnest(%(device_ids)s::int[], %(digests)s::bytea[]) AS given (device_id, code_sha256)
"""
# Devices are locked before what is theirs, by all who lock both.
LOCK: Final = """
SELECT device_id FROM devices WHERE device_no = %(device_no)s AND NOT is_retired(state, decommissioned_at) FOR SHARE
"""
# Locked: of two who use a code at once, the second sees that it is used.
OPEN: Final = """
SELECT enrolment_id, code_sha256 FROM enrolments
WHERE device_id = %(device_id)s AND used_at IS NULL AND voided_at IS NULL AND expires_at > %(now)s
ORDER BY enrolment_id DESC LIMIT 1 FOR UPDATE
"""
USE: Final = "UPDATE enrolments SET used_at = %(now)s WHERE enrolment_id = %(enrolment_id)s"
FAIL: Final = """
INSERT INTO enrolment_failures AS f (enrolment_id, failures, last_at) VALUES (%(enrolment_id)s, 1, %(now)s)
ON CONFLICT (enrolment_id) DO UPDATE SET failures = f.failures + 1, last_at = EXCLUDED.last_at
RETURNING failures
"""
VOID: Final = "UPDATE enrolments SET voided_at = %(now)s WHERE enrolment_id = %(enrolment_id)s"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that nobody can ask for again. It does not show itself where this is logged."""

    device_no: str
    code: str = field(repr=False)
    expires_at: datetime


def invite(
    connection: Connection[Any],
    device_nos: Sequence[str],
    *,
    valid_for: timedelta,
    now: datetime,
    revoke_old: bool = False,
) -> list[Invitation]:
    """A new code for each device, in place of the one it has. To be called within acting. Raises RefusedError.

    With *revoke_old* whatever the devices have is revoked at once, as after a theft, not only once the code is used.
    """
    if valid_for > LONGEST:
        raise RefusedError(f"A one-time code is good for {LONGEST.days} days at most.")
    expires_at = end_of(valid_for, now) or now
    wanted = list(dict.fromkeys(device_nos))
    ids = hold(connection, wanted)
    codes = {device_no: new_code() for device_no in wanted}
    given: dict[str, Any] = {
        "device_ids": [ids[device_no] for device_no in codes],
        "digests": [code_digest(code) for code in codes.values()],
        "now": now,
        "expires_at": expires_at,
    }
    if revoke_old:
        revoke_all(connection, given["device_ids"], reason="enrolled anew", now=now)
    connection.execute(VOID_OPEN, given)
    connection.execute(INVITE, given)
    return [Invitation(device_no, code, expires_at) for device_no, code in codes.items()]


def void_open(connection: Connection[Any], device_ids: Sequence[int], *, now: datetime) -> None:
    """No code that these devices have is good any more. To be called within acting."""
    connection.execute(VOID_OPEN, {"device_ids": list(device_ids), "now": now})


def address_of(invitation: Invitation, public_url: str) -> str:
    """Where the installer's telephone goes. What is secret stands in the fragment: no server is ever sent it."""
    told = urlencode({"device_no": invitation.device_no, "code": invitation.code})
    return f"{public_url.rstrip('/')}/enrol#{told}"


def redeem(connection: Connection[Any], device_no: str, code: str, *, now: datetime) -> Issued | None:
    """The device's new password for its *code*; its earlier ones end OVERLAP from now. To be called within acting.

    None for a code that is wrong, used, void or expired, and for a device that has none or does not exist: a caller
    cannot tell these apart. A wrong try is counted, so the transaction has to be committed either way.
    """
    device = connection.execute(LOCK, {"device_no": device_no}).fetchone()
    given = {"device_id": device and device[0], "now": now}
    # Something is looked for and compared in any case.
    enrolment_id, expected = connection.execute(OPEN, given).fetchone() or (None, bytes(32))
    is_right = hmac.compare_digest(bytes(expected), code_digest(code))
    if enrolment_id is None:
        return None
    if not is_right:
        _count_failure(connection, {"enrolment_id": enrolment_id, "now": now})
        return None
    connection.execute(USE, {"enrolment_id": enrolment_id, "now": now})
    return rotate(connection, device_no, overlap=OVERLAP, now=now, note="enrolled")


def _count_failure(connection: Connection[Any], given: dict[str, object]) -> None:
    failures = connection.execute(FAIL, given).fetchone()
    if failures is not None and failures[0] >= TRIES:
        connection.execute(VOID, given)
