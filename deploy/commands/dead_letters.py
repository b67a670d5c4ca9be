"""``tracefleet dead-letters list|show|replay|purge``: what could not be stored, and what to do with it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import orjson
import psycopg
import typer
from psycopg import AsyncConnection
from rich.markup import escape

from deploy.commands.clock import clock
from deploy.commands.progress import Bar
from deploy.commands.tables import print_table, table_of
from ingest.quarantine import OLDEST_DAYS, Choice, Kept, Order, choose, count, count_older, cutoff, purge
from ingest.refusal import REASONS, Reason
from ingest.replay import Replayed, replay, waiting
from store.database import connect_service, remedy_for
from store.errors import DatabaseError, TracefleetError
from store.migrations import require_current_schema
from store.settings import load

T = TypeVar("T")
# Of a bigserial.
ID_MAX: Final = 2**63 - 1

NAME: Final = "tracefleet dead-letters"

app = typer.Typer(no_args_is_help=True, help="Messages and records that could not be stored as telemetry.")

ReasonOption = Annotated[str | None, typer.Option(help=f"Only this reason: {', '.join(REASONS)}.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Only of this device number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: tracefleet dead-letters list --reason unknown_device")
def list_(
    reason: ReasonOption = None,
    device: DeviceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    before: Annotated[
        int, typer.Option(min=1, max=ID_MAX, help="Only ids below this one, to page on to older ones.")
    ] = ID_MAX,
    after: Annotated[
        int | None, typer.Option(min=0, max=ID_MAX, help="Only ids above this one, and the oldest first.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters that wait, those kept last first; with --after, in the order in which they were kept."""
    choice = Choice(reason=_reason(reason), device_no=device, replayed=False)
    letters, total = _run(lambda connection: _page(connection, choice, limit=limit, after=after, before=before))
    if as_json:
        _print_json([_as_json(letter) for letter in letters])
        return
    table = table_of("id", "received", "reason", "from", "detail")
    # One word of those that --reason takes; elsewhere it is prose.
    table.columns[2].no_wrap = True
    for one in letters:
        table.add_row(
            str(one.dead_letter_id),
            clock(one.received_at, seconds=True),
            one.reason,
            escape(_origin(one)),
            escape(one.detail),
        )
    print_table(table, none="No dead letter waits. 没有待处理的死信。")
    if letters and total > len(letters):
        onward = "--before" if after is None else "--after"
        typer.echo(f"{len(letters)} of {total} that wait; the next with {onward} {letters[-1].dead_letter_id}.")


async def _page(
    connection: AsyncConnection[Any], choice: Choice, *, limit: int, after: int | None, before: int
) -> tuple[list[Kept], int]:
    """A page, and how many wait in all."""
    total, _ = await count(connection, choice)
    order: Order = "desc" if after is None else "asc"
    page = await choose(connection, choice, limit=limit, after=after or 0, through=before - 1, order=order)
    return page, total


def _origin(letter: Kept) -> str:
    """Device and stream, or the topic where it names none; and which record, or how many."""
    where = f"{letter.device_no} {letter.stream}" if letter.device_no else letter.topic
    if letter.record_index >= 0:
        return f"{where}, record {letter.record_index}"
    return where if letter.records == 1 else f"{where}, {letter.records} records"


@app.command(epilog="Example: tracefleet dead-letters show 17")
def show(dead_letter_id: Annotated[int, typer.Argument(min=0, max=ID_MAX)], as_json: AsJson = False) -> None:
    """Show one dead letter with its bytes."""
    letters = _run(lambda connection: choose(connection, Choice(ids=[dead_letter_id]), limit=1))
    if not letters:
        raise TracefleetError(f"There is no dead letter {dead_letter_id}. `tracefleet dead-letters list` shows them.")
    if as_json:
        _print_json(_as_json(letters[0]))
        return
    for name, value in _as_json(letters[0]).items():
        shown = f"{clock(value, seconds=True)} (Asia/Shanghai)" if isinstance(value, datetime) else value
        typer.echo(f"{name:>14}: {shown}")


