"""Labels as SVG: one, or all pages of a sheet below each other. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from fleet.labels.label import QUIET_MODULES, Label, code_of
from fleet.labels.sheet import (
    CODE_MM,
    FONT_MM,
    HEIGHT_MM,
    LINE_MM,
    PADDING_MM,
    PAGE_HEIGHT_MM,
    PAGE_WIDTH_MM,
    TEXT_MM,
    WIDTH_MM,
    lines_of,
    pages,
    places,
)

MEDIA_TYPE: Final = "image/svg+xml"
FONTS: Final = "'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"


def label_svg(label: Label, public_url: str) -> str:
    """One label."""
    return _document(WIDTH_MM, HEIGHT_MM, _drawn(label, public_url, 0.0, 0.0))


def sheet_svg(labels: Sequence[Label], public_url: str) -> str:
    """All of them; a printer that is told A4 puts each page on one."""
    sheets = pages(labels)
    drawn = (
        part
        for number, page in enumerate(sheets)
        for label, x, y in places(page)
        for part in _drawn(label, public_url, x, number * PAGE_HEIGHT_MM + y)
    )
    return _document(PAGE_WIDTH_MM, PAGE_HEIGHT_MM * len(sheets), drawn)


def _document(width: float, height: float, parts: Iterator[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONTS}" font-size="{FONT_MM}">'
    )
    return "\n".join((head, f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>', *parts, "</svg>\n"))


def _drawn(label: Label, public_url: str, x: float, y: float) -> Iterator[str]:
    code = code_of(label.link(public_url))
    module = CODE_MM / (code.side + 2 * QUIET_MODULES)
    path = "".join(f"M{column} {row}h{length}v1h-{length}z" for row, column, length in code.runs)
    left, top = x + PADDING_MM + QUIET_MODULES * module, y + PADDING_MM + QUIET_MODULES * module
    yield f'<path transform="translate({left:.3f} {top:.3f}) scale({module:.4f})" d="{path}"/>'
    numbers = len(label.number_lines)
    for place, line in enumerate(lines_of(label), 1):
        weight = ' font-weight="bold"' if place <= numbers else ""
        # Whatever the font is: it fills the width, and never more.
        fit = f' textLength="{line.squeezed_mm:g}" lengthAdjust="spacingAndGlyphs"' if line.squeezed_mm else ""
        where = f'x="{x + TEXT_MM:g}" y="{y + PADDING_MM + place * LINE_MM:g}"'
        yield f"<text {where}{weight}{fit}>{escape(line.text)}</text>"
