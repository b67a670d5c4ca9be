"""``tracefleet migrate``: bring the database up to date."""

import typer

from store import log, migrations
from store.settings import load


def migrate() -> None:
    """Bring the database's schema up to date.

    Safe to run any number of times, and from several machines at once.
    """
    settings = load()
    log.configure(settings.log_format)
    applied = migrations.migrate(settings)
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do: the schema is current")
