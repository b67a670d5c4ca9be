"""A command's way to the ledger: as whoever typed it, under audit, in one transaction."""

from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import Connection

from deploy.commands.acting import actor
from fleet.acting import acting
from fleet.keys import Keys
from store.database import connect_once
from store.migrations import require_current_schema
from store.settings import load

T = TypeVar("T")


def change(name: str, work: Callable[[Connection[Any]], T], *, reason: str = "") -> T:
    """The result of *work*, committed, for the command *name*."""
    settings = load()
    require_current_schema(settings, application_name=name)
    with (
        connect_once(settings.require_database_url(), application_name=name) as connection,
        acting(connection, actor(), keys=Keys.of(settings), reason=reason),
    ):
        return work(connection)


def read(name: str, work: Callable[[Connection[Any]], T]) -> T:
    """The result of *work*, which changes nothing, for the command *name*."""
    settings = load()
    require_current_schema(settings, application_name=name)
    with connect_once(settings.require_database_url(), application_name=name) as connection:
        return work(connection)
