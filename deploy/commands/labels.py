"""``tracefleet devices labels``: QR labels of devices, for a printer."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from psycopg import Connection

from deploy.commands import desk
from deploy.commands.sheets import Begins, InState, OfKind, Region, Site
from fleet.labels.label import Label, read_labels
from fleet.labels.pdf import sheet_pdf
from fleet.labels.svg import sheet_svg
from fleet.ledger.choosing import Chosen, choose
from store.errors import TracefleetError
from store.settings import load

NAME: Final = "tracefleet devices labels"
# Five hundred pages; more is no sheet for a printer, and a mistake in the filters.
MOST_LABELS: Final = 12_000


def labels(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        Literal["pdf", "svg"] | None, typer.Option("--format", help="By the name of the file, unless told.")
    ] = None,
    *,
    site_no: Site = None,
    kind: OfKind = None,
    state: InState = None,
    region_code: Region = None,
    q: Begins = None,
) -> None:
    """Write QR labels of devices, 24 on A4 (70 mm × 37 mm), site by site; the code leads to a page without secrets."""
    used = form or out.suffix.removeprefix(".").lower()
    if used not in ("pdf", "svg"):
        raise TracefleetError(f"{out} is named neither .pdf nor .svg: say --format pdf or --format svg.")
    chosen = Chosen(site_no=site_no, kind=kind, state=state, region_code=region_code, q=q)

    def work(connection: Connection[Any]) -> list[Label]:
        return read_labels(connection, choose(connection, chosen), limit=MOST_LABELS + 1)

    found = desk.read(NAME, work)
    if not found:
        raise TracefleetError("no device in use is chosen: loosen the filters.")
    if len(found) > MOST_LABELS:
        raise TracefleetError(f"more than {MOST_LABELS} labels are no sheet: choose fewer devices, such as by --site.")
    public_url = load().public_url
    content = sheet_pdf(found, public_url) if used == "pdf" else sheet_svg(found, public_url).encode()
    try:
        out.write_bytes(content)
    except OSError as error:
        raise TracefleetError(f"{out} cannot be written: {error.strerror}.") from error
    typer.echo(f"{len(found)} labels in {out}; their codes lead to {public_url} (TRACEFLEET_PUBLIC_URL).")
