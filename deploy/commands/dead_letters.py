"""``tracefleet dead-letters list|show|replay|purge``: what could not be stored, and what to do with it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

import orjson
import typer
from psycopg import AsyncConnection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.quarantine import Choice, Kept, choose, count_older, purge, replay
from ingest.refusal import REASONS, Reason
from store.database import connect_service
from store.errors import TracefleetError
from store.migrations import require_current_schema
from store.settings import load

T = TypeVar("T")
SHOWN_BYTES: Final = 4096

app = typer.Typer(no_args_is_help=True, help="Messages and records that could not be stored as telemetry.")

ReasonOption = Annotated[str | None, typer.Option(help=f"Only this reason: {', '.join(REASONS)}.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Only of this device number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: tracefleet dead-letters list --reason unknown_device")
def list_(
    reason: ReasonOption = None,
    device: DeviceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    after: Annotated[int, typer.Option(help="Only ids above this one, to page on.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List dead letters that wait, in the order in which they were kept."""
    choice = Choice(reason=_reason(reason), device_no=device, replayed=False)
    letters = _run(lambda connection: choose(connection, choice, limit=limit, after=after))
    if as_json:
        _print_json([_as_json(letter) for letter in letters])
        return
    table = Table("id", "received", "reason", "device", "stream", "record", "records", "detail")
    for one in letters:
        record = "all" if one.record_index < 0 else str(one.record_index)
        received = f"{one.received_at:%Y-%m-%d %H:%M:%S}"
        cells = (one.reason, one.device_no or "", one.stream or "", record, str(one.records), one.detail)
        table.add_row(str(one.dead_letter_id), received, *map(escape, cells))
    Console().print(table)


@app.command(epilog="Example: tracefleet dead-letters show 17")
def show(dead_letter_id: int, as_json: AsJson = False) -> None:
    """Show one dead letter with its bytes."""
    letters = _run(lambda connection: choose(connection, Choice(ids=[dead_letter_id]), limit=1))
    if not letters:
        raise TracefleetError(f"There is no dead letter {dead_letter_id}. `tracefleet dead-letters list` shows them.")
    if as_json:
        _print_json(_as_json(letters[0]))
        return
    for name, value in _as_json(letters[0]).items():
        typer.echo(f"{name:>14}: {value}")


@app.command(
    "replay", epilog="Example: tracefleet dead-letters replay --reason unknown_device --device TD-410100-SC-000001-3"
)
def replay_(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids; none means all that the options choose.")] = None,
    reason: ReasonOption = None,
    device: DeviceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter that waits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters the way of every message again; once their cause is mended they are stored."""
    if not (ids or reason or device or everything):
        raise TracefleetError("Say which: ids, --reason, --device, or --all.")
    choice = Choice(ids=ids or None, reason=_reason(reason), device_no=device, replayed=False)
    done = _run(lambda connection: replay(connection, choice))
    if ids and not done.letters:
        raise TracefleetError("None of these dead letters waits. `tracefleet dead-letters list` shows those that do.")
    if as_json:
        _print_json(asdict(done))
    else:
        typer.echo(
            f"Dead letters replayed: {done.letters}. Records stored: {done.stored}, here before: {done.duplicate}, "
            f"contradicting what is stored: {done.conflict}. Refused again: {done.refused_again}"
            + (" (their reason stands in `tracefleet dead-letters list`)." if done.refused_again else ".")
        )
    if done.refused_again:
        raise typer.Exit(1)


@app.command("purge", epilog="Example: tracefleet dead-letters purge --older-than-days 90 --apply")
def purge_(
    older_than_days: Annotated[int, typer.Option(min=0, help="Only letters that came longer ago than this.")],
    reason: ReasonOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete them. They cannot be brought back.")] = False,
) -> None:
    """Delete dead letters for good; without --apply, only say how many."""
    older_than = timedelta(days=older_than_days)
    if apply:
        gone = _run(lambda connection: purge(connection, older_than=older_than, reason=_reason(reason)))
        typer.echo(f"Deleted: {gone}.")
    else:
        due = _run(lambda connection: count_older(connection, older_than=older_than, reason=_reason(reason)))
        typer.echo(f"Would be deleted: {due}. That cannot be undone; --apply does it.")


def _run(work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    settings = load()
    require_current_schema(settings, application_name="tracefleet dead-letters")

    async def connected() -> T:
        url = settings.require_database_url()
        async with await connect_service(url, application_name="tracefleet dead-letters") as connection:
            return await work(connection)

    return asyncio.run(connected())


def _reason(given: str | None) -> Reason | None:
    for reason in REASONS:
        if given == reason:
            return reason
    if given is not None:
        raise TracefleetError(f"There is no reason {given!r}. Known: {', '.join(REASONS)}.")
    return None


def _as_json(letter: Kept) -> dict[str, object]:
    shown = asdict(letter)
    shown["payload_bytes"] = len(letter.payload)
    # Bytes that are no text are shown escaped: evidence is looked at, the database keeps the original.
    shown["payload"] = letter.payload[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return shown


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
