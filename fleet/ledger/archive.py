"""The parts of a workbook file, measured while they are unpacked: an archive may claim anything of itself. Pure."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from fleet.errors import SheetError
from fleet.ledger import foreign

MAX_PARTS: Final = 2_000
# A sheet of 200,000 rows and 60 columns takes half of it.
MAX_UNPACKED_BYTES: Final = 512 * 1024 * 1024
# Sheets pack to a tenth, very monotonous ones to a hundredth; bombs to a thousandth.
MAX_RATIO: Final = 200
RATIO_FROM_BYTES: Final = 8 * 1024 * 1024
# A part that is read as a whole: the list of sheets, where their files are, the styles.
MAX_SMALL_PART_BYTES: Final = 16 * 1024 * 1024

# What an entry of an archive's directory begins with.
_ENTRY: Final = b"PK\x01\x02"
_CHUNK_BYTES: Final = 1024 * 1024
_WORKBOOK: Final = "xl/workbook.xml"
_EXTERNAL: Final = re.compile(r"xl/externalLinks/[^/]+\.xml", re.IGNORECASE)
_DAMAGED: Final = (
    "the workbook is damaged or was cut off. Open it in a spreadsheet program, save it anew and import that."
)
# What zipfile raises on hostile bytes; the last three are for fields that contradict each other.
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Parts:
    """The parts of one workbook, by name. Everything read from here is within the limits; SheetError is raised else."""

    def __init__(self, content: bytes) -> None:
        # Before zipfile makes an object of each.
        _require_few(content.count(_ENTRY))
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except _BROKEN as error:
            raise SheetError(_DAMAGED) from error
        self._parts = {info.filename.replace("\\", "/"): info for info in self._archive.infolist()}
        _require_modest(self._archive.infolist(), len(content))
        _require_workbook(self._parts)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order of the file."""
        return tuple(self._parts)

    def small(self, name: str) -> bytes:
        """A part as a whole, one that no workbook needs to be large; empty when there is none of that name."""
        if name not in self._parts:
            return b""
        found = b"".join(self.chunks(name, limit=MAX_SMALL_PART_BYTES))
        if len(found) > MAX_SMALL_PART_BYTES:
            raise SheetError(f"a part of the workbook ({name}) is too large to be true. {_remedy()}")
        return found

    def chunks(self, name: str, *, limit: int | None = None) -> Iterator[bytes]:
        """A part of XML piece by piece, until more than *limit* bytes have come.

        zipfile stops at the size that the archive states, which was judged before, and compares the checksum.
        """
        read = 0
        try:
            with self._archive.open(self._parts[name]) as part:
                while chunk := part.read(_CHUNK_BYTES):
                    _require_plain(chunk)
                    yield chunk
                    read += len(chunk)
                    if limit is not None and read > limit:
                        return
        except _BROKEN as error:
            raise SheetError(_DAMAGED) from error


def damaged() -> SheetError:
    """What to say of a workbook that no reader understands."""
    return SheetError(_DAMAGED)


def _require_few(parts: int) -> None:
    if parts > MAX_PARTS:
        raise SheetError(f"the workbook has more than {MAX_PARTS} parts, which no workbook has. {_remedy()}")


def _require_modest(parts: list[zipfile.ZipInfo], packed: int) -> None:
    if any(part.flag_bits & 1 for part in parts):
        raise SheetError("the archive is encrypted. Unpack it with its password and import the workbook inside.")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED_BYTES:
        raise SheetError(
            f"the workbook unpacks to {unpacked / 1024 / 1024:.0f} MiB; {MAX_UNPACKED_BYTES // 1024 // 1024} are "
            f"accepted. {_remedy()}"
        )
    if unpacked > RATIO_FROM_BYTES and unpacked > packed * MAX_RATIO:
        raise SheetError(
            f"the workbook unpacks to more than {MAX_RATIO} times its size, which no sheet does. {_remedy()}"
        )


def _remedy() -> str:
    return "Copy the rows into a new workbook, save that and import it."


def _require_workbook(parts: dict[str, zipfile.ZipInfo]) -> None:
    if _WORKBOOK not in parts:
        raise SheetError(foreign.archive(list(parts)))
    if any(_EXTERNAL.fullmatch(name) for name in parts):
        raise SheetError(
            "the workbook takes values from other files (external links). Paste the cells as values into a new "
            "workbook, and import that."
        )


def _require_plain(chunk: bytes) -> None:
    """No workbook needs a document type: entities that grow, and files of this machine, are named in one."""
    if b"<!DOCTYPE" in chunk or b"<!ENTITY" in chunk:
        raise SheetError(f"the workbook declares a document type (DTD), which no spreadsheet program does. {_remedy()}")
    if b"\0" in chunk:
        raise SheetError(f"the XML of the workbook is not UTF-8. {_remedy()}")
