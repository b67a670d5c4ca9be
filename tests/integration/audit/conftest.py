"""A ledger that is changed as people change it, and the proof of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.audit.anchors import append
from fleet.audit.sealing import HEAD, seal
from fleet.audit.verification import Verdict, verify
from fleet.keys import Keys
from store.settings import Settings

Connection = psycopg.Connection[Any]
WANG = Actor("wang", "command line of office")


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """The key of the test's installation."""
    return Keys.of(settings)


@pytest.fixture
def anchor_file(tmp_path: Path) -> Path:
    """Where the heads are noted."""
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def change(connection: Connection, keys: Keys) -> Callable[..., None]:
    """Runs statements as Wang, for a reason, in one operation."""

    def changed(*statements: str, reason: str = "because") -> None:
        with acting(connection, WANG, keys=keys, reason=reason):
            for statement in statements:
                connection.execute(statement.encode())

    return changed


@pytest.fixture
def filled(change: Callable[..., None]) -> None:
    """Merchants M1 … M20, each a change of its own, sealed; what a migration wrote is sealed with the first."""
    for number in range(1, 21):
        change(f"INSERT INTO merchants (merchant_code, name) VALUES ('M{number}', 'x')")  # noqa: S608


@pytest.fixture
def check(connection: Connection, keys: Keys, anchor_file: Path) -> Callable[[], Verdict]:
    """Verifies."""
    return lambda: verify(connection, keys, anchor_file)


@pytest.fixture
def note_head(connection: Connection, keys: Keys, anchor_file: Path) -> Callable[[], int]:
    """Anchors the head; its number."""

    def noted() -> int:
        head = connection.execute(HEAD).fetchone()
        assert head is not None
        append(anchor_file, keys.key(connection, "audit"), head[0], bytes(head[1]))
        return int(head[0])

    return noted


@pytest.fixture
def tamper(connection: Connection) -> Callable[..., None]:
    """Runs statements as a superuser for whom no trigger fires."""

    def tampered(*statements: str) -> None:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())

    return tampered


@pytest.fixture
def seal_all(connection: Connection, keys: Keys) -> Callable[[], int]:
    """Seals what waits."""

    def sealed() -> int:
        with connection.transaction():
            return seal(connection, keys.key(connection, "audit"))

    return sealed
