"""What is exported comes back without a change, and is what people and spreadsheet programs expect."""

import io
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.keys import Keys
from fleet.ledger.export import Chosen, FileFormat, export
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun
from fleet.ledger.sheet import read_sheet
from fleet.ledger.workbook import Language
from tests.integration.full_ledger import fill

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def keys(connection: Connection, tmp_path: Path) -> Keys:
    """The keys of a ledger with something in every column."""
    return fill(connection, tmp_path)


def _exported(
    connection: Connection, noun: Noun, form: FileFormat, language: Language, chosen: Chosen | None = None
) -> bytes:
    file = io.BytesIO()
    count = export(connection, noun, file, form=form, language=language, chosen=chosen)
    assert len(read_sheet(file.getvalue()).rows) == count
    return file.getvalue()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_import_changes_nothing_when_it_gets_what_was_exported(
    connection: Connection, keys: Keys, form: FileFormat, language: Language
) -> None:
    """Of every noun: no error, nothing new, nothing changed, in both languages and both formats."""
    for noun in LEDGERS:
        content = _exported(connection, noun, form, language)
        report = import_sheet(connection, noun, content, apply=False, keys=keys)
        assert (noun, report.errors, report.created, report.changed) == (noun, (), (), ())
        assert report.unchanged == report.rows > 0
