"""Every table and roll-up has the same columns on plain PostgreSQL and on TimescaleDB."""

from pathlib import Path

import psycopg

Connection = psycopg.Connection[tuple[object, ...]]

# One column a line: relation, name, type. A migration that adds one adds it here.
EXPECTED = (Path(__file__).parent / "columns.txt").read_text(encoding="utf-8").splitlines()
COLUMNS = """
SELECT concat_ws(' ', table_name, column_name, CASE WHEN data_type = 'ARRAY' THEN udt_name ELSE data_type END)
FROM information_schema.columns WHERE table_schema = 'public'
ORDER BY table_name COLLATE "C", column_name COLLATE "C"
"""


def _columns(connection: Connection) -> list[object]:
    return [row[0] for row in connection.execute(COLUMNS)]


def test_columns_of_the_server_under_test(connection: Connection) -> None:
    """The embedded, plain PostgreSQL unless the suite is pointed at another server."""
    assert _columns(connection) == EXPECTED


def test_columns_on_timescale(timescale: Connection) -> None:
    """The same list."""
    assert _columns(timescale) == EXPECTED
