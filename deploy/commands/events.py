"""``tracefleet fleet events``: what changed in the fleet, straight from the database, and as it changes."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from psycopg.rows import class_row

from deploy.commands import desk
from fleet.business_day import SHANGHAI
from fleet.event_order import READ, WRITERS, Order, Told

NAME: Final = "tracefleet fleet events"
LISTEN: Final = "LISTEN tracefleet_events"
READ_AT_ONCE: Final = 500
# A rollback makes no notification, and a gap in the numbers is looked at again soon.
POLL_SECONDS: Final = 5.0
GAP_SECONDS: Final = 0.2


def events(
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only kinds that begin so, such as case.; may be given several times.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Number of the last event seen; 0: all of the last week.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show what changed in the fleet (事件), in the order of its numbers."""
    kinds = tuple(kind or ("",))

    def work(connection: Connection[Any]) -> None:
        if follow:
            connection.execute(LISTEN)
        for event in _told(connection, Order(after), follow=follow):
            if event.kind.startswith(kinds):
                _print(event, as_json=as_json)

    with suppress(KeyboardInterrupt):
        desk.read(NAME, work)


def add_to(app: typer.Typer) -> None:
    """The command, into the group of the fleet."""
    app.command("events", epilog="Example: tracefleet fleet events --follow --kind case.")(events)


def _told(connection: Connection[Any], order: Order, *, follow: bool) -> Iterator[Told]:
    while True:
        writers = _writers(connection) if order.is_waiting else frozenset[str]()
        with connection.cursor(row_factory=class_row(Told)) as cursor:
            rows = cursor.execute(READ, {"after": order.head, "rows": READ_AT_ONCE}).fetchall()
        told = order.take(rows, writers)
        yield from told
        if order.needs_writers:
            order.suspect(_writers(connection))
        elif follow or order.is_waiting:
            if len(rows) < READ_AT_ONCE or not told:
                _wait(connection, GAP_SECONDS if order.is_waiting else POLL_SECONDS)
        elif not told:
            return


def _writers(connection: Connection[Any]) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(WRITERS))


def _wait(connection: Connection[Any], seconds: float) -> None:
    for _ in connection.notifies(timeout=seconds, stop_after=1):
        pass


def _print(event: Told, *, as_json: bool) -> None:
    if as_json:
        told = {"id": event.event_id, "at": event.at, "kind": event.kind, "subject": event.subject, "data": event.data}
        typer.echo(orjson.dumps(told).decode())
    else:
        data = " ".join(f"{name}={orjson.dumps(value).decode()}" for name, value in event.data.items())
        typer.echo(
            f"{event.event_id:>8} {event.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} {event.kind} {event.subject} {data}"
        )
