"""The papers of cases, by what they are and their hash. The papers themselves are kept elsewhere."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.retirement.order import Paper
from fleet.retirement.states import OVER, PAPERS, PaperKind

# The case is locked against a step that goes by what lies with it.
CASE: Final = "SELECT case_id, state FROM cases WHERE case_no = %(case_no)s FOR NO KEY UPDATE"
OF_CASES: Final = "SELECT case_id, kind, sha256 FROM case_documents WHERE case_id = ANY(%(case_ids)s::int4[])"
LAY: Final = """
INSERT INTO case_documents (case_id, kind, name, sha256, size_bytes, note, added_at)
SELECT case_id, kind, name, sha256, size_bytes, note, %(now)s
FROM unnest(
    %(case_id)s::int4[], %(kind)s::text[], %(name)s::text[], %(sha256)s::text[], %(size_bytes)s::int8[],
    %(note)s::text[]
) AS p (case_id, kind, name, sha256, size_bytes, note)
ON CONFLICT (case_id, sha256) DO NOTHING
"""
DOCUMENTS: Final = """
SELECT document_id, kind, name, sha256, size_bytes, note, added_by, added_at
FROM case_documents WHERE case_id = %(case_id)s ORDER BY document_id
"""
SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Document:
    """A paper that lies with a case."""

    document_id: int
    kind: PaperKind
    name: str
    sha256: str
    size_bytes: int | None
    note: str | None
    added_by: str
    added_at: datetime


def attach(connection: Connection[Any], case_no: str, papers: Sequence[Paper], *, now: datetime) -> list[Document]:
    """Lay *papers* with a case; all that lie with it then. One that lies there already stays as it is.

    To be called within acting. Raises UnknownEntryError; RefusedError for a case that is over.
    """
    found = connection.execute(CASE, {"case_no": case_no}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no case has the number {case_no!r}.")
    case_id, state = found
    if state in OVER:
        raise RefusedError(f"{case_no} is {state}: its papers are closed.")
    complaints = list(wrong(papers, kinds_of(connection, [case_id]).get(case_id, {})))
    if complaints:
        raise RefusedError(f"{case_no}: {'; '.join(complaints)}.")
    lay(connection, [(case_id, paper) for paper in papers], now=now)
    return documents_of(connection, case_id)


def wrong(papers: Iterable[Paper], known: dict[str, str]) -> Iterable[str]:
    """What is wrong with *papers*, beside those of *known* hashes and kinds. Pure."""
    kinds = dict(known)
    for paper in papers:
        if paper.kind not in PAPERS:
            yield f"{paper.kind} is no kind of document; the kinds are {', '.join(PAPERS)}"
        if SHA256.fullmatch(paper.sha256) is None:
            yield f"{paper.sha256[:70]!r} is no SHA-256: give its 64 hexadecimal digits, in small letters"
        if not paper.name.strip():
            yield "a document has no name"
        other = kinds.setdefault(paper.sha256, paper.kind)
        if other != paper.kind:
            yield f"the document {paper.sha256[:12]}… lies with the case as {other}: one paper is of one kind"


def kinds_of(connection: Connection[Any], case_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """What lies with each of the cases: kinds by hash."""
    kinds: dict[int, dict[str, str]] = {}
    for case_id, kind, sha256 in connection.execute(OF_CASES, {"case_ids": list(case_ids)}):
        kinds.setdefault(case_id, {})[sha256] = kind
    return kinds


def lay(connection: Connection[Any], papers: Sequence[tuple[int, Paper]], *, now: datetime) -> None:
    """Write *papers*, each with the id of its case, in one statement."""
    if papers:
        arrays: dict[str, Any] = {
            name: [getattr(paper, name) for _, paper in papers]
            for name in ("kind", "name", "sha256", "size_bytes", "note")
        }
        connection.execute(LAY, arrays | {"case_id": [case_id for case_id, _ in papers], "now": now})


def documents_of(connection: Connection[Any], case_id: int) -> list[Document]:
    """What lies with a case, in the order in which it was laid there."""
    with connection.cursor(row_factory=class_row(Document)) as cursor:
        return cursor.execute(DOCUMENTS, {"case_id": case_id}).fetchall()
