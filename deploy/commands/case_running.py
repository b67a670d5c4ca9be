"""How commands about cases are run: who does it, what is read from files, what is printed."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection

from deploy.commands import desk
from deploy.commands.case_tables import show_report
from deploy.commands.files import content_of
from fleet.retirement.order import Paper
from fleet.retirement.report import Report
from fleet.retirement.states import PAPERS, PaperKind
from store.errors import TracefleetError

NAME: Final = "tracefleet fleet cases"

Sheet = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="FILE", help="Many at once: CSV or XLSX with case_no or device_no, and the options."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Of many: do it. Without this, it is only said what would be done.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def run(work: Callable[[Connection[Any], datetime, bool], Report], reason: str, *, apply: bool, as_json: bool) -> None:
    """Do *work*, or say what it would do, and print the report; exit 1 when something is wrong with it."""
    now = datetime.now(UTC)
    if apply:
        report = desk.change(NAME, lambda connection: work(connection, now, True), reason=reason)
    else:
        report = desk.read(NAME, lambda connection: work(connection, now, False))
    if as_json:
        print_json(asdict(report))
    else:
        show_report(report)
    if not report.is_good:
        raise typer.Exit(1)


def content_of_one(name: str | None, file: Path | None) -> bytes | None:
    """The sheet in *file*, or None when one is named instead. Raises TracefleetError for neither and for both."""
    if (name is None) == (file is None):
        raise TracefleetError("name one, or give a --file with many.")
    return content_of(file) if file is not None else None


def paper_of(text: str) -> Paper:
    """The paper of `KIND=FILE`. Raises TracefleetError."""
    kind, equals, file = text.partition("=")
    if not equals:
        raise TracefleetError(f"--paper {text}: write KIND=FILE, with one of the kinds {', '.join(PAPERS)}.")
    return paper_in(kind, Path(file), None)


def paper_in(kind: str, file: Path, note: str | None) -> Paper:
    """The paper in *file*, which stays where it is. Raises TracefleetError."""
    known: dict[str, PaperKind] = {one: one for one in PAPERS}
    if kind not in known:
        raise TracefleetError(f"{kind} is no kind of document; the kinds are {', '.join(PAPERS)}.")
    content = content_of(file)
    return Paper(known[kind], file.name, hashlib.sha256(content).hexdigest(), len(content), note)


def hash_of(file: Path | None) -> str | None:
    """The SHA-256 of *file*, if one is given."""
    return hashlib.sha256(content_of(file)).hexdigest() if file is not None else None


def print_json(told: Any) -> None:  # noqa: ANN401 - whatever is shown
    """One JSON object on the standard output."""
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=_plain).decode())


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