@app.command(
    "replay", epilog="Example: tracefleet dead-letters replay --reason unknown_device --device TD-410100-SC-000001-3"
)
def replay_(
    ids: Annotated[
        list[int] | None, typer.Argument(min=0, max=ID_MAX, help="Ids; none means all that the options choose.")
    ] = None,
    reason: ReasonOption = None,
    device: DeviceOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every dead letter that waits, but those that `crashed`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters the way of every message again; once their cause is mended they are stored.

    What `crashed` has ended a process before: only ids or --reason crashed bring it.
    """
    if not (ids or reason or device or everything):
        raise TracefleetError("Say which: ids, --reason, --device, or --all.")
    choice = waiting(ids=ids or None, reason=_reason(reason), device_no=device)
    done = _run(lambda connection: _replay(connection, choice))
    if ids and not done.letters:
        raise TracefleetError("None of these dead letters waits. `tracefleet dead-letters list` shows those that do.")
    if as_json:
        _print_json(asdict(done))
    else:
        typer.echo(_summary(done))
    if done.refused_again:
        raise typer.Exit(1)


async def _replay(connection: AsyncConnection[Any], choice: Choice) -> Replayed:
    total, _ = await count(connection, choice)
    with Bar("replaying", total) as bar:
        return await replay(connection, choice, progress=lambda done: bar.move_to(done.letters))


def _summary(done: Replayed) -> str:
    said = (
        f"Dead letters tried: {done.letters}. Records stored: {done.stored}, here before: {done.duplicate}, "
        f"contradicting what is stored: {done.conflict}, with a dead letter of their own now: {done.dead_lettered}. "
        f"Letters refused again: {done.refused_again}"
    )
    return said + (" (their reason stands in `tracefleet dead-letters list`)." if done.refused_again else ".")


@app.command("purge", epilog="Example: tracefleet dead-letters purge --older-than-days 90 --apply")
def purge_(
    older_than_days: Annotated[
        int, typer.Option(min=0, max=OLDEST_DAYS, help="Only letters that came longer ago than this.")
    ],
    reason: ReasonOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete them. They cannot be brought back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters for good, those that wait included; without --apply, only say how many."""
    chosen = _reason(reason)
    older_than = timedelta(days=older_than_days)
    due, deleted = _run(lambda connection: _purge(connection, older_than, chosen, apply=apply))
    held = max(0, due - deleted) if apply else 0
    if as_json:
        _print_json({"applied": apply, "due": due, "deleted": deleted})
    elif not apply:
        typer.echo(f"Would be deleted: {due}. That cannot be undone; --apply does it.")
    else:
        typer.echo(f"Deleted: {deleted}." + (f" Under replay or gone already, and left alone: {held}." if held else ""))
    if held:
        raise typer.Exit(1)


async def _purge(
    connection: AsyncConnection[Any], older_than: timedelta, reason: Reason | None, *, apply: bool
) -> tuple[int, int]:
    """How many are due, and how many were deleted."""
    before = await cutoff(connection, older_than)
    due = await count_older(connection, before=before, reason=reason)
    deleted = 0
    if apply:
        with Bar("deleting", due) as bar:
            async for gone in purge(connection, before=before, reason=reason):
                deleted += gone
                bar.move_to(deleted)
    return due, deleted


def _run(work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    settings = load()
    require_current_schema(settings, application_name=NAME)
    url = settings.require_database_url()

    async def connected() -> T:
        try:
            async with await connect_service(url, application_name=NAME) as connection:
                return await work(connection)
        except psycopg.Error as error:
            if remedy_for(error) not in ("retry", "stop"):
                raise
            words = " ".join(str(error).split())
            raise DatabaseError(
                f"the database did not go on: {words}. What was done is committed; run the same command again for the "
                f"rest, as often as you like: what is stored already is counted as here before."
            ) from error

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
    # Bytes that are no text are shown escaped: evidence is looked at, the database keeps the original.
    shown["payload"] = letter.payload.decode("utf-8", "backslashreplace")
    return shown


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
