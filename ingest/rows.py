"""Rows of the telemetry tables, ready for COPY, and the writing of them.

A row is a plain tuple in the order of the table's columns: a batch makes tens of thousands, and nothing else happens to
most of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec
from psycopg import AsyncConnection, sql

from ingest.batch import Telling
from ingest.boots import Boot
from store.records import IDENTITY_COLUMNS, IDENTITY_TYPES, TELEMETRY

Row: TypeAlias = tuple[Any, ...]

# Where things stand in a row.
DEVICE_ID, AT, BOOT_ID, SEQ, RECEIVED_AT, CLOCK_AHEAD = range(len(IDENTITY_COLUMNS))
FIELDS: Final = len(IDENTITY_COLUMNS)


class Portion(msgspec.Struct, gc=False):
    """What one message brings: the boot it belongs to, and the rows of it that are to be stored."""

    telling: Telling
    boot: Boot
    rows: list[Row]


def body_of(stream: str, fields: Sequence[object]) -> dict[str, object]:
    """A record as it is shown: its *fields*, in the order of the stream's columns, that have a value."""
    columns = TELEMETRY[stream].columns
    return {name: value for name, value in zip(columns, fields, strict=True) if value is not None}


def _copy_statement(stream: str) -> sql.Composed:
    columns = (*IDENTITY_COLUMNS, *TELEMETRY[stream].columns)
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(stream), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


COPY: Final[Mapping[str, sql.Composed]] = {stream: _copy_statement(stream) for stream in TELEMETRY}


def by_stream(portions: Iterable[Portion]) -> dict[str, list[Portion]]:
    """Those of *portions* that have rows, near the order of the tables' unique index."""
    streams: dict[str, list[Portion]] = {}
    for portion in portions:
        if portion.rows:
            streams.setdefault(portion.telling.stream, []).append(portion)
    for own in streams.values():
        own.sort(key=_first_key)
    return streams


def _first_key(portion: Portion) -> Row:
    return portion.rows[0][:2]


async def copy_rows(connection: AsyncConnection[Any], portions: Iterable[Portion]) -> None:
    """Write the rows of *portions*, a COPY for each stream that has any."""
    for stream, own in by_stream(portions).items():
        await copy_stream(connection, stream, chain.from_iterable(portion.rows for portion in own))


async def copy_stream(connection: AsyncConnection[Any], stream: str, rows: Iterable[Row]) -> None:
    """Write *rows* of one stream. Raises psycopg.Error, or what the driver says of a value it cannot send."""
    async with connection.cursor() as cursor, cursor.copy(COPY[stream]) as copy:
        copy.set_types([*IDENTITY_TYPES, *TELEMETRY[stream].types])
        for row in rows:
            await copy.write_row(row)
