"""Who changes the ledger, from where and why: each change is made within `acting`, and sealed before its commit."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from fleet.audit.sealing import seal
from fleet.keys import Keys

# For this transaction alone: pooled connections carry nobody's name into the next one.
TELL: Final = """
SELECT set_config('tracefleet.actor', %(who)s, true), set_config('tracefleet.origin', %(origin)s, true),
       set_config('tracefleet.reason', %(reason)s, true), set_config('tracefleet.operation', %(operation)s, true)
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program, by name, and where it comes from: `command line of host`, `api 10.0.0.7`, `fleet`."""

    who: str
    origin: str


# The fleet process itself, in its rounds.
FLEET: Final = Actor("fleet", "fleet")


@contextmanager
def acting(connection: Connection[Any], actor: Actor, *, keys: Keys, reason: str = "") -> Iterator[uuid.UUID]:
    """A transaction whose changes are *actor*'s, for *reason*; the number they share in the audit.

    At its end they are sealed into the chain, and others who change the ledger wait for its commit from then on.
    Not to be entered twice: what is done together is one transaction.
    """
    operation = uuid.uuid4()
    with connection.transaction():
        connection.execute(
            TELL, {"who": actor.who, "origin": actor.origin, "reason": reason, "operation": str(operation)}
        )
        yield operation
        seal(connection, keys.key(connection, "audit"))
