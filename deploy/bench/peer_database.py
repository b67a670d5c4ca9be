"""The two target tables of a run against the peer: ours, and one made like it, asked only what any reader may ask."""

from collections.abc import Mapping
from typing import Final, Literal

from psycopg import sql

from deploy.bench.database import Connection, fill
from deploy.bench.load import STREAM, Load

Side = Literal["ours", "peer"]
SIDES: Final[tuple[Side, ...]] = ("ours", "peer")
TABLE: Final = "bench_peer"
# The columns that a record of the load fills; the rest of the row is NULL on both sides.
FIELDS: Final = (
    "device_id", "at", "boot_id", "seq", "received_at", "clock_ahead",
    "temperature_c", "humidity_pct", "door_open", "battery_pct",
)  # fmt: skip
# What a record says of itself; the boot's number and the time of receipt are each side's own.
SAID: Final = ("device_id", "at", "seq", "clock_ahead", "temperature_c", "humidity_pct", "door_open", "battery_pct")
_TABLES: Final = {"ours": sql.Identifier(STREAM), "peer": sql.Identifier(TABLE)}
# The same columns, checks and indexes.
CREATE: Final = sql.SQL("CREATE TABLE {peer} (LIKE {ours} INCLUDING ALL)").format(**_TABLES)
EMPTY: Final = sql.SQL("TRUNCATE {peer}").format(**_TABLES)
# Private, since they name a table that only a run makes: the test of all queries cannot know it.
# Of how many devices the last row is there: by the unique index, as cheap with a million rows as with none.
_FINISHED: Final = """
SELECT count(*) FROM generate_series(1, %(devices)s::int4) AS d (device_id) CROSS JOIN LATERAL (
    SELECT FROM {} AS t
    WHERE t.device_id = d.device_id AND t.at = to_timestamp(%(epoch)s::int8) + %(seq)s * INTERVAL '1 millisecond'
    LIMIT 1
) AS t
"""
_STORED: Final = "SELECT count(*) FROM {} WHERE seq >= %(first)s AND seq < %(next)s"
SIZE: Final = "SELECT pg_relation_size(%(table)s)"
_DIFFERENT: Final = sql.SQL("""
SELECT count(*) FROM (
    SELECT {columns} FROM {ours} WHERE seq >= %(first)s AND seq < %(next)s
    EXCEPT SELECT {columns} FROM {peer} WHERE seq >= %(first)s AND seq < %(next)s
) AS d
""").format(columns=sql.SQL(", ").join(map(sql.Identifier, SAID)), **_TABLES)


def prepare(connection: Connection) -> None:
    """Make the peer's table, and have this connection read by the index, also before anybody analysed a table."""
    connection.execute(CREATE)
    connection.execute("SET enable_seqscan = off")


def begin(connection: Connection, side: Side, devices: int) -> None:
    """Empty that side's table, the other one stays; for ours, register *devices*, numbered from 1."""
    if side == "ours":
        fill(connection, devices)
    else:
        connection.execute(EMPTY)


def finished_devices(connection: Connection, side: Side, load: Load) -> int:
    """Of how many devices the last row of *load* is visible."""
    bounds = {"devices": load.devices, "epoch": load.epoch_seconds, "seq": load.next_seq - 1}
    return _count(connection, sql.SQL(_FINISHED).format(_TABLES[side]), bounds)


def size_bytes(connection: Connection, side: Side) -> int:
    """Of the table; while it grows, rows are on their way."""
    return _count(connection, sql.SQL(SIZE), {"table": _TABLES[side].as_string()})


def stored(connection: Connection, side: Side, load: Load) -> int:
    """How many rows of *load* are visible. Reads the whole table."""
    return _count(connection, sql.SQL(_STORED).format(_TABLES[side]), _span(load))


def different(connection: Connection, load: Load) -> int:
    """How many of our rows of *load* the peer does not have alike."""
    return _count(connection, _DIFFERENT, _span(load))


def _span(load: Load) -> dict[str, int]:
    return {"first": load.first_seq, "next": load.next_seq}


def _count(connection: Connection, query: sql.SQL | sql.Composed, bounds: Mapping[str, int | str]) -> int:
    # Planned anew each time: a plan made while the table was empty would stay for good.
    row = connection.execute(query, bounds, prepare=False).fetchone()
    return int(row[0]) if row else 0
