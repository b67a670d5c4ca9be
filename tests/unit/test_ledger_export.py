"""Values to the cells of either format, without a database."""

import io
from decimal import Decimal
from itertools import repeat

import pytest

from fleet.errors import RefusedError
from fleet.ledger import cells
from fleet.ledger.columns import Column, Ledger
from fleet.ledger.export import WORKBOOK_ROWS, write_csv, write_xlsx
from fleet.ledger.report import Value
from fleet.ledger.sheet import read_sheet

ONE_COLUMN = Ledger("merchants", "merchants", (Column("name", ("名称",), cells.text),), key=("name",))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (34.12345678901234, "34.12345678901234"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "0.0000001"),
        (Decimal("3600.50"), "3600.5"),
        (Decimal("1000000000.00"), "1000000000"),
        (-113, "-113"),
        (True, "是"),
        (False, "否"),
    ],
)
def test_number_is_the_same_in_both_formats(value: Value, text: str) -> None:
    """To the last digit, also where a workbook keeps fewer."""
    for write in (write_csv, write_xlsx):
        file = io.BytesIO()
        write(ONE_COLUMN, [{"name": value}], "zh", file)
        [cell] = read_sheet(file.getvalue()).rows[0].cells
        assert cell == text or Decimal(cell) == Decimal(text)


def test_workbook_is_refused_when_there_are_more_entries_than_rows() -> None:
    """The format would leave the rest out without a word."""
    with pytest.raises(RefusedError, match="there are more merchants: use CSV"):
        write_xlsx(ONE_COLUMN, repeat({"name": None}, WORKBOOK_ROWS + 1), "en", io.BytesIO())
