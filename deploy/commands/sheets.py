"""``tracefleet devices export|template`` and its siblings: the ledger as spreadsheets, to work on and import again."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from fleet.ledger.choosing import Chosen, choose
from fleet.ledger.export import FileFormat, export
from fleet.ledger.report import Noun
from fleet.ledger.template import template
from fleet.ledger.words import DEVICE_KINDS, DEVICE_STATES
from fleet.ledger.workbook import Language
from store.database import connect_once
from store.errors import TracefleetError
from store.migrations import require_current_schema
from store.settings import load

STANDARD_OUTPUT: Final = Path("-")

To = Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - is the standard output.")]
Form = Annotated[
    FileFormat | None,
    typer.Option(
        "--format", help="csv or xlsx; by the file's name when it is not given, else csv.", show_default=False
    ),
]
In = Annotated[Language, typer.Option("--language", help="Of headers and words; an import knows both.")]
Site = Annotated[str | None, typer.Option("--site", help="Only at this site number.")]
OfKind = Annotated[str | None, typer.Option("--kind", help=f"Only of this kind: {', '.join(DEVICE_KINDS)}.")]
InState = Annotated[str | None, typer.Option("--state", help=f"Only in this state: {', '.join(DEVICE_STATES)}.")]
Region = Annotated[str | None, typer.Option("--region", help="Only in this region or below: 2, 4 or 6 digits.")]
Begins = Annotated[str | None, typer.Option("--q", help="Only numbers that begin with this.")]


def attach(app: typer.Typer, noun: Noun, command: str) -> None:
    """Give *app*, the group *command* of *noun*, its ways out: ``export`` and ``template``."""
    if noun == "devices":
        _attach_devices(app)
    else:

        @app.command("export", epilog=f"Example: tracefleet {command} export {command}.xlsx")
        def _export(file: To = STANDARD_OUTPUT, form: Form = None, language: In = "zh") -> None:
            """Write all entries to a file that an import takes back without a change. Personal data is masked."""
            _run(noun, file, form, language, Chosen())

    @app.command("template", epilog=f"Example: tracefleet {command} template {command}.xlsx")
    def _template(file: To = STANDARD_OUTPUT, language: In = "zh") -> None:
        """Write an empty workbook to fill in, with words to choose from and every column explained."""
        with written(file, "xlsx") as out:
            out.write(template(noun, language))


def _attach_devices(app: typer.Typer) -> None:
    @app.command("export", epilog="Example: tracefleet devices export kiosks.xlsx --kind kiosk --region 4101")
    def _export(
        file: To = STANDARD_OUTPUT,
        form: Form = None,
        language: In = "zh",
        site: Site = None,
        kind: OfKind = None,
        state: InState = None,
        region: Region = None,
        q: Begins = None,
    ) -> None:
        """Write devices to a file that an import takes back without a change. Personal data is masked."""
        _require_one_of("--kind", kind, DEVICE_KINDS)
        _require_one_of("--state", state, DEVICE_STATES)
        _run("devices", file, form, language, Chosen(site, kind, state, region, q))


def _require_one_of(option: str, given: str | None, known: dict[str, str]) -> None:
    if given is not None and given not in known:
        raise TracefleetError(f"{option} {given} is none of {', '.join(known)}.")


def _run(noun: Noun, file: Path, form: FileFormat | None, language: Language, chosen: Chosen) -> None:
    used: FileFormat = form or ("xlsx" if file.suffix.lower() == ".xlsx" else "csv")
    settings = load()
    name = f"tracefleet {noun} export"
    require_current_schema(settings, application_name=name)
    with (
        connect_once(settings.require_database_url(), application_name=name) as connection,
        written(file, used) as out,
    ):
        count = export(connection, noun, out, form=used, language=language, keys=choose(connection, chosen))
    if file != STANDARD_OUTPUT:
        typer.echo(f"{count} {noun} written to {file}.")


@contextmanager
def written(file: Path, form: FileFormat) -> Iterator[IO[bytes]]:
    """A file to write to, in the place of *file* only when it is complete: half an export must not look like one."""
    if file == STANDARD_OUTPUT:
        with _standard_output(form) as out:
            yield out
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with draft.open("xb") as out:
            yield out
        draft.replace(file)
    except OSError as error:
        raise TracefleetError(
            f"{file} cannot be written: {error.strerror}. Check the folder and its permissions."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _standard_output(form: FileFormat) -> Iterator[IO[bytes]]:
    if form == "xlsx" and sys.stdout.isatty():
        raise TracefleetError("A workbook is no text for a terminal. Name a file, or send the output to one.")
    # A workbook is written back and forth, which a pipe is not.
    with tempfile.TemporaryFile() as gathered:
        yield gathered
        gathered.seek(0)
        shutil.copyfileobj(gathered, sys.stdout.buffer)
        sys.stdout.buffer.flush()
