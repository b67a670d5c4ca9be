"""Rows of the telemetry tables, ready for COPY, and the writing of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection, sql

from store.records import IDENTITY_COLUMNS, IDENTITY_TYPES, TELEMETRY


@dataclass(frozen=True, slots=True)
class Row:
    """One record with its place: which device, when, which boot and number; and how it came."""

    stream: str
    device_id: int
    at: datetime
    boot_id: int
    seq: int
    received_at: datetime
    clock_ahead: bool
    fields: tuple[object, ...]
    # Where it came from, so that an outcome finds its way back: the place of its message in the batch.
    place: int
    record_index: int

    def values(self) -> tuple[object, ...]:
        """In the order of the table's columns."""
        return (self.device_id, self.at, self.boot_id, self.seq, self.received_at, self.clock_ahead, *self.fields)

    def body(self) -> dict[str, object]:
        """The record as it is shown: its fields that have a value."""
        columns = TELEMETRY[self.stream].columns
        return {name: value for name, value in zip(columns, self.fields, strict=True) if value is not None}


def _copy_statement(stream: str) -> sql.Composed:
    columns = (*IDENTITY_COLUMNS, *TELEMETRY[stream].columns)
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(stream), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


COPY: Final[Mapping[str, sql.Composed]] = {stream: _copy_statement(stream) for stream in TELEMETRY}


async def copy_rows(connection: AsyncConnection[Any], rows: Iterable[Row]) -> None:
    """Write *rows*, a COPY for each stream that has any, in the order of the tables' unique index."""
    by_stream: dict[str, list[Row]] = {}
    for row in rows:
        by_stream.setdefault(row.stream, []).append(row)
    for stream, own in by_stream.items():
        await _copy(connection, stream, sorted(own, key=lambda row: (row.device_id, row.at)))


async def _copy(connection: AsyncConnection[Any], stream: str, rows: Sequence[Row]) -> None:
    async with connection.cursor() as cursor, cursor.copy(COPY[stream]) as copy:
        copy.set_types([*IDENTITY_TYPES, *TELEMETRY[stream].types])
        for row in rows:
            await copy.write_row(row.values())
