"""Sheets for the reporting line: what is in them, and that the same day gives the same sheet whenever it is made."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.business_day import SHANGHAI
from fleet.ledger.csv_sheet import read_csv
from fleet.ledger.export import FileFormat
from fleet.ledger.workbook import Language
from fleet.programmes.export import COLUMNS, export
from fleet.programmes.programme import Programme, programme
from tests.integration.programmes.conftest import Past, after, at, campaign

Connection = psycopg.Connection[Any]


def _made(
    connection: Connection, of: Programme, day: Any, form: FileFormat = "csv", language: Language = "en"
) -> bytes:
    file = io.BytesIO()
    export(connection, of, day, file, form=form, language=language)
    return file.getvalue()


def _rows(content: bytes) -> dict[str, dict[str, str]]:
    """The devices of a CSV, by number and by the English headers."""
    lines = content.split(b"\r\n\r\n", 1)[1]
    sheet = read_csv(lines)
    return {row.cells[0]: dict(zip(sheet.header.cells, row.cells, strict=False)) for row in sheet.rows}


def test_sheet_has_the_figures_and_each_device(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """With its value in yuan, its case, the paper it went by and what it brought in."""
    gone, waiting = past.device("gone", kiosk, market), past.device("waiting", kiosk, market, owner_type=None)
    steps = (("opened", after(5)), ("approved", after(8)), ("executing", after(9)), ("disposed", after(30)))
    more: dict[str, Any] = {"method": "scrap", "recipient": "=绿源回收", "receipt_no": "0042", "income_fen": 12_345}
    past.case(gone, "C-1", *steps, disposed_at=at(after(30)), **more)
    past.retire(gone, after(30))
    past.case(waiting, "C-2", ("opened", after(6)), due_on=after(10))
    content = _made(connection, campaign(connection, basis="+1"), after(40))
    figures = dict(line.split(",", 1) for line in content.decode("utf-8-sig").split("\r\n\r\n")[0].splitlines())
    assert {name: figures[name] for name in ("target", "retired", "remaining", "completed (%)", "basis")} == {
        "target": "2",
        "retired": "1",
        "remaining": "1",
        "completed (%)": "50.0",
        "basis": "'+1",
    }
    rows = _rows(content)
    assert list(rows) == ["gone", "waiting"]
    told = rows["gone"]
    names = ("kind", "region_code", "owner_type", "original_value_yuan", "state", "case_no", "approval_document")
    assert [told[name] for name in names] == ["kiosk", "410102", "government", "5000.0", "disposed", "C-1", "批复7号"]
    assert [told[name] for name in ("disposed_on", "disposal_method", "recipient", "receipt_no", "income_yuan")] == [
        str(after(30)),
        "scrap",
        "'=绿源回收",
        "0042",
        "123.45",
    ]
    assert rows["waiting"]["blockers"] == "waiting_for_proposal, overdue, no_owner"


def test_workbook_has_two_sheets_in_chinese(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """Figures and devices, in the words of the language."""
    past.device("k", kiosk, market)
    content = _made(connection, campaign(connection), after(3), "xlsx", "zh")
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        names = book.read("xl/workbook.xml").decode()
        texts = "".join(book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/"))
    assert 'name="统计"' in names
    assert 'name="设备"' in names
    assert "淘汰完成率（%）" in texts
    assert all(column.header["zh"] in texts for column in COLUMNS)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sheet_of_a_day_is_the_same_when_it_is_made_later(
    past: Past, connection: Connection, kiosk: int, market: int, language: Language
) -> None:
    """Made at the end of the day, and after all of it went on: devices, cases, sites, the programme itself."""
    today = datetime.now(SHANGHAI).date()
    begins = today - timedelta(days=20)
    first, second, third = (past.device(f"k{number}", kiosk, market) for number in range(3))
    past.retire(first, today - timedelta(days=4))
    past.flag(third, today - timedelta(days=4))
    case_id = past.case(second, "C-1", ("opened", today - timedelta(days=3)), due_on=today - timedelta(days=1))
    campaign(connection, begins_on=begins, due_on=today + timedelta(days=60))
    # What is recorded now is of this moment: that day's end came just before.
    connection.execute("SELECT set_config('timezone', 'Asia/Shanghai', false)")
    day = today - timedelta(days=1)
    before = _everything(connection, day, language)
    _go_on(past, market, second, third, case_id)
    assert _everything(connection, day, language) == before
    assert _everything(connection, today, language) != before


def _everything(connection: Connection, day: Any, language: Language) -> bytes:
    return _made(connection, programme(connection, "P-1", day), day, "csv", language)


def _go_on(past: Past, market: int, second: int, third: int, case_id: int) -> None:
    """A day of work on all that the sheet shows."""
    now = datetime.now(SHANGHAI)
    change: Callable[..., Any] = past.connection.execute
    change("UPDATE devices SET original_value_fen = 1, owner_type = 'merchant' WHERE device_id = %s", (second,))
    past.step(third, "in_service", "lost", now)
    change("UPDATE flags SET ended_at = now(), ended_because = 'retired' WHERE device_id = %s", (third,))
    change("UPDATE cases SET state = 'proposed', proposed_by = 'a', due_on = '2099-01-01', state_since = now()")
    past.add("case_steps", "step_id", case_id=case_id, from_state="opened", to_state="proposed", at=now)
    past.add("device_holds", "hold_id", device_id=second, kind="evidence", reason="r", begins_at=now)
    other = past.site("S9", "419999")
    change("UPDATE devices SET site_id = %s WHERE device_id = %s", (other, second))
    change("UPDATE sites SET name_zh = '新名', region_code = '410199' WHERE site_id = %s", (market,))
    change("UPDATE programmes SET target = 99, name_zh = '改名', name_en = 'Renamed', due_on = due_on + 9")
    past.device("new", past.add("models", "model_id", model_no="QM-2", kind="kiosk", vendor="v"), market, now.date())
