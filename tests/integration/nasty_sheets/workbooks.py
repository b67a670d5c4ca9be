"""Workbooks as people make them: formulas, merged cells, several sheets, codes as numbers, days of every type."""

import io
from datetime import date, datetime, time
from typing import Any, Final

import openpyxl
from openpyxl.chart import BarChart
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from fleet.ledger.template import template
from tests.integration.nasty_sheets.case import HEADER_XML, Case, archive, inline, parts_of, with_rows, workbook

HEADER: Final = ["merchant_code", "name"]
MODELS: Final = ["model_no", "kind", "vendor", "withdrawn_on"]


def _merge(*ranges: str) -> Any:
    return lambda book: [book.worksheets[0].merge_cells(each) for each in ranges]


def _second(title: str, state: str = "visible") -> Any:
    def add(book: openpyxl.Workbook) -> None:
        sheet = book.create_sheet(title)
        sheet.append(["merchant_code", "name"])
        sheet.append(["N9", "z"])
        sheet.sheet_state = state

    return add


def _hidden_rows(book: openpyxl.Workbook) -> None:
    book.worksheets[0].row_dimensions[2].hidden = True
    book.worksheets[0].column_dimensions["B"].hidden = True


def _six_digits(book: openpyxl.Workbook) -> None:
    for row in book.worksheets[0].iter_rows(max_col=1):
        row[0].number_format = "000000"


def _hide_all(book: openpyxl.Workbook) -> None:
    book.create_sheet("Empty")
    book.worksheets[0].sheet_state = "hidden"


def _since_1904(book: openpyxl.Workbook) -> None:
    book.epoch = CALENDAR_MAC_1904


def _formatted_far(book: openpyxl.Workbook) -> None:
    bold = Font(bold=True)
    for column in range(1, 1025):
        book.worksheets[0].cell(1, column).font = bold


def _with_a_diagram(book: openpyxl.Workbook) -> None:
    book.create_chartsheet("Diagram").add_chart(BarChart())


def _filled_template() -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(template("merchants", "zh")))
    book.worksheets[0]["A2"] = "000777"
    book.worksheets[0]["B2"] = "王记"
    book.worksheets[0]["D2"] = "暂停"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _with_backslashes() -> bytes:
    parts = parts_of(workbook([HEADER, ["N1", "a"]])())
    return archive({name.replace("/", "\\"): content for name, content in parts.items()})


