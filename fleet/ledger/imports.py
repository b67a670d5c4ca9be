"""Sheets into the ledger: read, compare, and on request write, a handful of statements whatever the number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.ledger.nouns import LEDGERS, Entry, Ledger, Reference
from fleet.ledger.plan import Held, plan
from fleet.ledger.report import Noun, Report, Value
from fleet.ledger.rows import Known, Reading, read_rows
from fleet.ledger.sheet import read_sheet

# What a cell may say, and the key it means.
NAMES: Final[Mapping[Reference, LiteralString]] = {
    "regions": "SELECT DISTINCT region_code AS name, region_code AS key FROM regions",
    "sites": "SELECT site_no AS name, site_no AS key FROM sites",
    "merchants": "SELECT merchant_code AS name, merchant_code AS key FROM merchants",
    "models": "SELECT model_no AS name, model_no AS key FROM models",
    "kinds": "SELECT name, kind AS key FROM kinds, unnest(ARRAY[kind, name_zh, name_en]) AS name",
}
# Entries as sheets show them, found by the first column of the key.
HELD: Final[Mapping[Noun, LiteralString]] = {
    "regions": """
        SELECT region_code, name_zh, name_en, parent_code, valid_from, valid_to
        FROM regions WHERE region_code = ANY(%(keys)s)""",
    "sites": "SELECT site_no, name_zh, name_en, kind, region_code FROM sites WHERE site_no = ANY(%(keys)s)",
    "merchants": "SELECT merchant_code, name FROM merchants WHERE merchant_code = ANY(%(keys)s)",
    "models": "SELECT model_no, kind, vendor FROM models WHERE model_no = ANY(%(keys)s)",
    "devices": """
        SELECT device_no, model_no, site_no, stall_no, merchant_code, state
        FROM devices JOIN models USING (model_id) JOIN sites USING (site_id) LEFT JOIN merchants USING (merchant_id)
        WHERE device_no = ANY(%(keys)s)""",
}
# Whole entries, one array a column.
WRITE: Final[Mapping[Noun, LiteralString]] = {
    "regions": """
        INSERT INTO regions (region_code, name_zh, name_en, parent_code, valid_from, valid_to)
        SELECT region_code, name_zh, name_en, parent_code, valid_from, valid_to
        FROM unnest(%(region_code)s::text[], %(name_zh)s::text[], %(name_en)s::text[], %(parent_code)s::text[],
                    %(valid_from)s::date[], %(valid_to)s::date[])
            AS entry (region_code, name_zh, name_en, parent_code, valid_from, valid_to)
        ON CONFLICT (region_code, valid_from) DO UPDATE SET
            name_zh = excluded.name_zh, name_en = excluded.name_en, parent_code = excluded.parent_code,
            valid_to = excluded.valid_to""",
    "sites": """
        INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)
        SELECT site_no, name_zh, name_en, kind, region_code
        FROM unnest(%(site_no)s::text[], %(name_zh)s::text[], %(name_en)s::text[], %(kind)s::text[],
                    %(region_code)s::text[]) AS entry (site_no, name_zh, name_en, kind, region_code)
        ON CONFLICT (site_no) DO UPDATE SET
            name_zh = excluded.name_zh, name_en = excluded.name_en, kind = excluded.kind,
            region_code = excluded.region_code, updated_at = now()""",
    "merchants": """
        INSERT INTO merchants (merchant_code, name)
        SELECT merchant_code, name
        FROM unnest(%(merchant_code)s::text[], %(name)s::text[]) AS entry (merchant_code, name)
        ON CONFLICT (merchant_code) DO UPDATE SET name = excluded.name, updated_at = now()""",
    "models": """
        INSERT INTO models (model_no, kind, vendor)
        SELECT model_no, kind, vendor
        FROM unnest(%(model_no)s::text[], %(kind)s::text[], %(vendor)s::text[]) AS entry (model_no, kind, vendor)
        ON CONFLICT (model_no) DO UPDATE SET kind = excluded.kind, vendor = excluded.vendor, updated_at = now()""",
    "devices": """
        INSERT INTO devices (device_no, model_id, site_id, merchant_id, stall_no, state)
        SELECT entry.device_no, models.model_id, sites.site_id, merchants.merchant_id, entry.stall_no, entry.state
        FROM unnest(%(device_no)s::text[], %(model_no)s::text[], %(site_no)s::text[], %(stall_no)s::text[],
                    %(merchant_code)s::text[], %(state)s::text[])
            AS entry (device_no, model_no, site_no, stall_no, merchant_code, state)
        JOIN models USING (model_no)
        JOIN sites USING (site_no)
        LEFT JOIN merchants USING (merchant_code)
        ON CONFLICT (device_no) DO UPDATE SET
            model_id = excluded.model_id, site_id = excluded.site_id, merchant_id = excluded.merchant_id,
            stall_no = excluded.stall_no, state = excluded.state, updated_at = now()""",
}
# One import at a time: what was compared is what is written over, and what was referred to is still there.
TAKE_TURNS: Final = "LOCK TABLE regions, sites, merchants, models, devices IN SHARE ROW EXCLUSIVE MODE"


def import_sheet(connection: Connection[Any], noun: Noun, content: bytes, *, apply: bool) -> Report:
    """What the sheet in *content* does to the ledger; with *apply*, and no error in it, it is done.

    All or nothing: in the caller's transaction when there is one, else in one of its own. Readers and ingest go on
    meanwhile, another import waits. Raises SheetError when *content* is no sheet at all; whatever else is wrong with
    it is in the report.
    """
    sheet = read_sheet(content)
    ledger = LEDGERS[noun]
    with connection.transaction():
        if apply:
            connection.execute(TAKE_TURNS)
        reading = read_rows(sheet, ledger, _known(connection, ledger))
        planned = plan(ledger, reading, _held(connection, ledger, reading), rows=len(sheet.rows))
        if not apply or not planned.report.is_good:
            return planned.report
        if planned.entries:
            _write(connection, ledger, planned.entries)
    return replace(planned.report, applied=True)


def _known(connection: Connection[Any], ledger: Ledger) -> Known:
    wanted = [column.refers_to for column in ledger.columns if column.refers_to is not None]
    return {reference: dict(connection.execute(NAMES[reference]).fetchall()) for reference in wanted}


def _held(connection: Connection[Any], ledger: Ledger, reading: Reading) -> Held:
    keys = [row.values[ledger.key[0]] for row in reading.rows]
    with connection.cursor(row_factory=dict_row) as cursor:
        entries: list[dict[str, Value | None]] = cursor.execute(HELD[ledger.noun], {"keys": keys}).fetchall()
    return {ledger.key_of(entry): entry for entry in entries}


def _write(connection: Connection[Any], ledger: Ledger, entries: Sequence[Entry]) -> None:
    arrays = {column.name: [entry[column.name] for entry in entries] for column in ledger.columns}
    connection.execute(WRITE[ledger.noun], arrays)
