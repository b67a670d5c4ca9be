"""``/runbook``: the operator's documents, where links of alerts lead, from the installation itself.

The networks of operators often reach no other place. They are the files that come with the release, the same for all.
"""

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi import Path as PathParameter
from starlette.responses import HTMLResponse

from api.callers import PUBLIC
from api.html import page
from api.markdown import render
from api.problems import NO_ROUTE, ProblemError

router = APIRouter(include_in_schema=False, dependencies=PUBLIC)

PREFIX: Final = "/runbook"
# Beside this package, in a repository and where it is installed alike. Documents are no code: nothing is imported.
FOLDER: Final = Path(__file__).parents[1] / "deploy"
INDEX: Final = "README.md"

Name = Annotated[str, PathParameter(pattern=r"^[A-Z]{1,40}\.md$")]


@router.get(PREFIX)
async def runbook() -> HTMLResponse:
    """What to do about each alert."""
    return _page(INDEX)


@router.get(f"{PREFIX}/{{name}}")
async def document(name: Name) -> HTMLResponse:
    """Another document that it speaks of."""
    return _page(name)


def _page(name: str) -> HTMLResponse:
    try:
        text = (FOLDER / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProblemError(NO_ROUTE, f"There is no document {name}; {PREFIX} has an index of all.") from error
    return page(f"tracefleet {name}", render(text, _target))


def _target(link: str) -> str | None:
    """Headings and documents are served here; of other files of the repository only the name is told."""
    name, _, heading = link.partition("#")
    fragment = f"#{heading}" if heading else ""
    if "://" in link:
        return link
    if not name:
        return fragment
    return f"{PREFIX}/{name}{fragment}" if (FOLDER / name).suffix == ".md" and "/" not in name else None
