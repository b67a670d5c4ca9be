"""The queries behind ``records``: a stream's rows or its buckets, a page at a time, in either order."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg import sql
from psycopg.rows import DictRow

from api.resolution import ROLLUPS, STEPS, STREAMS, Resolution, StreamName
from api.shapes import BUCKETS, Item, OfDevice, PresenceRecord, RawRecord
from api.span import Order
from store.records import TELEMETRY

DEVICE: Final = "SELECT device_id FROM devices WHERE device_no = %(device_no)s"
# Orders by the columns of the one unique index, so a page costs its rows, however long the span.
_RAW: Final = sql.SQL("""
SELECT r.at, r.boot_id, b.boot, r.seq, r.received_at, r.clock_ahead, {columns}
FROM {table} AS r JOIN boots AS b USING (boot_id)
WHERE r.device_id = %(device_id)s AND r.at >= %(from_at)s AND r.at < %(to_at)s
  AND (%(at)s::timestamptz IS NULL
       OR (r.at, r.boot_id, r.seq) {beyond} (%(at)s::timestamptz, %(boot_id)s::bigint, %(seq)s::bigint))
ORDER BY r.at {direction}, r.boot_id {direction}, r.seq {direction} LIMIT %(rows)s
""")
# Births and deaths have no sequence number; a birth stands before the death of its boot.
_PRESENCE: Final = sql.SQL("""
SELECT r.at, r.boot_id, b.boot, (r.state = 'offline')::int::bigint AS seq, r.state
FROM presence AS r JOIN boots AS b USING (boot_id)
WHERE r.device_id = %(device_id)s AND r.at >= %(from_at)s AND r.at < %(to_at)s
  AND (%(at)s::timestamptz IS NULL
       OR (r.at, r.boot_id, (r.state = 'offline')::int::bigint) {beyond}
          (%(at)s::timestamptz, %(boot_id)s::bigint, %(seq)s::bigint))
ORDER BY r.at {direction}, r.boot_id {direction}, seq {direction} LIMIT %(rows)s
""")
_BUCKETS: Final = sql.SQL("""
SELECT {columns} FROM {rollup}
WHERE device_id = %(device_id)s AND bucket_at >= %(from_at)s AND bucket_at < %(to_at)s
  AND (%(at)s::timestamptz IS NULL OR (bucket_at, {probe}) {beyond} (%(at)s::timestamptz, %(probe)s::text))
ORDER BY bucket_at {direction}, {probe} {direction} LIMIT %(rows)s
""")
_WAYS: Final[Mapping[Order, dict[str, sql.SQL]]] = {
    "asc": {"direction": sql.SQL("ASC"), "beyond": sql.SQL(">")},
    "desc": {"direction": sql.SQL("DESC"), "beyond": sql.SQL("<")},
}


def _raw(stream: StreamName, order: Order) -> sql.Composed:
    if stream == "presence":
        return _PRESENCE.format(**_WAYS[order])
    columns = sql.SQL(", ").join(sql.Identifier("r", name) for name in TELEMETRY[stream].columns)
    return _RAW.format(columns=columns, table=sql.Identifier(stream), **_WAYS[order])


def _rollup(stream: StreamName, resolution: Resolution, order: Order) -> sql.Composed:
    fields = [name for name in BUCKETS[stream].model_fields if name not in OfDevice.model_fields]
    return _BUCKETS.format(
        columns=sql.SQL(", ").join(map(sql.Identifier, fields)),
        rollup=sql.Identifier(f"{stream}_{resolution}"),
        probe=sql.Identifier("probe") if "probe" in fields else sql.SQL("''::text"),
        **_WAYS[order],
    )


# Every page there is: identifiers come from our own tables, never from a request.
PAGES: Final[Mapping[tuple[StreamName, Resolution, Order], sql.Composed]] = {
    **{(stream, "raw", order): _raw(stream, order) for stream in STREAMS for order in _WAYS},
    **{
        (stream, resolution, order): _rollup(stream, resolution, order)
        for stream, resolutions in ROLLUPS.items()
        for resolution in resolutions
        for order in _WAYS
    },
}


def item_of(stream: StreamName, resolution: Resolution, row: DictRow) -> Item:
    """The item that a row of such a page shows."""
    if resolution in STEPS:
        return BUCKETS[stream].model_validate(row)
    if stream == "presence":
        return PresenceRecord.model_validate(row)
    record: dict[str, Any] = {name: row[name] for name in TELEMETRY[stream].columns}
    return RawRecord(
        device_no=row.get("device_no"),
        at=row["at"],
        boot=row["boot"],
        seq=row["seq"],
        received_at=row["received_at"],
        clock_ahead=row["clock_ahead"],
        record=record,
    )
