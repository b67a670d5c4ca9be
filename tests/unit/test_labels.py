"""Labels: what stands on them, and that their codes are those of the links."""

import re
import zlib

import pytest
import segno

from fleet.labels.label import Label, code_of, cut, width_em
from fleet.labels.pdf import sheet_pdf
from fleet.labels.sheet import CODE_MM, FONT_MM, MOST_LINES, TEXT_WIDTH_MM, lines_of
from fleet.labels.svg import label_svg, sheet_svg

URL = "https://trace.example.cn/fleet/"
LABEL = Label("TD-410100-SC-000001-0", "追溯秤", "trace scale", "郑州建设路农贸市场", "Jianshe Road", "B001")
MODULE_MM_MIN = 0.4


def _dark(svg: str) -> set[tuple[int, int]]:
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", svg)
    return {(int(row), int(column) + step) for column, row, length in runs for step in range(int(length))}


def _modules(link: str) -> set[tuple[int, int]]:
    matrix = segno.make(link, error="m", micro=False).matrix
    return {(row, column) for row, modules in enumerate(matrix) for column, dark in enumerate(modules) if dark}


def test_code_of_a_label_is_that_of_its_link() -> None:
    """Module by module; the link has the device's number and nothing else of it."""
    link = LABEL.link(URL)
    assert link == "https://trace.example.cn/fleet/d/TD-410100-SC-000001-0"
    assert _dark(label_svg(LABEL, URL)) == _modules(link)


def test_modules_are_large_enough_for_a_telephone_when_the_link_is_long() -> None:
    """Of the longest number, at a long address."""
    code = code_of(Label("A" * 64, "", "", "", "", "").link(URL + "x" * 60))
    assert CODE_MM / (code.side + 8) >= MODULE_MM_MIN


def test_label_tells_what_people_need() -> None:
    """Number, kind in both languages, site and stall."""
    svg = label_svg(LABEL, URL)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert texts[0] == "TD-410100-SC-000001-0"
    assert texts[1:] == ["摊位 B001", "追溯秤 trace scale", "郑州建设路农贸市场", "Jianshe Road"]


def test_hostile_name_is_text() -> None:
    """It neither opens an element nor ends one."""
    svg = label_svg(Label("D-1", "秤", "s", "<script>alert(1)</script>", '"&', "B1"), URL)
    assert "<script" not in svg
    assert "&lt;script" in svg


@pytest.mark.parametrize(("line", "most", "kept"), [("abc", 2, "abc"), ("abcd", 2.4, "ab…"), ("市场市场", 3, "市场…")])
def test_long_line_is_cut_by_its_width(line: str, most: float, kept: str) -> None:
    """A Chinese character is as wide as it is high."""
    assert cut(line, most) == kept


@pytest.mark.parametrize("number", ["TD-410100-SC-000001-0", "W" * 64, "a1-_" * 16])
def test_number_is_never_cut_and_no_line_leaves_its_label(number: str) -> None:
    """In as many lines as it takes, squeezed where the font might be too wide."""
    label = Label(number, "追溯秤", "trace scale", "市场" * 40, "WWWW Market " * 20, "B001")
    svg = label_svg(label, URL)
    lines = lines_of(label)
    assert "".join(line.text for line in lines).startswith(number)
    assert len(lines) <= MOST_LINES
    for line in lines:
        assert line.squeezed_mm is not None or width_em(line.text) * FONT_MM <= TEXT_WIDTH_MM
    assert svg.count("textLength") == sum(line.squeezed_mm is not None for line in lines)


def test_sheet_has_24_labels_a_page() -> None:
    """As many pages as it takes, below each other in SVG."""
    labels = [Label(f"D-{number}", "秤", "scale", "市场", "Market", "") for number in range(49)]
    svg = sheet_svg(labels, URL)
    assert 'height="891mm"' in svg
    assert svg.count("<path") == 49
    assert len(re.findall(rb"/Type /Page\b", sheet_pdf(labels, URL))) == 3
    assert len(re.findall(rb"/Type /Page\b", sheet_pdf([], URL))) == 1


def test_same_labels_give_the_same_bytes() -> None:
    """A sheet that was printed once can be compared with the next."""
    assert sheet_pdf([LABEL], URL) == sheet_pdf([LABEL], URL)
    assert sheet_svg([LABEL], URL) == sheet_svg([LABEL], URL)


def test_pdf_draws_a_rectangle_for_each_run() -> None:
    """And nothing else is drawn."""
    content = sheet_pdf([LABEL], URL)
    import base64  # noqa: PLC0415 - the stream is written in it

    [stream] = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    drawn = zlib.decompress(base64.a85decode(stream.strip(), adobe=False) if b"~>" not in stream else _a85(stream))
    assert drawn.count(b" re") == len(code_of(LABEL.link(URL)).runs)


def _a85(stream: bytes) -> bytes:
    import base64  # noqa: PLC0415 - as above

    return base64.a85decode(b"<~" + stream.strip(), adobe=True)
