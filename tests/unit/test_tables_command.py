"""Tables of the command line, at every width and without one."""

import pytest
from rich.table import Table

from deploy.commands.tables import ZONE, print_table, table_of

KEY = "b976wf6g2k4n8q"
DEVICE = "TD-410100-SC-000001-0"
LAST = "2026-11-28 12:00:05"
NOTE = "a note that is long enough to be broken several times before it comes to its end"


def table() -> Table:
    """One row, with what is typed later and with prose."""
    table = table_of("id", "device_no", "kind", "last used", "note", title="Keys · 密钥")
    table.add_row(KEY, DEVICE, "password", LAST, NOTE)
    return table


@pytest.mark.parametrize("columns", [40, 60, 80, 110, 200])
def test_what_people_copy_is_whole_at_every_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Ids, numbers and times stand on one line, nothing is left out, and the zone of the times is told."""
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(table(), none="none")
    printed = capsys.readouterr().out
    assert [each in printed for each in (KEY, DEVICE, LAST)] == [True] * 3
    assert "…" not in printed
    assert printed.count("several") == 1
    assert printed.rstrip().endswith(ZONE)
    assert ("┃" in printed) == (columns > 80)


def test_nothing_is_broken_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file or a pipe a row is one line, however long."""
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(table(), none="none")
    [row] = [line for line in capsys.readouterr().out.splitlines() if KEY in line]
    assert all(each in row for each in (DEVICE, LAST, NOTE))


def test_table_without_rows_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """No frame around nothing."""
    print_table(table_of("no.", "began"), none="No outage is on record. 没有中断记录。")
    assert capsys.readouterr().out == "No outage is on record. 没有中断记录。\n"
