"""The installation's key: made once, and never a second one beside it."""

from pathlib import Path

import psycopg
import pytest

from fleet.errors import KeyFileError
from fleet.keys import Keys, Purpose

Connection = psycopg.Connection[tuple[object, ...]]


def test_process_without_the_file_makes_no_second_key(connection: Connection, tmp_path: Path) -> None:
    """Not for a purpose that has none yet, either: no file would fit both then."""
    keys, other = Keys(tmp_path / "key"), Keys(tmp_path / "elsewhere" / "key")
    audit = keys.key(connection, "audit")
    with pytest.raises(KeyFileError):
        other.key(connection, "broker")
    assert not (tmp_path / "elsewhere" / "key").exists()
    assert keys.key(connection, "broker") != audit
    assert Keys(tmp_path / "key").key(connection, "audit") == audit


@pytest.mark.parametrize("purpose", ["audit", "personal"])
def test_other_key_is_refused_with_what_to_do(connection: Connection, tmp_path: Path, purpose: Purpose) -> None:
    """Instead of sealing what nobody can verify."""
    Keys(tmp_path / "key").key(connection, "audit")
    (tmp_path / "other").write_text("ab" * 32, encoding="ascii")
    with pytest.raises(KeyFileError, match="TRACEFLEET_KEY_FILE"):
        Keys(tmp_path / "other").key(connection, purpose)
