"""The sheet that labels are put on: A4, three columns of eight, 70 mm × 37 mm each. In millimetres. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.labels.label import Label, cut, width_em

PAGE_WIDTH_MM: Final = 210.0
PAGE_HEIGHT_MM: Final = 297.0
COLUMNS: Final = 3
ROWS: Final = 8
WIDTH_MM: Final = 70.0
HEIGHT_MM: Final = 37.0
# Eight times 37 mm is 1 mm less than A4.
TOP_MM: Final = (PAGE_HEIGHT_MM - ROWS * HEIGHT_MM) / 2
PADDING_MM: Final = 3.0
CODE_MM: Final = HEIGHT_MM - 2 * PADDING_MM
TEXT_MM: Final = PADDING_MM + CODE_MM + 1.0
LINE_MM: Final = 5.2
FONT_MM: Final = 2.8
# What is left beside the code.
TEXT_WIDTH_MM: Final = WIDTH_MM - TEXT_MM - 1.0
MOST_LINES: Final = int(CODE_MM // LINE_MM)
# A line may be squeezed to so much of its width before it is cut.
SQUEEZE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a label: what is written, and how wide it may become; None where it fits by itself."""

    text: str
    squeezed_mm: float | None


def lines_of(label: Label) -> list[Line]:
    """The lines that find room beside the code; the number is never cut."""
    most_em = TEXT_WIDTH_MM / FONT_MM
    numbers = len(label.number_lines)
    texts = [text if place < numbers else cut(text, most_em / SQUEEZE) for place, text in enumerate(label.lines)]
    return [Line(text, TEXT_WIDTH_MM if width_em(text) > most_em else None) for text in texts[:MOST_LINES]]


def pages(labels: Sequence[Label]) -> list[Sequence[Label]]:
    """The labels page by page; one page, and that empty, for none."""
    most = COLUMNS * ROWS
    return [labels[first : first + most] for first in range(0, len(labels), most)] or [labels]


def places(page: Sequence[Label]) -> Iterator[tuple[Label, float, float]]:
    """Each label of a page with the left and the upper edge of its place."""
    for number, label in enumerate(page):
        row, column = divmod(number, COLUMNS)
        yield label, column * WIDTH_MM, TOP_MM + row * HEIGHT_MM
