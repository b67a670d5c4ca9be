"""``tracefleet fleet``: one process, for production; with a word after it, what administrators ask of the fleet."""

import typer

from deploy.service import run_service

app = typer.Typer(invoke_without_command=True)


@app.callback()
def fleet(context: typer.Context) -> None:
    """Watch the fleet and keep the store in order; with a command, ask about health, findings, cases, programmes.

    Without a command it runs until Ctrl-C or SIGTERM. The database must be migrated: see `tracefleet migrate`.
    """
    if context.invoked_subcommand is not None:
        return
    from fleet.service import run  # noqa: PLC0415 - heavy: only when it runs

    run_service("fleet", run)
