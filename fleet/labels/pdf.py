"""A sheet of labels as PDF: the codes as vectors, Chinese by a font that every reader brings along. Pure."""

import io
from collections.abc import Sequence
from typing import Final

from reportlab.lib.units import mm
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfgen.canvas import Canvas

from fleet.labels.label import QUIET_MODULES, Label, code_of
from fleet.labels.sheet import (
    CODE_MM,
    FONT_MM,
    LINE_MM,
    PADDING_MM,
    PAGE_HEIGHT_MM,
    PAGE_WIDTH_MM,
    TEXT_MM,
    TEXT_WIDTH_MM,
    lines_of,
    pages,
    places,
)

MEDIA_TYPE: Final = "application/pdf"
FONT: Final = "STSong-Light"


def sheet_pdf(labels: Sequence[Label], public_url: str) -> bytes:
    """All of them, 24 a page. The same labels give the same bytes."""
    registerFont(UnicodeCIDFont(FONT))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(PAGE_WIDTH_MM * mm, PAGE_HEIGHT_MM * mm), invariant=1, pageCompression=1)
    canvas.setTitle("tracefleet")
    for page in pages(labels):
        for label, x, y in places(page):
            _draw(canvas, label, public_url, x, y)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, label: Label, public_url: str, x: float, y: float) -> None:
    code = code_of(label.link(public_url))
    module = CODE_MM / (code.side + 2 * QUIET_MODULES)
    left, top = x + PADDING_MM + QUIET_MODULES * module, y + PADDING_MM + QUIET_MODULES * module
    path = canvas.beginPath()
    for row, column, length in code.runs:
        # PDF counts from the lower edge.
        lower = PAGE_HEIGHT_MM - (top + (row + 1) * module)
        path.rect((left + column * module) * mm, lower * mm, length * module * mm, module * mm)
    canvas.drawPath(path, stroke=0, fill=1)
    for place, line in enumerate(lines_of(label), 1):
        width_mm = stringWidth(line.text, FONT, FONT_MM)
        height = PAGE_HEIGHT_MM - (y + PADDING_MM + place * LINE_MM)
        written = canvas.beginText((x + TEXT_MM) * mm, height * mm)
        written.setFont(FONT, FONT_MM * mm)
        written.setHorizScale(100 * min(1.0, TEXT_WIDTH_MM / width_mm) if width_mm else 100)
        written.textOut(line.text)
        canvas.drawText(written)
