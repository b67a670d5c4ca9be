"""``tracefleet devices export|template`` and their siblings, as an administrator types them."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import sheets
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.sheet import read_sheet
from store.errors import TracefleetError
from tests.integration.full_ledger import fill

Run = Callable[..., Result]


@pytest.fixture
def run(
    database_url: str,
    connection: psycopg.Connection[tuple[object, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs ``tracefleet`` with the given arguments on a full ledger, beside the test's own files."""
    fill(connection, tmp_path)
    app = typer.Typer()
    for noun in LEDGERS:
        group = typer.Typer()
        sheets.attach(group, noun, noun)
        app.add_typer(group, name=noun)
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return invoke


def test_export_goes_to_the_standard_output_when_no_file_is_named(run: Run) -> None:
    """CSV with Chinese headers, and nothing else beside it."""
    result = run("devices", "export")
    assert result.exit_code == 0
    assert [row.cells[0] for row in read_sheet(result.stdout_bytes).rows] == ["-0001", "GW-0001"]
    assert read_sheet(result.stdout_bytes).header.cells[0] == "设备编号"


def test_export_takes_the_form_from_the_name_of_the_file(run: Run) -> None:
    """And says how many entries it wrote; --format has the last word."""
    assert run("merchants", "export", "m.xlsx").output == "2 merchants written to m.xlsx.\n"
    assert Path("m.xlsx").read_bytes().startswith(b"PK")
    assert run("merchants", "export", "m.xlsx", "--format", "csv", "--language", "en").exit_code == 0
    assert Path("m.xlsx").read_bytes().startswith(b"\xef\xbb\xbfmerchant_code,")
    assert sorted(path.name for path in Path().iterdir()) == ["key", "m.xlsx"]


def test_export_holds_the_devices_that_the_options_choose(run: Run) -> None:
    """Site, kind, state, region and the beginning of the number."""
    options = ("--site", "000123", "--kind", "gateway", "--state", "in_service", "--region", "4101", "--q", "GW")
    assert [row.cells[0] for row in read_sheet(run("devices", "export", "-", *options).stdout_bytes).rows] == [
        "GW-0001"
    ]
    refused = run("devices", "export", "--kind", "kiosc")
    assert isinstance(refused.exception, TracefleetError)
    assert str(refused.exception).startswith("--kind kiosc is none of trace_scale, kiosk")


def test_template_is_a_workbook_of_every_noun(run: Run) -> None:
    """Without a database even."""
    for noun in LEDGERS:
        assert run(noun, "template", f"{noun}.xlsx", "--language", "en").exit_code == 0
        assert read_sheet(Path(f"{noun}.xlsx").read_bytes()).header.cells[0] == LEDGERS[noun].columns[0].name


def test_export_leaves_the_old_file_when_it_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a file nor a draft of one."""
    Path("sites.csv").write_text("old")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert isinstance(run("sites", "export", "sites.csv").exception, TracefleetError)
    assert Path("sites.csv").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["key", "sites.csv"]


def test_export_says_so_when_the_folder_is_not_there(run: Run) -> None:
    """In a sentence."""
    result = run("sites", "export", "nowhere/sites.csv")
    assert str(result.exception).startswith("nowhere/sites.csv cannot be written: No such file or directory.")
