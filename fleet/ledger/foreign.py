"""Files that people take for a sheet and that are none: what each is, and how to get a sheet out of it. Pure."""

import re
from typing import Final

from fleet.errors import SheetError

_SAVE: Final = "Open it in a spreadsheet program, save it as “Excel workbook (.xlsx)” and import that."
_COPY: Final = "Copy its table into a spreadsheet, and save that as .xlsx."
_SIGNATURES: Final = (
    (b"PK\x05\x06", "an empty archive", "Import the workbook itself."),
    (b"PK\x07\x08", "an archive in several parts", "Unpack it and import the workbook itself."),
    (b"%PDF", "a PDF", "Ask for the spreadsheet that it was printed from."),
    (b"\x89PNG", "a picture", "Ask for the spreadsheet that it shows."),
    (b"\xff\xd8\xff", "a picture", "Ask for the spreadsheet that it shows."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it and import what is inside."),
    (b"Rar!", "a RAR archive", "Unpack it and import what is inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and import what is inside."),
    (b"\x09\x08\x10\x00", "an Excel workbook of the old binary format (.xls)", _SAVE),
    (b"{\\rtf", "a text document (RTF)", _COPY),
    (b"ID;P", "a symbolic link file (SYLK, .slk)", _SAVE),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?=[!?a-zA-Z])")
# Archives that are documents of another program, by a part that only they have.
_DOCUMENTS: Final = (
    (re.compile(r"content\.xml"), "an OpenDocument file (.ods)", _SAVE),
    (re.compile(r"Index\.zip|Index/.*\.iwa"), "a document of Apple Numbers", _SAVE),
    (re.compile(r"xl/workbook\.bin"), "a binary workbook (.xlsb)", _SAVE),
    (re.compile(r"word/document\.xml"), "a text document (.docx)", _COPY),
    (re.compile(r"ppt/presentation\.xml"), "a presentation (.pptx)", _COPY),
)


def refuse(content: bytes) -> None:
    """Raise SheetError when *content* is a file of another kind than CSV, as its first bytes tell."""
    if content.startswith(_OLE):
        raise SheetError(_old_office(content))
    if _XML.match(content):
        raise SheetError(_markup(content[:4096].lower()))
    for signature, what, remedy in _SIGNATURES:
        if content.startswith(signature):
            raise SheetError(f"the file is {what}. {remedy}")


def archive(names: list[str]) -> str:
    """What an archive of files *names* is that holds no workbook, and what to do."""
    for part, what, remedy in _DOCUMENTS:
        if any(part.fullmatch(name) for name in names):
            return f"the file is {what}. {remedy}"
    return "the file is an archive (ZIP). Unpack it and import the workbook or the CSV file inside."


def _old_office(content: bytes) -> str:
    # The names of the streams stand in the file's directory in UTF-16, wherever that is.
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "the workbook is protected by a password. Open it, take the password off, save it and import that."
    if any(f"{name}\0".encode("utf-16-le") in content for name in ("Workbook", "Book")):
        return f"the file is an Excel workbook of the old binary format (.xls). {_SAVE}"
    return f"the file is a document of an old Office format, and no workbook. {_COPY}"


def _markup(head: bytes) -> str:
    if b"schemas-microsoft-com:office:spreadsheet" in head:
        return f"the file is an “XML spreadsheet 2003”. {_SAVE}"
    if any(sign in head for sign in (b"<html", b"<table", b"<!doctype html", b"<meta", b"<body")):
        return f"the file is a web page (HTML), whatever its name says. {_SAVE}"
    return f"the file is XML. {_SAVE}"
