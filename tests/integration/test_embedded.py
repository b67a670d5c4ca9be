"""The embedded PostgreSQL and broker: started, stopped, killed, and started again."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.embedded import postgres, room
from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.postgres import EmbeddedPostgres
from store.errors import DatabaseError, TracefleetError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a cluster, made once: initdb takes seconds."""
    folder = tmp_path_factory.mktemp("embedded")
    postgres.prepare(folder, port=0)
    return folder


def _finish(process: "subprocess.Popen[bytes]", how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(20)


@contextmanager
def _running(server: EmbeddedPostgres, *, end: signal.Signals = signal.SIGINT) -> Iterator[int]:
    process = server.start()
    try:
        server.wait_ready(process)
        yield process.pid
    finally:
        _finish(process, end)


def _execute(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_second_start_finds_the_data_of_the_first(data_dir: Path) -> None:
    """With the same password, on the same port."""
    first = postgres.prepare(data_dir, port=0)
    with _running(first):
        _execute(first, "CREATE TABLE kept AS SELECT 7 AS number")
    second = postgres.prepare(data_dir, port=0)
    assert second == first
    with _running(second):
        assert _execute(second, "SELECT number FROM kept") == [(7,)]
    assert postgres.holder(data_dir) is None


def test_commits_survive_when_the_server_is_killed(data_dir: Path) -> None:
    """What was committed before kill -9 is there after the next start, which recovers by itself."""
    server = postgres.prepare(data_dir, port=0)
    with _running(server, end=signal.SIGKILL):
        _execute(server, "CREATE TABLE survivor AS SELECT 8 AS number")
    again = postgres.prepare(data_dir, port=0)
    with _running(again):
        assert _execute(again, "SELECT number FROM survivor") == [(8,)]


def test_the_port_moves_when_somebody_took_it(data_dir: Path) -> None:
    """A port nobody chose is kept where it is free, and another one taken where it is not."""
    kept = postgres.prepare(data_dir, port=0).port
    with socket.create_server(("127.0.0.1", kept)):
        moved = postgres.prepare(data_dir, port=0).port
    assert moved != kept
    assert postgres.prepare(data_dir, port=0).port == moved


def test_the_password_is_readable_by_its_owner_alone(data_dir: Path) -> None:
    """And never empty."""
    secret = data_dir / "postgres.json"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(secret.read_text(encoding="utf-8"))["password"]) >= 32


def test_a_wrong_password_is_refused(data_dir: Path) -> None:
    """The loopback is no proof of who somebody is."""
    server = postgres.prepare(data_dir, port=0)
    with _running(server), pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url.replace(server.password, "guess"), connect_timeout=5)


def test_a_server_that_a_killed_run_left_is_named(data_dir: Path) -> None:
    """The sentence holds the process and the command that ends it."""
    with _running(postgres.prepare(data_dir, port=0)) as pid:
        assert postgres.holder(data_dir) == pid
        with pytest.raises(DatabaseError, match=f"process {pid}.*kill -INT {pid}"):
            room.require_unheld(data_dir)
    room.require_unheld(data_dir)


def test_a_lock_file_of_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """A crash leaves postmaster.pid behind; PostgreSQL sees that itself, so it is no obstacle."""
    (tmp_path / "postgres").mkdir()
    ended = subprocess.Popen(["true"])  # noqa: S607 - wherever it is
    ended.wait(10)
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{ended.pid}\n/somewhere\n", encoding="utf-8")
    assert postgres.holder(tmp_path) is None


def test_an_interrupted_setup_is_done_again(tmp_path: Path) -> None:
    """What initdb left half made is no cluster."""
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n", encoding="utf-8")
    server = postgres.prepare(tmp_path, port=0)
    assert not (tmp_path / "postgres.new").exists()
    with _running(server):
        assert _execute(server, "SELECT 1") == [(1,)]


def test_the_end_of_the_log_is_shown_when_postgres_does_not_start(data_dir: Path) -> None:
    """Here somebody took the port after it was chosen."""
    server = postgres.prepare(data_dir, port=0)
    with socket.create_server(("127.0.0.1", server.port)):
        process = server.start()
        with pytest.raises(DatabaseError, match=r"(?s)did not start.*postgres\.log.*[Aa]ddress already in use"):
            server.wait_ready(process)
        process.wait(20)


def test_the_end_of_the_log_is_shown_when_the_broker_does_not_start(tmp_path: Path) -> None:
    """Here its storage is no folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = EmbeddedBroker(tmp_path / "broker", taken.getsockname()[1])
        taken.close()
        (tmp_path / "broker").mkdir()
        (tmp_path / "broker" / "jetstream").write_text("in the way", encoding="utf-8")
        process = broker.start()
        try:
            with pytest.raises(TracefleetError, match=r"(?s)broker did not start.*broker\.log.*storage directory"):
                broker.wait_ready(process)
        finally:
            _finish(process, signal.SIGKILL)


def test_the_data_folder_is_made_when_it_is_deep(tmp_path: Path, data_dir: Path) -> None:
    """Any depth, and a name with spaces and quotes of another language."""
    deep = tmp_path / "一 二" / "three four"
    shutil.copytree(data_dir, deep, copy_function=shutil.copy2)
    if os.geteuid() == 0:
        for path in (deep / "postgres", *(deep / "postgres").rglob("*")):
            shutil.chown(path, "tracefleet-postgres")
    server = postgres.prepare(deep, port=0)
    with _running(server):
        assert _execute(server, "SELECT 1") == [(1,)]
