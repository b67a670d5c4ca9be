"""Bytes of a file to a table, by what they hold and not by the file's name. Pure, and knows nothing of the ledger."""

from typing import Final

from fleet.errors import SheetError
from fleet.ledger import foreign
from fleet.ledger.csv_sheet import read_csv
from fleet.ledger.table import Sheet
from fleet.ledger.xlsx_sheet import read_xlsx

# A sheet of 100,000 devices with every column filled takes half of it.
MAX_BYTES: Final = 64 * 1024 * 1024
_ZIP: Final = b"PK\x03\x04"


def read_sheet(content: bytes) -> Sheet:
    """The table in *content*, a workbook (XLSX) or a CSV file. Raises SheetError when it is neither."""
    if len(content) > MAX_BYTES:
        raise SheetError(
            f"the file has {len(content) / 1024 / 1024:.0f} MiB; {MAX_BYTES // 1024 // 1024} are accepted. "
            f"Split it, or save it as XLSX, which is smaller."
        )
    if content.startswith(_ZIP):
        return read_xlsx(content)
    foreign.refuse(content)
    return read_csv(content)
