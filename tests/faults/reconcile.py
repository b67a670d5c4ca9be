"""The reckoning after a fault, to the message: what was acknowledged to the devices against what the database holds."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg

from deploy.bench.load import PREFIX, Load
from tests.faults.devices import Devices
from tests.faults.tap import Acknowledgement

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

ROWS: Final = """
SELECT substr(d.device_no, %(prefix)s)::int4, c.seq FROM coldchain AS c JOIN devices AS d USING (device_id)
"""
COMMITS: Final = """
SELECT substr(d.device_no, %(prefix)s)::int4, c.seq, extract(epoch FROM pg_xact_commit_timestamp(c.xmin))::float8
FROM coldchain AS c JOIN devices AS d USING (device_id)
"""
LETTERS: Final = """
SELECT l.device_no, l.record_index, p.payload FROM dead_letters AS l JOIN dead_letter_payloads AS p USING (payload_id)
"""
ACCOUNT: Final = """
SELECT coalesce(sum(received), 0)::int8, coalesce(sum(stored), 0)::int8, coalesce(sum(duplicate), 0)::int8,
       coalesce(sum(conflict), 0)::int8, coalesce(sum(dead_lettered), 0)::int8
FROM ingest_stats WHERE stream = 'coldchain'
"""
# Guarantee 5: the newest record of each device is the latest one.
STALE: Final = """
SELECT count(*) FROM (SELECT device_id, max(seq) AS seq FROM coldchain GROUP BY device_id) AS c
LEFT JOIN latest AS l ON l.device_id = c.device_id AND l.stream = 'coldchain' WHERE l.seq IS DISTINCT FROM c.seq
"""
PAGE_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """What became of all records, from SQL."""

    received: int
    stored: int
    duplicates: int
    conflicts: int
    dead_lettered: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the database holds of a load: a mark for each record, and what does not belong there."""

    marks: bytearray
    rows: int
    doubled: int
    strange: int


def account(connection: Connection) -> Account:
    """The account so far."""
    return Account(*_one(connection, ACCOUNT))


def reconcile(connection: Connection, devices: Devices, *, dead_letters: int = 0) -> Account:
    """Fail unless everything acknowledged to *devices* is there once, and nothing else is; the account.

    *dead_letters* is how many records a fault may have made dead letters; they count as kept.
    """
    found = _found(connection, devices.load, devices.sent)
    books = account(connection)
    assert missing(devices, found) == []
    assert (found.doubled, found.strange) == (0, 0), "rows that stand twice; rows that nobody sent"
    assert books.received == books.stored + books.duplicates + books.conflicts + books.dead_lettered
    assert (books.stored, books.conflicts, books.dead_lettered) == (found.rows, 0, dead_letters)
    assert _one(connection, STALE) == (0,), "devices whose latest value is not their newest record"
    return books


def lost(connection: Connection, devices: Devices) -> list[tuple[int, int]]:
    """Device and first seq of the messages that were acknowledged to *devices* and are not there whole."""
    return missing(devices, _found(connection, devices.load, devices.sent))


def missing(devices: Devices, found: Found) -> list[tuple[int, int]]:
    """The same, from what was found."""
    each = devices.load.records_per_message
    gone = (
        message
        for message in range(devices.sent)
        if devices.was_acknowledged(message) and 0 in found.marks[message * each : (message + 1) * each]
    )
    return [(devices.load.device_of(message), devices.load.seq_of(message)) for message in gone]


def after_commit_seconds(connection: Connection, acknowledgements: Iterable[Acknowledgement]) -> list[float]:
    """How long after the commit of its message's first record each acknowledgement was sent: negative is too early.

    Needs ``track_commit_timestamp``. A message that was never stored counts as endlessly early; one that was stored
    before, and comes again as a duplicate, is acknowledged late.
    """
    query = connection.execute(COMMITS, {"prefix": len(PREFIX) + 1})
    committed = {(device, seq): at for device, seq, at in query}
    never = float("inf")
    return [told.at - committed.get((told.device, told.seq), never) for told in acknowledgements]


def _found(connection: Connection, load: Load, sent: int) -> Found:
    each = load.records_per_message
    marks = bytearray(sent * each)
    rows = doubled = strange = 0
    with connection.transaction(), connection.cursor(name=f"rows_{time.monotonic_ns()}") as cursor:
        cursor.itersize = PAGE_ROWS
        cursor.execute(ROWS, {"prefix": len(PREFIX) + 1})
        for device, seq in cursor:
            place = load.message_of(device, seq) * each + (seq - load.first_seq) % each
            rows += 1
            if not 0 <= place < len(marks):
                strange += 1
            else:
                doubled += marks[place]
                marks[place] = 1
    for device_no, index, payload in connection.execute(LETTERS):
        first = load.message_of(int(device_no.removeprefix(PREFIX)), json.loads(payload)["seq"]) * each
        for place in range(first, first + each) if index < 0 else (first + index,):
            marks[place] = 1
    return Found(marks, rows, doubled, strange)


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row
