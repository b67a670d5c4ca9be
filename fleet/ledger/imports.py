"""Sheets into the ledger: read, judge, and on request write, a handful of statements whatever the number of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection

from fleet.keys import Keys
from fleet.ledger.columns import Ledger, Reference
from fleet.ledger.consequences import with_consequences
from fleet.ledger.drafts import Held, draft_rows
from fleet.ledger.entries import read_held
from fleet.ledger.facts import load_facts
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.plan import Plan, plan
from fleet.ledger.report import Noun, Report
from fleet.ledger.rows import Known, Reading, columns_of, read_rows
from fleet.ledger.sheet import read_sheet
from fleet.ledger.table import Sheet
from fleet.ledger.writing import write
from fleet.sealing import Safe

Stage = Literal["reading", "checking", "writing"]
# Told of a stage, how much of it is done, and of how much.
Watch = Callable[[Stage, int, int], None]

# What a cell may say, and the key it means.
NAMES: Final[Mapping[Reference, LiteralString]] = {
    "regions": "SELECT DISTINCT region_code AS name, region_code AS key FROM regions",
    "sites": "SELECT site_no AS name, site_no AS key FROM sites",
    "merchants": "SELECT merchant_code AS name, merchant_code AS key FROM merchants",
    "parties": "SELECT party_no AS name, party_no AS key FROM parties",
    "models": "SELECT model_no AS name, model_no AS key FROM models",
    "devices": "SELECT device_no AS name, device_no AS key FROM devices",
    "kinds": "SELECT name, kind AS key FROM kinds, unnest(ARRAY[kind, name_zh, name_en]) AS name",
}
BECAUSE: Final = "SELECT acting_because()"
# One import at a time: what was compared is what is written over, and what was referred to is still there.
TAKE_TURNS: Final = """
LOCK TABLE regions, code_profiles, sites, site_closures, merchants, site_merchants, parties, models, registration_gates,
    devices, device_responsibilities, device_holds IN SHARE ROW EXCLUSIVE MODE
"""


@dataclass(slots=True)
class _Safes:
    """The safe of the installation, made when the first personal value needs it: most sheets hold none."""

    connection: Connection[Any]
    keys: Keys
    _safe: Safe | None = field(default=None)

    def __call__(self) -> Safe:
        if self._safe is None:
            self._safe = Safe.of(self.connection, self.keys)
        return self._safe

    def open(self, sealed: bytes) -> str:
        return self().open(sealed)


def import_sheet(
    connection: Connection[Any],
    noun: Noun,
    content: bytes,
    *,
    apply: bool,
    keys: Keys,
    watch: Watch = lambda *_: None,
) -> Report:
    """What the sheet in *content* does to the ledger; with *apply*, and no error in it, it is done.

    To be called within :func:`fleet.acting.acting` when it is to be applied. All or nothing. Readers and ingest go on
    meanwhile, another import waits. Raises SheetError when *content* is no sheet at all, KeyFileError when it holds
    personal data and the key is not there; whatever else is wrong with it is in the report.
    """
    watch("reading", 0, 0)
    return import_rows(connection, noun, read_sheet(content), apply=apply, keys=keys, watch=watch)


def import_rows(
    connection: Connection[Any],
    noun: Noun,
    sheet: Sheet,
    *,
    apply: bool,
    keys: Keys,
    emptied: frozenset[str] = frozenset(),
    watch: Watch = lambda *_: None,
) -> Report:
    """As :func:`import_sheet`, for a sheet that is read already. *emptied* columns of each row are to hold nothing."""
    ledger = LEDGERS[noun]
    safes = _Safes(connection, keys)
    with connection.transaction():
        if apply:
            connection.execute(TAKE_TURNS)
        reading = read_rows(sheet, ledger, _known(connection, sheet, ledger))
        if emptied:
            reading = replace(reading, rows=tuple(replace(row, emptied=emptied) for row in reading.rows))
        watch("checking", 0, len(sheet.rows))
        planned = _plan(connection, ledger, reading, safes, rows=len(sheet.rows))
        if not apply or not planned.report.is_good:
            return planned.report
        of = len(planned.drafts)
        watch("writing", 0, of)
        write(connection, ledger, planned.drafts, safes, lambda done: watch("writing", done, of))
    return replace(planned.report, applied=True)


def _known(connection: Connection[Any], sheet: Sheet, ledger: Ledger) -> Known:
    wanted = {column.refers_to for column in columns_of(sheet, ledger) if column.refers_to is not None}
    return {reference: dict(connection.execute(NAMES[reference]).fetchall()) for reference in wanted}


def _plan(connection: Connection[Any], ledger: Ledger, reading: Reading, safes: _Safes, *, rows: int) -> Plan:
    drafts = draft_rows(ledger, reading, _held(connection, ledger, reading), safes.open)
    facts = load_facts(connection, ledger.noun, drafts, safes.open)
    because = connection.execute(BECAUSE).fetchone()
    drafts = with_consequences(ledger.noun, drafts, facts.today, because[0] if because else None)
    return plan(ledger, reading.errors, drafts, facts, rows=rows)


def _held(connection: Connection[Any], ledger: Ledger, reading: Reading) -> Held:
    keys: Sequence[Any] = [row.values[ledger.key[0]] for row in reading.rows]
    return {ledger.key_of(entry): entry for entry in read_held(connection, ledger.noun, keys)}
