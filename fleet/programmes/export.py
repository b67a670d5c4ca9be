"""A programme's figures and devices as a sheet for the reporting line, of any day.

The same day gives the same sheet whenever it is made: all of it is derived from the ledger's records, and nothing in it
tells when it was made.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Final, Literal

from psycopg import Connection

from fleet.business_day import day_of
from fleet.errors import RefusedError
from fleet.ledger.export import WORKBOOK_ROWS, FileFormat
from fleet.ledger.harmless import harmless, harmless_typed
from fleet.ledger.words import DEVICE_KINDS, OWNER_TYPES, SITE_KINDS
from fleet.ledger.workbook import Book, Language, Tab
from fleet.lifecycle.states import NAMES
from fleet.programmes.blockers import WORDS
from fleet.programmes.programme import Programme
from fleet.programmes.progress import Progress, progress
from fleet.programmes.standing import devices
from fleet.retirement import states as case_states

Cell = str | int | float | date | None
Kind = Literal["text", "money", "day"]

CASE_STATES: Final[dict[str, str]] = {state: chinese for state, (chinese, _) in case_states.NAMES.items()}
_METHODS: Final[dict[str, str]] = {method: chinese for method, (chinese, _) in case_states.METHODS.items()}
_STATES: Final[dict[str, str]] = {state: chinese for state, (chinese, _) in NAMES.items()}
_BLOCKERS: Final[dict[str, str]] = {reason: words.name_zh for reason, words in WORDS.items()}
_FEN: Final = 100
_WIDTH: Final = 16


class _Column:
    """A column of the devices: its headers, and a device's cell."""

    def __init__(
        self, name: str, zh: str, en: str, kind: Kind = "text", words: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.header = name, {"zh": zh, "en": en}
        self.kind, self._words = kind, words

    def cell(self, row: Mapping[str, Any], language: Language) -> Cell:
        """The cell of *row*; days are those of the place where the devices stand, money is yuan."""
        value = row[self.name]
        if isinstance(value, list):
            return self._listed(value, language)
        if self.kind == "day":
            return day_of(value) if isinstance(value, datetime) else value
        if value is not None and self.kind == "money":
            return value / _FEN  # type: ignore[no-any-return]
        return self._said(value, language) if value is not None else None

    def _listed(self, values: Sequence[str], language: Language) -> str:
        return ("、" if language == "zh" else ", ").join(self._said(value, language) for value in values)

    def _said(self, value: str, language: Language) -> str:
        return self._words.get(value, value) if self._words is not None and language == "zh" else value


COLUMNS: Final = (
    _Column("device_no", "设备编号", "device_no"),
    _Column("kind", "设备类别", "kind", words=DEVICE_KINDS),
    _Column("model_no", "型号", "model_no"),
    _Column("site_no", "节点编号", "site_no"),
    _Column("site_zh", "节点名称", "site_zh"),
    _Column("site_en", "节点英文名称", "site_en"),
    _Column("region_code", "行政区划代码", "region_code"),
    _Column("owner_type", "资产权属", "owner_type", words=OWNER_TYPES),
    _Column("original_value_fen", "原值（元）", "original_value_yuan", "money"),
    _Column("state", "设备状态", "state", words=_STATES),
    _Column("entered_at", "列入日期", "entered_on", "day"),
    _Column("retired_at", "淘汰日期", "retired_on", "day"),
    _Column("reasons", "未完成原因", "blockers", words=_BLOCKERS),
    _Column("case_no", "案件编号", "case_no"),
    _Column("case_state", "案件状态", "case_state", words=CASE_STATES),
    _Column("case_since", "进入该状态日期", "case_state_since", "day"),
    _Column("due_on", "办理期限", "due_on", "day"),
    _Column("proposed_at", "申请日期", "proposed_on", "day"),
    _Column("approved_at", "批准日期", "approved_on", "day"),
    _Column("approval_document", "批复文号", "approval_document"),
    _Column("executed_at", "执行日期", "executed_on", "day"),
    _Column("disposed_at", "处置日期", "disposed_on", "day"),
    _Column("method", "处置方式", "disposal_method", words=_METHODS),
    _Column("recipient", "接收单位", "recipient"),
    _Column("receipt_no", "收据编号", "receipt_no"),
    _Column("income_fen", "处置收入（元）", "income_yuan", "money"),
)


def export(
    connection: Connection[Any],
    programme: Programme,
    day: date,
    file: IO[bytes],
    *,
    form: FileFormat,
    language: Language,
) -> int:
    """Write *programme* as it stood at the end of *day* to *file*; how many devices.

    A workbook has a sheet of figures and one of devices; in CSV the figures stand above, with an empty line between.
    Raises RefusedError when there are more devices than a sheet has rows.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        told = progress(connection, programme, day)
        rows = devices(connection, programme, day)
    figures = list(summary(programme, told, language))
    if form == "csv":
        _write_csv(figures, rows, language, file)
    else:
        _write_xlsx(figures, rows, language, file)
    return len(rows)


def summary(programme: Programme, told: Progress, language: Language) -> Iterator[tuple[str, Cell]]:
    """The figures, line by line: what it is called, and its value."""
    figures, ahead = told.figures, told.figures.forecast
    is_zh = language == "zh"
    listed: Callable[[Sequence[str], Mapping[str, str]], str] = lambda names, words: ("、" if is_zh else ", ").join(  # noqa: E731
        words.get(name, name) if is_zh else name for name in names
    )
    say: Callable[[str, str], str] = lambda zh, en: zh if is_zh else en  # noqa: E731
    yield say("任务编号", "programme"), programme.programme_no
    yield say("任务名称", "name"), say(programme.name_zh, programme.name_en)
    yield say("依据", "basis"), programme.basis
    yield say("行政区划代码", "region"), programme.region_code
    yield say("设备类别", "kinds"), listed(programme.kinds, DEVICE_KINDS)
    yield say("节点类型", "site kinds"), listed(programme.site_kinds, SITE_KINDS) or say("全部", "all")
    yield say("开始日期", "begins on"), programme.begins_on
    yield say("截止日期", "due on"), programme.due_on
    yield say("结束日期", "ended on"), programme.ended_on
    yield say("统计日期（当日24时）", "as of the end of"), figures.day
    yield say("范围内设备（台）", "devices in scope"), figures.devices
    yield say("目标（台）", "target"), figures.target
    yield say("已淘汰（台）", "retired"), figures.retired
    yield say("未完成（台）", "remaining"), figures.remaining
    yield say("淘汰完成率（%）", "completed (%)"), None if figures.rate is None else round(figures.rate * 100, 2)
    if ahead is not None:
        yield say("近28日每周淘汰（台）", "retired a week, last 28 days"), ahead.lately.per_week
        yield say("预计完成日期", "expected completion"), ahead.lately.done_on
        yield say("按期完成每周需淘汰（台）", "needed a week to be in time"), ahead.needed_per_week
    for state, count in told.cases.items():
        yield say(f"案件：{CASE_STATES.get(state, state)}（台）", f"cases: {state}"), count
    for blocker in told.blockers:
        yield say(f"原因：{blocker.name_zh}（台）", f"blocker: {blocker.name_en}"), blocker.devices


def _write_csv(
    figures: Sequence[tuple[str, Cell]], rows: Sequence[Mapping[str, Any]], language: Language, file: IO[bytes]
) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        writer.writerows((harmless(name), _plain(value)) for name, value in figures)
        writer.writerow(())
        writer.writerow([column.header[language] for column in COLUMNS])
        writer.writerows([_plain(column.cell(row, language)) for column in COLUMNS] for row in rows)
    finally:
        # The file is the caller's, and stays open.
        text.detach()


def _plain(value: Cell) -> str:
    match value:
        case None:
            return ""
        case str():
            return harmless(value)
        case float():
            return format(Decimal(repr(value)), "f")
        case _:
            return str(value)


def _write_xlsx(
    figures: Sequence[tuple[str, Cell]], rows: Sequence[Mapping[str, Any]], language: Language, file: IO[bytes]
) -> None:
    if len(rows) > WORKBOOK_ROWS:
        raise RefusedError(f"a workbook holds {WORKBOOK_ROWS} rows, and there are {len(rows)} devices: use CSV.")
    with Book(file, streamed=True) as book:
        sheet = book.sheet("统计" if language == "zh" else "summary")
        sheet.set_column(0, 1, 2 * _WIDTH)
        for number, (name, value) in enumerate(figures):
            sheet.write_string(number, 0, harmless_typed(name), book.header)
            _write(book, sheet, number, 1, value)
        sheet = book.sheet("设备" if language == "zh" else "devices")
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, len(COLUMNS) - 1, _WIDTH)
        for place, column in enumerate(COLUMNS):
            sheet.write_string(0, place, column.header[language], book.header)
        for number, row in enumerate(rows, 1):
            for place, column in enumerate(COLUMNS):
                _write(book, sheet, number, place, column.cell(row, language))
        sheet.autofilter(0, 0, len(rows), len(COLUMNS) - 1)


def _write(book: Book, sheet: Tab, row: int, place: int, value: Cell) -> None:
    match value:
        case None | "":
            return
        case str():
            sheet.write_string(row, place, harmless_typed(value), book.text)
        case date():
            sheet.write_datetime(row, place, value, book.day)
        case _:
            sheet.write_number(row, place, value)
