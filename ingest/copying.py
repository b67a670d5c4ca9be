"""The writing of rows: one binary COPY for each stream."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

from psycopg import AsyncConnection, sql

from ingest.rows import Portion, Row
from store.records import IDENTITY_COLUMNS, IDENTITY_TYPES, TELEMETRY


def _copy_statement(stream: str) -> bytes:
    columns = (*IDENTITY_COLUMNS, *TELEMETRY[stream].columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(stream), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    return statement.as_bytes()


COPY: Final[Mapping[str, bytes]] = {stream: _copy_statement(stream) for stream in TELEMETRY}


def by_stream(portions: Iterable[Portion]) -> dict[str, list[Portion]]:
    """Those of *portions* that have rows, near the order of the tables' unique index."""
    streams: dict[str, list[Portion]] = {}
    for portion in portions:
        if portion.count:
            streams.setdefault(portion.stream, []).append(portion)
    for own in streams.values():
        own.sort(key=lambda portion: (portion.device_id, portion.oldest_at))
    return streams


async def copy_rows(connection: AsyncConnection[Any], portions: Iterable[Portion]) -> None:
    """Write the rows of *portions*, a COPY for each stream that has any."""
    for stream, own in by_stream(portions).items():
        await copy_stream(connection, stream, chain.from_iterable(portion.stream_rows() for portion in own))


async def copy_stream(connection: AsyncConnection[Any], stream: str, rows: Iterable[Row]) -> None:
    """Write *rows* of one stream. Raises psycopg.Error, or what the driver says of a value it cannot send."""
    async with connection.cursor() as cursor, cursor.copy(COPY[stream]) as copy:
        copy.set_types([*IDENTITY_TYPES, *TELEMETRY[stream].types])
        # What `write_row` does, without a coroutine for each row: that costs more than the row does.
        blocks: Iterable[Any] = filter(None, map(copy.formatter.write_row, rows))
        for block in blocks:
            await copy.write(block)
