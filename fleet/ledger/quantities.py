"""Cells that count or measure: whole numbers, degrees, money, weights and spans of time, always exactly. Pure."""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from fleet.ledger.cells import CellError, text

_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
# 1,234,567.89 as spreadsheets show it; 1,23 is another matter.
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_UNIT = re.compile(r"^[¥￥]|(元|[kK]?[gG]|千克|公斤|克|个月|月|年)$")
FEN: Final = Decimal("0.01")
MONTHS_OF_A_YEAR: Final = 12
GRAMS_OF_A_KILOGRAM: Final = 1000
MAX_YUAN: Final = Decimal(1_000_000_000)


def number(cell: str) -> Decimal:
    """The number in a cell, exactly as written; groups of thousands and full-width digits are taken, units are not."""
    written = unicodedata.normalize("NFKC", text(cell)).strip()
    if _GROUPED.fullmatch(written):
        written = written.replace(",", "")
    if _NUMBER.fullmatch(written):
        return Decimal(written)
    if _UNIT.search(written):
        raise CellError("has a unit in the cell", "write the number alone: the header says the unit")
    raise CellError("is not a number", "write digits, with a point before decimals: 1234.5")


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of whole numbers within bounds, both included."""

    def read(cell: str) -> int:
        value = number(cell)
        if value != value.to_integral_value():
            raise CellError("is not a whole number", f"write a whole number from {lowest} to {highest}")
        return int(_within(value, lowest, highest))

    return read


def degrees(limit: int) -> Callable[[str], float]:
    """A reader of a latitude (90) or a longitude (180), in decimal degrees."""

    def read(cell: str) -> float:
        return float(_within(number(cell), -limit, limit))

    return read


def yuan(cell: str) -> Decimal:
    """An amount of money in yuan, to the fen."""
    value = number(cell)
    if value != value.quantize(FEN):
        raise CellError("has more than two decimals", "write yuan and fen: 1234.56")
    return _within(value, 0, MAX_YUAN).quantize(FEN)


def fen(cell: str) -> Decimal:
    """An amount of money in fen, as yuan."""
    return yuan(str(Decimal(whole(0, int(MAX_YUAN) * 100)(cell)) / 100))


def grams(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of weights in grams."""
    return whole(lowest, highest)


def kilograms(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of weights in kilograms, as grams; the bounds are grams."""

    def read(cell: str) -> int:
        value = number(cell) * GRAMS_OF_A_KILOGRAM
        if value != value.to_integral_value():
            raise CellError("is not a whole number of grams", "write kilograms with at most three decimals: 0.005")
        return int(_within(value, lowest, highest))

    return read


def months(highest: int) -> Callable[[str], int]:
    """A reader of spans in months."""
    return whole(1, highest)


def years(highest: int) -> Callable[[str], int]:
    """A reader of spans in years, as months; *highest* is months."""

    def read(cell: str) -> int:
        value = number(cell) * MONTHS_OF_A_YEAR
        if value != value.to_integral_value():
            raise CellError("is not a whole number of months", "write years, as 6 or 1.5")
        return int(_within(value, 1, highest))

    return read


def _within(value: Decimal, lowest: int, highest: int | Decimal) -> Decimal:
    if not lowest <= value <= highest:
        raise CellError("is out of range", f"write a number from {lowest} to {highest}")
    return value
