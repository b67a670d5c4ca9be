"""What a device is still worth in the books: straight-line depreciation (年限平均法), by whole months. Pure."""

from datetime import date
from typing import Final

MONTHS_OF_A_YEAR: Final = 12


def net_value_fen(
    original_fen: int | None, depreciation_months: int | None, acquired_on: date | None, *, today: date
) -> int | None:
    """The net value on that day, rounded to the nearest fen; None when the ledger does not say what it takes.

    Depreciation begins with the month after that of acquisition [A]; the books of government units begin in it.
    """
    if original_fen is None or depreciation_months is None or acquired_on is None:
        return None
    passed = (today.year - acquired_on.year) * MONTHS_OF_A_YEAR + today.month - acquired_on.month
    left = min(max(depreciation_months - max(passed, 0), 0), depreciation_months)
    # Half a fen goes up.
    return (2 * original_fen * left + depreciation_months) // (2 * depreciation_months)
