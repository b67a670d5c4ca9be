"""``tracefleet audit verify|list|anchor``: the proof of the ledger's history, and the history itself."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
import psycopg
import typer

from deploy.commands.changes import show_changes
from deploy.commands.progress import Bar
from fleet.audit import anchors
from fleet.audit.reading import list_changes
from fleet.audit.sealing import HEAD
from fleet.audit.verification import Verdict, verify
from fleet.business_day import SHANGHAI
from fleet.keys import Keys
from store.database import connect_once
from store.errors import TracefleetError
from store.migrations import require_current_schema
from store.settings import Settings, load

NAME: Final = "tracefleet audit"

app = typer.Typer(no_args_is_help=True, help="Who changed the ledger, and proof of that.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("verify", epilog="Example: tracefleet audit verify")
def verify_(as_json: AsJson = False) -> None:
    """Verify every change ever made: the chain of seals, rows without one, and the anchors outside the database.

    Exit status 1 when anything was edited, deleted, put in, reordered or cut off.
    """
    settings = load()
    with _connect(settings) as connection, Bar("verifying", 0) as bar:
        verdict = verify(connection, Keys.of(settings), anchors.file_of(settings), progress=bar.move_to)
    if as_json:
        typer.echo(orjson.dumps(verdict, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(verdict)
    if not verdict.is_whole:
        raise typer.Exit(1)


def _show(verdict: Verdict) -> None:
    for warning in verdict.warnings:
        typer.echo(f"warning: {warning}")
    for finding in verdict.findings:
        typer.echo(f"{finding.kind}: {finding.sentence}")
    if verdict.found > len(verdict.findings):
        typer.echo(f"… and {verdict.found - len(verdict.findings)} more findings.")
    counts = f"{verdict.sealed} changes fit their seals, {verdict.waiting} wait for one; {verdict.anchors} anchors."
    typer.echo(f"{counts} Head: seal {verdict.seal_no}, {verdict.seal}")
    if verdict.is_whole:
        typer.echo("The audit is whole.")
    else:
        typer.echo(f"The audit is NOT whole: {verdict.found} finding{'' if verdict.found == 1 else 's'}.")


@app.command("list", epilog="Example: tracefleet audit list --entity devices --label TD-410100-SC-000001-0")
def list_(
    entity: Annotated[
        str | None, typer.Option(help="Only of this table: devices, sites, merchants, models, credentials …")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Only of the entry with this number.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this person or program.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only from then on, China time.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only before then.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    ] = None,
    operation: Annotated[UUID | None, typer.Option(help="Only what was done at once under this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List changes of the ledger, the newest first: who, when, from where, what, and why."""
    filters: dict[str, Any] = {
        "entity": entity,
        "label": label,
        "actor": actor,
        "operation": operation,
        "since": since and since.replace(tzinfo=SHANGHAI),
        "until": until and until.replace(tzinfo=SHANGHAI),
    }
    with _connect(load()) as connection:
        changes = list_changes(connection, filters, rows=limit)
    show_changes(changes, as_json=as_json)
    if len(changes) == limit and not as_json:
        typer.echo(f"The last {limit}; --limit shows more, the options above fewer.")


@app.command("anchor", epilog="Example: tracefleet audit anchor")
def anchor(as_json: AsJson = False) -> None:
    """Note the head of the chain in the anchor file now; `tracefleet fleet` does it every minute."""
    settings = load()
    file = anchors.file_of(settings)
    with _connect(settings) as connection:
        key = Keys.of(settings).key(connection, "audit")
        head: Any = connection.execute(HEAD).fetchone()
    if head is None:
        raise TracefleetError("Nothing was sealed yet: start `tracefleet fleet`, or change something, and try again.")
    seal_no, seal = head[0], bytes(head[1])
    is_new = anchors.append(file, key, seal_no, seal)
    if as_json:
        told = {"file": str(file.absolute()), "seal_no": seal_no, "seal": seal.hex(), "is_new": is_new}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(f"{file}: seal {seal_no} {'is noted' if is_new else 'was noted already'}. {seal.hex()}")


def _connect(settings: Settings) -> psycopg.Connection[Any]:
    require_current_schema(settings, application_name=NAME)
    return connect_once(settings.require_database_url(), application_name=NAME)
