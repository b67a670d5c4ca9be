"""Workbooks as archives that are damaged, or made to do damage."""

import struct
import zlib
from collections.abc import Callable
from typing import Final

from tests.integration.nasty_sheets.case import (
    HEADER_XML,
    SHEET_PART,
    Case,
    archive,
    inline,
    parts_of,
    with_rows,
    workbook,
)

_GOOD: Final = workbook([["merchant_code", "name"], ["N1", "a"]])
_DTD: Final = (
    '<!DOCTYPE worksheet [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


def _changed(part: str, change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """A good workbook with one part changed."""

    def make() -> bytes:
        parts = parts_of(_GOOD())
        return archive(parts | {part: change(parts.get(part, b""))})

    return make


def _claiming(size: int) -> bytes:
    """A workbook that says of its sheet that it unpacks to *size* bytes, in both places where it can say so."""
    parts = parts_of(_GOOD())
    content = bytearray(archive(parts))
    name = SHEET_PART.encode()
    local = content.index(name) - 30
    central = content.rindex(name) - 46
    content[local + 22 : local + 26] = struct.pack("<I", size)
    content[central + 24 : central + 28] = struct.pack("<I", size)
    return bytes(content)


def _encrypted() -> bytes:
    content = bytearray(_GOOD())
    name = SHEET_PART.encode()
    for place in (content.index(name) - 30 + 6, content.rindex(name) - 46 + 8):
        content[place] |= 1
    return bytes(content)


def _bomb() -> bytes:
    blanks = " " * 100 * 1024 * 1024
    return with_rows(f"{HEADER_XML}{blanks}")()


def _lying_bomb() -> bytes:
    """32 MiB of blanks in a sheet that says it has 1,000 bytes."""
    content = bytearray(with_rows(HEADER_XML + " " * 32 * 1024 * 1024)())
    name = SHEET_PART.encode()
    local, central = content.index(name) - 30, content.rindex(name) - 46
    content[local + 22 : local + 26] = content[central + 24 : central + 28] = struct.pack("<I", 1000)
    return bytes(content)


def _lying_bomb_with_the_right_sum() -> bytes:
    """The same, with the checksum of those 1,000 bytes: a reader that believes it sees nothing wrong."""
    xml = parts_of(with_rows(HEADER_XML + " " * 32 * 1024 * 1024)())[SHEET_PART]
    content = bytearray(_lying_bomb())
    name = SHEET_PART.encode()
    local, central = content.index(name) - 30, content.rindex(name) - 46
    content[local + 14 : local + 18] = content[central + 16 : central + 20] = struct.pack("<I", zlib.crc32(xml[:1000]))
    return bytes(content)


def _flipped() -> bytes:
    """A workbook that a bad disk has touched, in the middle of its sheet."""
    content = bytearray(_GOOD())
    start = content.index(SHEET_PART.encode()) + 60
    content[start : start + 40] = bytes(byte ^ 0x55 for byte in content[start : start + 40])
    return bytes(content)


def _nested() -> bytes:
    inner = archive({"zeros": bytes(10 * 1024 * 1024)})
    return archive({f"{number}.zip": inner for number in range(16)})


def _letters(number: int) -> str:
    """The name of a column."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


CASES: Final = (
    Case("cut-off", lambda: _GOOD()[:-200]),
    Case("four-bytes-of-an-archive", lambda: b"PK\x03\x04"),
    Case("bytes-flipped", _flipped),
    Case("bomb-by-ratio", _bomb),
    Case("bomb-by-size", lambda: _claiming(600 * 1024 * 1024)),
    Case("bomb-that-lies", _lying_bomb),
    Case("bomb-that-lies-well", _lying_bomb_with_the_right_sum),
    Case("bomb-of-parts", lambda: archive(parts_of(_GOOD()) | {f"xl/media/{n}.png": b"" for n in range(2500)})),
    Case("bomb-in-an-archive", _nested),
    Case("archive-with-a-password", _encrypted),
    Case("entities-that-grow", _changed(SHEET_PART, lambda xml: _DTD.encode() + xml)),
    Case(
        "entity-of-a-file",
        _changed("xl/workbook.xml", lambda xml: b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + xml),
    ),
    Case("xml-in-utf-16", _changed(SHEET_PART, lambda xml: xml.decode().encode("utf-16"))),
    Case("xml-cut-off", _changed(SHEET_PART, lambda xml: xml[:-40])),
    Case("workbook-that-is-no-xml", _changed("xl/workbook.xml", lambda _: b"hello")),
    Case(
        "workbook-without-its-sheet", lambda: archive({k: v for k, v in parts_of(_GOOD()).items() if k != SHEET_PART})
    ),
    Case("values-from-other-files", _changed("xl/externalLinks/externalLink1.xml", lambda _: b"<externalLink/>")),
    Case(
        "cell-in-the-last-place-there-is", with_rows(HEADER_XML + f'<row r="1048576">{inline("XFD1048576", "x")}</row>')
    ),
    Case("cell-far-below", with_rows(HEADER_XML + f'<row r="900000">{inline("A900000", "x")}</row>')),
    Case("wide-and-long", with_rows(HEADER_XML + f'<row r="200000">{inline("IV200000", "x")}</row>')),
    Case("cells-without-a-place", with_rows(HEADER_XML + '<row r="2"><c><v>1</v></c><c><v>2</v></c></row>')),
    Case(
        "50000-columns-in-a-workbook",
        with_rows('<row r="1">' + "".join(inline(f"{_letters(n)}1", "x") for n in range(1, 50_001)) + "</row>"),
    ),
)
