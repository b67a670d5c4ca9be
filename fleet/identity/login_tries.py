"""How often somebody may try to log in: by the name that is given, and by the address it comes from.

A try counts before the password is looked at and is taken back when it was right, so tries at once are no way around.
After some free ones each costs twice the wait of the one before. Whoever tries a name for ever keeps its owner out for
five minutes at a time; that is the price of a guess every five minutes. Sessions and keys are not touched by it.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from psycopg import Connection

# After so long without a try, what was before counts no more.
FORGET: Final = timedelta(hours=2)
# Whose network is one household or one office.
IPV6_PREFIX: Final = 64

BEGIN: Final = """
INSERT INTO login_tries AS t (subject, tries, last_at, blocked_until)
VALUES (%(subject)s, 1, now(), '-infinity')
ON CONFLICT (subject) DO UPDATE SET
    tries = CASE WHEN t.last_at < now() - %(forget)s::interval THEN 1 ELSE t.tries + 1 END,
    last_at = now(),
    blocked_until = CASE
        WHEN t.last_at < now() - %(forget)s::interval OR t.tries + 1 < %(free)s THEN '-infinity'::timestamptz
        ELSE now() + least(%(longest)s::interval, INTERVAL '1 second' * power(2, least(t.tries + 1 - %(free)s, 20))) END
WHERE t.blocked_until <= now()
RETURNING tries
"""
WAIT: Final = """
SELECT ceil(extract(epoch FROM blocked_until - now()))::int FROM login_tries
WHERE subject = %(subject)s AND blocked_until > now()
"""
FORGET_NAME: Final = "DELETE FROM login_tries WHERE subject = %(subject)s"
TAKE_BACK: Final = """
UPDATE login_tries SET tries = greatest(tries - 1, 0), blocked_until = '-infinity' WHERE subject = %(subject)s
"""
CLEAN: Final = "DELETE FROM login_tries WHERE last_at < now() - %(forget)s::interval AND blocked_until <= now()"


@dataclass(frozen=True, slots=True)
class _Limit:
    """How many tries are free, and the longest wait."""

    free: int
    longest: timedelta


_OF_NAMES: Final = _Limit(5, timedelta(minutes=5))
# Several people come from one address.
_OF_ADDRESSES: Final = _Limit(20, timedelta(hours=1))


def begin(connection: Connection[Any], name: str, address: str) -> int | None:
    """Count a try; the seconds to wait when it may not be made. Outside a transaction: it counts whatever follows."""
    for subject, limit in ((_of_address(address), _OF_ADDRESSES), (_of_name(name), _OF_NAMES)):
        row = {"subject": subject, "forget": FORGET, "free": limit.free, "longest": limit.longest}
        if connection.execute(BEGIN, row).fetchone() is None:
            waits = connection.execute(WAIT, {"subject": subject}).fetchone()
            return max(1, waits[0]) if waits else 1
    return None


def succeeded(connection: Connection[Any], name: str, address: str) -> None:
    """Forget the tries of *name*; of the address this one alone, for who knows one password may guess at others."""
    connection.execute(FORGET_NAME, {"subject": _of_name(name)})
    connection.execute(TAKE_BACK, {"subject": _of_address(address)})
    connection.execute(CLEAN, {"forget": FORGET})


def _of_name(name: str) -> str:
    return f"name {hashlib.sha256(name.strip().lower().encode()).hexdigest()}"


def _of_address(address: str) -> str:
    try:
        told = ip_address(address)
    except ValueError:
        return f"address {hashlib.sha256(address.encode()).hexdigest()}"
    if isinstance(told, IPv6Address) and told.ipv4_mapped is None:
        return f"address {ip_network((told, IPV6_PREFIX), strict=False)}"
    return f"address {told if not isinstance(told, IPv6Address) else told.ipv4_mapped}"
