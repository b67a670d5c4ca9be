"""Every nasty file gets exactly the report it should, writes nothing, and takes no more memory than it may."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from fleet.acting import acting
from fleet.errors import SheetError
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import LEDGERS
from tests.conftest import fresh_database
from tests.integration.full_ledger import TESTER, fill
from tests.integration.nasty_sheets import archives, cells, files, foreign, workbooks
from tests.integration.nasty_sheets.case import Case

CASES: Final = (*files.CASES, *cells.CASES, *foreign.CASES, *archives.CASES, *workbooks.CASES)
# For each file either its sentence, or the keys that it would create and its errors, each as the report has them.
EXPECTED: Final[dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "nasty_sheets" / "expected.json").read_text(encoding="utf-8")
)
# Beyond what the interpreter and the packed files take: enough for a sheet, and for no bomb.
MEMORY_BYTES: Final = 400 * 1024 * 1024
READ: Final = f"""
import resource
from fleet.errors import SheetError
from fleet.ledger.sheet import read_sheet
from tests.integration.nasty_sheets.archives import CASES
contents = [case.make() for case in CASES]
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + {MEMORY_BYTES}, taken + {MEMORY_BYTES}))
for content in contents:
    try:
        read_sheet(content)
    except SheetError:
        continue
    raise AssertionError("a nasty archive was read")
"""


@dataclass(frozen=True, slots=True)
class Book:
    """A ledger with something in it."""

    connection: psycopg.Connection[Any]
    keys: Keys

    def written(self) -> list[Any]:
        """All that is in it, and how much was audited."""
        found = []
        for table in (*(ledger.table for ledger in LEDGERS.values()), "audit"):
            query = sql.SQL("SELECT xmin::text, entry::text FROM {} AS entry ORDER BY 2").format(sql.Identifier(table))
            found.append(self.connection.execute(query).fetchall())
        return found


@pytest.fixture(scope="module")
def book(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """One ledger for all files, since none of them changes it."""
    for url in fresh_database(server_url, template=template_database):
        with psycopg.connect(url, autocommit=True) as connection:
            yield Book(connection, fill(connection, tmp_path_factory.mktemp("keys")))


def _report(book: Book, case: Case, *, apply: bool) -> dict[str, Any]:
    """What an import says, in the form of EXPECTED."""
    with acting(book.connection, TESTER, keys=book.keys):
        try:
            report = import_sheet(book.connection, case.noun, case.make(), apply=apply, keys=book.keys)
        except SheetError as error:
            return {"refused": str(error)}
    assert not report.applied
    return {"created": list(report.created), "errors": [list(astuple(error)) for error in report.errors]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nasty_file_is_reported_exactly_and_writes_nothing(book: Book, case: Case) -> None:
    """Row, column, value, what is wrong and what to do; or the one sentence for a file that is no sheet at all."""
    before = book.written()
    assert _report(book, case, apply=False) == EXPECTED[case.name]
    if EXPECTED[case.name].get("errors", True):
        assert _report(book, case, apply=True) == EXPECTED[case.name]
    assert book.written() == before


def test_every_nasty_file_has_a_name_of_its_own_and_an_expected_report() -> None:
    """And no report is left over from a file that is there no more."""
    assert sorted(case.name for case in CASES) == sorted(EXPECTED)


def test_archives_that_would_grow_are_refused_within_little_memory() -> None:
    """A process that may not take more than MEMORY_BYTES reads them all and lives."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", READ], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
