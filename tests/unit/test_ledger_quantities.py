"""Numbers of sheets: exact, within bounds, in the unit of the column."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from fleet.ledger import quantities
from fleet.ledger.cells import CellError, yes_no

Reader = Callable[[str], object]
WHOLE = quantities.whole(1, 100_000)
LATITUDE = quantities.degrees(90)
KILOGRAMS = quantities.kilograms(1, 1_000_000)
YEARS = quantities.years(600)


@pytest.mark.parametrize(
    ("read", "cell", "expected"),
    [
        (WHOLE, "12", 12),
        (WHOLE, "12.0", 12),
        (WHOLE, "12,345", 12_345),
        (WHOLE, "１２", 12),
        (LATITUDE, "34.7657", 34.7657),
        (LATITUDE, "-90", -90.0),
        (quantities.yuan, "1280.5", Decimal("1280.50")),
        (quantities.yuan, "1,280.50", Decimal("1280.50")),
        (quantities.yuan, "0", Decimal("0.00")),
        (quantities.fen, "128050", Decimal("1280.50")),
        (KILOGRAMS, "0.005", 5),
        (KILOGRAMS, "15", 15_000),
        (YEARS, "1.5", 18),
        (quantities.months(600), "72", 72),
        (yes_no, "是", True),
        (yes_no, "FALSE", False),
        (yes_no, "1", True),
        (yes_no, "0", False),
    ],
)
def test_number_is_read_exactly(read: Reader, cell: str, expected: object) -> None:
    """No binary fraction comes between the sheet and the ledger."""
    assert read(cell) == expected
    assert type(read(cell)) is type(expected)


@pytest.mark.parametrize(
    ("read", "cell", "problem"),
    [
        (WHOLE, "1.5", "is not a whole number"),
        (WHOLE, "0", "is out of range"),
        (WHOLE, "1,23", "is not a number"),
        (WHOLE, "-", "is not a number"),
        (WHOLE, "NaN", "is not a number"),
        (WHOLE, "9" * 40, "is not a number"),
        (LATITUDE, "91", "is out of range"),
        (quantities.yuan, "1.005", "has more than two decimals"),
        (quantities.yuan, "-1", "is out of range"),
        (quantities.yuan, "¥100", "has a unit in the cell"),
        (KILOGRAMS, "15kg", "has a unit in the cell"),
        (KILOGRAMS, "0.0005", "is not a whole number of grams"),
        (YEARS, "0.3", "is not a whole number of months"),
        (yes_no, "maybe", "is none of the words known here"),
    ],
)
def test_number_is_refused_with_what_is_wrong(read: Reader, cell: str, problem: str) -> None:
    """Each with a remedy."""
    with pytest.raises(CellError) as caught:
        read(cell)
    assert (caught.value.problem, bool(caught.value.remedy)) == (problem, True)
