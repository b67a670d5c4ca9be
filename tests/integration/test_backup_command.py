"""``tracefleet backup`` as a person runs it beside and in place of ``tracefleet up``."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.embedded import postgres
from deploy.embedded.postgres import EmbeddedPostgres
from fleet.acting import Actor, acting
from fleet.keys import Keys
from store.migrations import migrate
from store.settings import Settings
from tests.conftest import end, free_port

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """The embedded server as ``up`` would run it, migrated, with a site in its ledger."""
    settings = Settings(data_dir=tmp_path / "data")
    made = postgres.prepare(settings.data_dir, port=free_port())
    process = made.start()
    try:
        made.wait_ready(process)
        migrate(Settings(database_url=made.url))
        _name_site(made, settings, "before")
        yield made
    finally:
        end(process, signal.SIGINT)


def _stop(data_dir: Path) -> None:
    os.kill(postgres.holder(data_dir) or 0, signal.SIGINT)
    deadline = time.monotonic() + 20
    while postgres.holder(data_dir) is not None:
        assert time.monotonic() < deadline, "the server did not stop"
        time.sleep(0.05)


def _name_site(server: EmbeddedPostgres, settings: Settings, name: str) -> None:
    with (
        psycopg.connect(server.url, autocommit=True) as connection,
        acting(connection, Actor("keeper", "test"), keys=Keys.of(settings)),
    ):
        connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
            " VALUES ('S', '冷库', %(name)s, 'cold_store', '410100')"
            " ON CONFLICT (site_no) DO UPDATE SET name_en = %(name)s",
            {"name": name},
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command on that folder."""

    def done(*words: str, **given: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
        ours = {"TRACEFLEET_DATA_DIR": str(tmp_path / "data"), "TRACEFLEET_BACKUP_DIR": str(tmp_path / "backups")}
        return subprocess.run(
            [sys.executable, "-P", "-m", "deploy.cli", "backup", *words],
            env=clean | ours | given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return done


def test_backup_is_made_tried_and_restored(server: EmbeddedPostgres, run: Run, tmp_path: Path) -> None:
    """Tried while the server runs; restored when it does not, and what was there stays beside it."""
    made = run("create")
    assert made.returncode == 0, made.stderr
    assert "every file checked" in made.stdout
    assert "tracefleet.key elsewhere" in made.stdout
    listed = json.loads(run("list", "--json").stdout)
    assert len(listed["bases"]) == 1

    tried = run("verify", "--json")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert json.loads(tried.stdout)["verdict"]["found"] == 0

    beyond = run("verify", "--until", "2099-01-01T00:00:00")
    assert beyond.returncode == 2
    assert "as far as asked" in beyond.stderr

    _name_site(server, Settings(data_dir=tmp_path / "data"), "after")
    refused = run("restore")
    assert refused.returncode == 2
    assert "still holds" in refused.stderr
    _stop(tmp_path / "data")

    restored = run("restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "The audit is whole" in restored.stdout
    aside = list((tmp_path / "data").glob("postgres.before-*"))
    assert len(aside) == 1
    again = postgres.prepare(tmp_path / "data", port=0)
    process = again.start()
    try:
        again.wait_ready(process)
        with psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT name_en FROM sites").fetchone() == ("before",)
    finally:
        end(process, signal.SIGINT)


def test_restore_needs_nothing_of_the_old_machine_but_the_key(
    server: EmbeddedPostgres, run: Run, tmp_path: Path
) -> None:
    """With it in the backup, all is in an empty data folder; without it, somebody is told to find it."""
    assert server.is_ready()
    assert run("create", "--with-key").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    restored = run("restore", TRACEFLEET_DATA_DIR=str(elsewhere))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert (elsewhere / "tracefleet.key").stat().st_mode & 0o777 == 0o600
    assert postgres.prepare(elsewhere, port=0).password == server.password

    (tmp_path / "backups" / "files" / "tracefleet.key").unlink()
    restored = run("restore", TRACEFLEET_DATA_DIR=str(tmp_path / "keyless"))
    assert restored.returncode == 1
    assert "could not be verified" in restored.stdout
    assert (tmp_path / "keyless" / "postgres").is_dir()


@pytest.mark.parametrize(
    ("words", "given", "sentence"),
    [
        (["create"], {}, "no `tracefleet up` runs"),
        (["list"], {"TRACEFLEET_BACKUP_DIR": ""}, "TRACEFLEET_BACKUP_DIR is not set"),
        (["restore", "--until", "yesterday"], {}, "is no time such as"),
        (["verify"], {}, "no base backup in"),
        (["restore"], {}, "no base backup in"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: list[str], given: dict[str, str], sentence: str) -> None:
    """In a sentence, exit status 2, and nothing is left behind."""
    done = run(*words, **given)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
