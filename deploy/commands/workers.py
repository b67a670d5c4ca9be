"""``tracefleet workers list|forget``: the ingest processes, and the end of one that will not come back."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Final

import orjson
import typer
from rich.markup import escape

from deploy.commands.clock import clock
from deploy.commands.tables import print_table, table_of
from deploy.ports import free_port
from ingest.roster import NAME, Worker, workers_of
from store import log
from store.migrations import require_current_schema
from store.records import READABLE
from store.settings import Settings, load
from store.stopping import told_to_stop

HOUR_SECONDS: Final = 3600
COLOURS: Final = {"reading": "green", "waiting": "yellow", "stopped": "yellow", "gone": "bold red"}

app = typer.Typer(no_args_is_help=True, help="The ingest processes that share the load.")


@app.command("list", epilog="Example: tracefleet workers list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the workers: what each reads, and how it is.

    reading; waiting for its broker or its database; stopped in order; gone: silent for a minute without a goodbye. The
    broker keeps messages for those that are stopped or gone. Exit status 1 when one is gone.
    """
    workers = asyncio.run(workers_of(_settings().require_database_url()))
    if as_json:
        shown = [asdict(worker) | {"state": worker.state} for worker in workers]
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(workers)
    if any(worker.is_gone for worker in workers):
        raise typer.Exit(1)


@app.command("forget", epilog="Example: tracefleet workers forget ingest-2")
def forget_(
    worker: Annotated[str, typer.Argument(metavar="NAME", help="As in `tracefleet workers list`.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if no other worker reads what it read.")] = False,
) -> None:
    """Store what the broker keeps for a worker that will not come back, then end its session there.

    Takes some seconds, a minute with a broker of MQTT 3.1.1, and as long as its messages take. Ctrl-C loses nothing.
    """
    from ingest.leaving import leave  # noqa: PLC0415 - heavy: only when it runs

    settings = _settings()
    log.configure(settings.log_format)
    # It is an ingest while it lasts, and beside it there may be one on this machine.
    settings = settings.model_copy(update={"ingest_metrics_port": free_port(settings.metrics_host)})

    async def run() -> None:
        await leave(settings, worker, told_to_stop(), anyway=anyway)

    asyncio.run(run())
    typer.echo(f"{worker} is forgotten: what a broker kept for it is stored, and its session is no more.")


def _settings() -> Settings:
    settings = load()
    require_current_schema(settings, application_name=NAME)
    return settings


def _print(workers: list[Worker]) -> None:
    table = table_of("worker", "state", "reads", "last heard", "broker", "trouble")
    for one in workers:
        reads = "everything" if set(one.reads) == set(READABLE) else " ".join(one.reads) or "nothing yet"
        table.add_row(
            escape(one.worker),
            f"[{COLOURS[one.state]}]{one.state}",
            reads + (f", a share with {escape(one.ingest_group)}" if one.ingest_group else ""),
            _ago(one),
            one.broker or "",
            escape(one.stopped_reason or ""),
        )
    print_table(table, none="No ingest process has reported yet. 还没有接入进程。")


def _ago(worker: Worker) -> str:
    if worker.silent_seconds < HOUR_SECONDS:
        return f"{worker.silent_seconds:.0f} s ago"
    return clock(worker.heartbeat_at)
