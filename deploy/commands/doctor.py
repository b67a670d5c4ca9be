"""``tracefleet doctor``: what is wrong, and what to do about it."""

import json
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from deploy.invocation import as_typed
from store.settings import load

COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "cyan"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead.")] = False,
) -> None:
    """Check database, schema, clock, broker, disk, ports, and what alerts tell: one line each, with the remedy.

    Exit status 1 when there is a problem; a warning is worth knowing, and things work. What can only be seen where
    another process runs is skipped, with where to look.
    """
    from deploy.doctor import examine  # noqa: PLC0415 - heavy: only when it runs

    checks = list(examine(load()))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for check in checks:
            line = Text(f"{check.verdict:<8} ", style=COLOURS[check.verdict])
            line.append(f"{check.what:<12} {check.detail}", style="default not bold")
            line.append(f" → {as_typed(check.remedy)}" if check.remedy else "", style="dim not bold")
            console.print(line, soft_wrap=True)
    if any(check.verdict == "problem" for check in checks):
        raise typer.Exit(1)