CASES: Final = (
    Case(
        "codes-as-text",
        workbook([HEADER, ["000123", "a"], ["410101199001011234", "b"]]),
    ),
    Case("codes-as-numbers", workbook([HEADER, [123, "a"], [410101199001011234, "b"], [12.5, "c"], [1000000, 7]])),
    Case(
        "codes-as-numbers-shown-with-zeros",
        workbook([HEADER, [123, "a"], [4567890, "b"], ["09", "c"]], _six_digits),
    ),
    Case("formulas-without-values", workbook([HEADER, ["=A9&B9", "a"], ["N2", "=VLOOKUP(A2,Sheet2!A:B,2,0)"]])),
    Case(
        "formulas-with-values",
        with_rows(
            HEADER_XML
            + f'<row r="2"><c r="A2" t="str"><f>"N"&amp;1</f><v>N1</v></c>{inline("B2", "a")}</row>'
            + f'<row r="3">{inline("A3", "N2")}<c r="B3"><f t="shared" ref="B3:B4" si="0">1+1</f><v>2</v></c></row>'
            + f'<row r="4">{inline("A4", "N3")}<c r="B4"><f t="shared" si="0"/><v>2</v></c></row>'
        ),
    ),
    Case(
        "error-cells",
        with_rows(
            HEADER_XML
            + f'<row r="2"><c r="A2" t="e"><v>#N/A</v></c>{inline("B2", "a")}</row>'
            + f'<row r="3">{inline("A3", "N2")}<c r="B3" t="e"><v>#REF!</v></c></row>'
            + f'<row r="4">{inline("A4", "N3")}<c r="B4" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
        ),
    ),
    Case("merged-cells", workbook([HEADER, ["N1", "a"], ["N2", ""]], _merge("B2:B3"))),
    Case("merged-title", workbook([["2026 年商户台账", ""], HEADER, ["N1", "a"]], _merge("A1:B1"))),
    Case("merged-everywhere", workbook([HEADER, ["N1", "a"]], _merge(*(f"B{n}:C{n}" for n in range(4, 12))))),
    Case("two-sheets", workbook([HEADER, ["N1", "a"]], _second("二月"))),
    Case("second-sheet-hidden", workbook([HEADER, ["N1", "a"]], _second("old", "hidden"))),
    Case("second-sheet-very-hidden", workbook([HEADER, ["N1", "a"]], _second("old", "veryHidden"))),
    Case("only-sheet-hidden", workbook([HEADER, ["N1", "a"]], _hide_all)),
    Case("sheet-beside-a-diagram", workbook([HEADER, ["N1", "a"]], _with_a_diagram)),
    Case("empty-workbook", workbook([])),
    Case("rows-and-columns-hidden", workbook([HEADER, ["N1", "a"], ["N2", "b"]], _hidden_rows)),
    Case("first-column-empty", workbook([["", *HEADER], ["", "N1", "a"]])),
    Case("header-in-row-3", workbook([["商户台账"], [], HEADER, ["N1", "a"]])),
    Case("300-columns", workbook([HEADER + [f"c{n}" for n in range(298)], ["N1", "a"]])),
    Case("empty-cells-formatted-far-to-the-right", workbook([HEADER, ["N1", "a"]], _formatted_far)),
    Case(
        "days-of-every-type",
        workbook(
            [
                MODELS,
                ["X1", "kiosk", "V", date(2018, 8, 27)],
                ["X2", "kiosk", "V", datetime(2018, 8, 27)],  # noqa: DTZ001 - workbooks know no zones
                ["X3", "kiosk", "V", datetime(2018, 8, 27, 10, 30)],  # noqa: DTZ001 - workbooks know no zones
                ["X4", "kiosk", "V", 43340],
                ["X5", "kiosk", "V", 20180827],
                ["X6", "kiosk", "V", "2018.8.27"],
                ["X7", "kiosk", "V", time(10, 30)],
                ["X8", "kiosk", "V", 43340.5],
            ]
        ),
        noun="models",
    ),
    Case(
        "days-since-1904",
        workbook([MODELS, ["X1", "kiosk", "V", date(2018, 8, 27)]], _since_1904),
        noun="models",
    ),
    Case(
        "numbers-and-truths",
        workbook(
            [
                ["device_no", "model_no", "site_no", "original_value_yuan", "lat", "is_fair_scale"],
                ["D1", "GW-1", "000123", 3600.0, 34.76571234567, True],
                ["D2", "GW-1", "000123", 0.1 + 0.2, 1e-7, False],
                ["D3", "GW-1", "000123", 1234567890123456789, -91, 2],
            ]
        ),
        noun="devices",
    ),
    Case("blanks-and-line-breaks", workbook([HEADER, [" N1\u3000", "a"], ["N2", "a\nb"], ["N3\u200b", "c"]])),
    Case(
        "text-that-looks-like-a-formula",
        with_rows(HEADER_XML + f'<row r="2">{inline("A2", "N1")}{inline("B2", "=1+1")}</row>'),
    ),
    Case(
        "text-in-several-fonts",
        with_rows(
            HEADER_XML
            + f'<row r="2">{inline("A2", "N1")}'
            + '<c r="B2" t="inlineStr"><is><r><t>张</t></r><r><t>记</t></r></is></c></row>'
        ),
    ),
    Case("part-names-with-backslashes", _with_backslashes),
    Case("template-untouched", lambda: template("devices", "zh"), noun="devices"),
    Case("template-filled-in", _filled_template),
)
