"""Connections to PostgreSQL: one for a command, a pool for a service, and which errors pass by themselves."""

from typing import Any, Final, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.errors import Error
from psycopg_pool import AsyncConnectionPool

from store import arrays
from store.errors import DatabaseError

CONNECT_TIMEOUT_SECONDS: Final = 5

# A server that vanished without a word is noticed in about 15 s, not after the kernel's two hours.
NOTICE_ITS_DEATH: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# The same on the server's side, whose default is two hours: a machine that vanished must not keep locks on rows, nor
# its worker's name, from the others. Not as options of the connection, which poolers refuse.
NOTICE_OUR_DEATH: Final = """
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '3', false),
       set_config('tcp_keepalives_count', '3', false)
"""

Remedy = Literal["retry", "isolate", "stop"]


def connect_once(url: str, *, application_name: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection in autocommit, for a command that does its work and ends.

    Raises DatabaseError, with the server's words and a remedy, when the database cannot be reached.
    """
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            application_name=application_name,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            **NOTICE_ITS_DEATH,
        )
    except psycopg.OperationalError as error:
        raise DatabaseError(explain_unreachable(url, error)) from error


async def connect_service(url: str, *, application_name: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """A connection in autocommit of a service's own, for LISTEN or for a writer; it knows :mod:`store.arrays`.

    Raises psycopg.OperationalError: a service waits and tries again.
    """
    connection = await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        application_name=application_name,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        **NOTICE_ITS_DEATH,
    )
    try:
        await connection.execute(NOTICE_OUR_DEATH)
    except BaseException:  # a service that is cancelled in between would leave it open
        await connection.close()
        raise
    arrays.register(connection.adapters)
    return connection


def open_pool(url: str, *, application_name: str, size: int) -> AsyncConnectionPool:
    """A closed pool of up to *size* connections; enter it to open it.

    Connections are checked before they are lent, so a restarted server costs no request an error.
    """
    return AsyncConnectionPool(
        url,
        kwargs={"autocommit": True, "application_name": application_name, "connect_timeout": CONNECT_TIMEOUT_SECONDS},
        min_size=1,
        max_size=size,
        open=False,
        check=AsyncConnectionPool.check_connection,
        name=application_name,
    )


def explain_unreachable(url: str, error: Exception) -> str:
    """One sentence: where, the server's words, and what to do. Never the password."""
    parts = urlsplit(url)
    where = f"{parts.hostname or 'the local socket'}:{parts.port or 5432}{parts.path}"
    words = " ".join(str(error).split()).removeprefix("connection failed: ")
    return (
        f"the database at {where} cannot be reached: {words}. Check TRACEFLEET_DATABASE_URL and that the server runs."
    )


# Classes of SQLSTATE, the longest match first. What is not here is tried a few times, then isolated.
_REMEDIES: Final[dict[str, Remedy]] = {
    "08": "retry",  # connection
    "40": "retry",  # rolled back: serialisation, deadlock
    "53": "retry",  # out of a resource that may come back
    "53400": "isolate",  # a configured limit, as that of TimescaleDB on what one statement may decompress
    "53100": "stop",  # disk full: more tries only fill the log
    "55P03": "retry",  # lock not available
    "57014": "retry",  # somebody cancelled it, or a time limit
    "57P0": "retry",  # the server is stopping, starting or has crashed
    "58": "retry",  # the system below the server
    "21": "isolate",  # cardinality
    "22": "isolate",  # data
    "23": "isolate",  # a constraint
    "54": "isolate",  # a limit of the program
    "25006": "stop",  # read-only: a standby
    "42501": "stop",  # missing privilege
    "42P01": "stop",  # missing table
    "42703": "stop",  # missing column: no record is to blame for another schema
    "42883": "stop",  # missing function
}


def remedy_for(error: Exception) -> Remedy | None:
    """What helps against *error*, or None when nobody knows.

    An error with no SQLSTATE is a lost connection, unless the driver itself could not send a value.
    """
    if isinstance(error, OSError):
        return "retry"
    if not isinstance(error, Error):
        return "isolate" if isinstance(error, OverflowError | TypeError | UnicodeEncodeError) else None
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.ProgrammingError):
            return None
        return "isolate" if isinstance(error, psycopg.DataError) else "retry"
    for length in (5, 4, 2):
        if (remedy := _REMEDIES.get(state[:length])) is not None:
            return remedy
    return None
