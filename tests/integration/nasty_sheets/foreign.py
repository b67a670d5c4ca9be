"""Files that people take for a sheet: other programs' documents, pictures, archives, web pages."""

import gzip
from typing import Final

from tests.integration.nasty_sheets.case import Case, archive, text

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def _ole(*streams: str) -> bytes:
    """An old Office document, as far as its directory."""
    return _OLE + b"".join(f"{name}\0".encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *streams))


CASES: Final = (
    Case("old-binary-workbook", lambda: _ole("Workbook", "\x05SummaryInformation")),
    Case("workbook-with-a-password", lambda: _ole("EncryptionInfo", "EncryptedPackage")),
    Case("old-text-document", lambda: _ole("WordDocument")),
    Case("workbook-older-still", lambda: b"\x09\x08\x10\x00\x00\x06\x05\x00" + bytes(500)),
    Case(
        "open-document",
        lambda: archive({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}),
    ),
    Case("apple-numbers", lambda: archive({"Index/Document.iwa": b"\0", "Index/Tables/DataList.iwa": b"\0"})),
    Case("binary-workbook", lambda: archive({"[Content_Types].xml": "<Types/>", "xl/workbook.bin": b"\0"})),
    Case("text-document", lambda: archive({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w/>"})),
    Case("archive-with-a-csv", lambda: archive({"merchants.csv": "merchant_code,name\nN1,a\n"})),
    Case("empty-archive", lambda: archive({})),
    Case(
        "web-page-named-xls",
        text("<html><head><meta charset=gbk></head>", "<table><tr><td>N1</td></tr></table></html>"),
    ),
    Case("table-of-a-web-page", text("", "  <table border=1>", "<tr><td>merchant_code</td></tr></table>")),
    Case(
        "xml-spreadsheet-2003",
        text('<?xml version="1.0"?>', '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'),
    ),
    Case("other-xml", text('<?xml version="1.0"?>', "<merchants/>")),
    Case("pdf", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    Case("picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(100)),
    Case("gzip", lambda: gzip.compress(b"merchant_code,name\nN1,a\n", mtime=0)),
    Case("rar", lambda: b"Rar!\x1a\x07\x01\x00" + bytes(100)),
    Case("seven-zip", lambda: b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(100)),
    Case("symbolic-link-file", text("ID;PWXL;N;E", "C;Y1;X1;K0")),
)
