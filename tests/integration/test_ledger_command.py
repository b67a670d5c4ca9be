"""``tracefleet devices import`` and its siblings, as an operator types them."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import ledger
from fleet.ledger.nouns import DEVICE_KINDS, LEDGERS
from fleet.ledger.report import Noun
from store.errors import TracefleetError

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``tracefleet`` with the given arguments on the test's database, beside the test's own files."""
    app = typer.Typer()
    for name, group in ledger.GROUPS.items():
        app.add_typer(group, name=name)
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return invoke


def _write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="gb18030")
    return name


def _count(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM merchants").fetchone()
    assert row is not None
    return int(row[0])


def test_import_says_what_it_would_do_and_then_does_it(run: Run, database_url: str) -> None:
    """Dry-run by default, exit 0; with --apply it is written."""
    file = _write("merchants.csv", "商户编码,商户名称\n4101000010001,张记\n4101000010002,李记\n")
    dry = run("merchants", "import", file)
    assert (dry.exit_code, _count(database_url)) == (0, 0)
    assert "2 new, 0 changed, 0 left alone, 0 errors. Nothing was written yet: add --apply to write it." in dry.output
    applied = run("merchants", "import", file, "--apply")
    assert (applied.exit_code, _count(database_url)) == (0, 2)
    assert "Written." in applied.output


def test_import_shows_rows_and_remedies_and_exits_1_when_rows_are_wrong(run: Run, database_url: str) -> None:
    """A table a person can work through; markup in a cell is only text."""
    file = _write("merchants.csv", "merchant_code,name\n[red]M 1[/red],张记\nM2,\n")
    result = run("merchants", "import", file, "--apply")
    assert (result.exit_code, _count(database_url)) == (1, 0)
    assert "[red]M 1[/red]" in result.output
    assert "fill in name" in result.output
    assert "Nothing was written: correct the rows above" in result.output


def test_import_counts_one_row_as_one_row(run: Run) -> None:
    """Of errors, too."""
    assert (
        "1 row of merchants: 1 new"
        in run("merchants", "import", _write("m.csv", "商户编码,商户名称\n4101000010001,张记\n")).output
    )
    wrong = run(
        "merchants", "import", _write("n.csv", "商户编码,商户名称\n4101000010001,张记\n4101000010002,\n")
    ).output
    assert "2 rows of merchants: 1 new, 0 changed, 0 left alone, 1 error. Nothing" in wrong


@pytest.mark.parametrize("noun", LEDGERS)
def test_help_lists_the_columns(run: Run, noun: Noun) -> None:
    """Each with its English and Chinese headers, a mark when it is required, and the words it takes."""
    told = run(ledger.command_of(noun), "import", "--help").output
    for column in LEDGERS[noun].columns:
        [line] = [line for line in told.splitlines() if line.split()[:1] == [column.name]]
        assert all(header in line for header in column.chinese)
        assert ("*" in line) == column.needed
        for word, chinese in (column.words or {}).items():
            assert f"{word} {chinese}" in told


def test_kinds_in_the_help_are_those_of_the_database(connection: psycopg.Connection[tuple[str, str]]) -> None:
    """What an import accepts."""
    assert dict(connection.execute("SELECT kind, name_zh FROM kinds").fetchall()) == DEVICE_KINDS


def test_import_prints_one_object_when_asked_for_json(run: Run) -> None:
    """Everything the report holds, dates as text."""
    run("regions", "import", _write("r.csv", "region_code,name_zh,name_en\n410100,郑州,Zhengzhou\n"), "--apply")
    changed = _write("r2.csv", "region_code,valid_to\n410100,2030/1/1\n410200,\n")
    result = run("regions", "import", changed, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["changed"] == [
        {
            "row": 2,
            "key": "410100 1980-01-01",
            "fields": [{"column": "valid_to", "before": None, "after": "2030-01-01"}],
        }
    ]
    assert [(error["row"], error["column"]) for error in report["errors"]] == [(3, "name_zh"), (3, "name_en")]
    assert (report["noun"], report["rows"], report["applied"]) == ("regions", 2, False)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file"), (b"", "the file is empty"), (b"PK\x03\x04", "the workbook is damaged")],
)
def test_import_explains_itself_when_the_file_is_no_sheet(run: Run, content: bytes | None, sentence: str) -> None:
    """A sentence with the file's name, for exit status 2."""
    if content is not None:
        Path("devices.csv").write_bytes(content)
    result = run("devices", "import", "devices.csv")
    assert isinstance(result.exception, TracefleetError)
    assert str(result.exception).startswith("devices.csv")
    assert sentence in str(result.exception)


def test_import_tells_to_migrate_when_the_database_is_empty(
    run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback about tables that are not there."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", empty_database_url)
    result = run("merchants", "import", _write("m.csv", "merchant_code,name\nM1,x\n"))
    assert "tracefleet migrate" in str(result.exception)
