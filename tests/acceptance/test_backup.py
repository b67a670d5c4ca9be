"""A database lost under load and brought back: what is in it, what the broker delivers, what is told as lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.backup import restoration, scripts
from deploy.backup.folder import BackupFolder
from deploy.embedded import postgres
from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.postgres import EmbeddedPostgres
from fleet.acting import Actor, acting
from fleet.audit import anchors
from fleet.audit.sealing import HEAD
from fleet.audit.verification import verify
from fleet.keys import Keys
from store.migrations import migrate
from store.peer import peer_of
from store.settings import Settings
from tests.conftest import end, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

DEVICES: Final = 5
LIMIT_SECONDS: Final = 60
ACCOUNT: Final = """
SELECT coalesce(sum(received), 0)::int, coalesce(sum(stored + duplicate + conflict + dead_lettered), 0)::int,
       coalesce(sum(stored), 0)::int
FROM ingest_stats WHERE stream = 'coldchain'
"""
PAGE: Final = Path(__file__).parents[2] / "deploy" / "BACKUP.md"
LEDGER: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES ('S', '冷库', 'Store', 'cold_store', '410100');
INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v');
INSERT INTO devices (device_no, model_id, site_id)
SELECT 'L-' || n, model_id, site_id FROM generate_series(0, 4) AS n, models, sites;
"""


def until(condition: Callable[[], object], *, what: str) -> None:
    """Return when *condition* holds; fail after a minute."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} s: {what}"
        time.sleep(0.05)


class Loggers:
    """Cold-chain loggers, each in one boot, whose every record is acknowledged by the broker before it counts."""

    def __init__(self, broker_url: str) -> None:
        self.acknowledged = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="loggers", clean_session=True)
        self._client.max_inflight_messages_set(50)
        peer = peer_of(broker_url)
        self._client.connect(peer.host, peer.port)
        self._client.loop_start()
        self._seq = 0

    def publish(self, rounds: int) -> None:
        """So many records of each device; returns when all are acknowledged."""
        for _ in range(rounds):
            at = datetime.now(UTC).isoformat()
            payload = '{"v":1,"boot":"b","seq":%d,"records":[{"at":"%s","temperature_c":2.5}]}' % (self._seq, at)  # noqa: UP031
            told = [
                self._client.publish(f"tracefleet/v1/L-{n}/coldchain", payload.encode(), qos=1) for n in range(DEVICES)
            ]
            self._seq += 1
            for one in told:
                one.wait_for_publish(LIMIT_SECONDS)
                assert one.is_published()
            self.acknowledged += DEVICES

    def stop(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


class Town:
    """A database with its archive, a broker, and ingest as a process."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.folder = folder
        self.port = free_port()
        self.broker = EmbeddedBroker(folder / "data" / "broker", free_port(), sync="2m")
        self.server: EmbeddedPostgres = postgres.prepare(folder / "data", port=self.port)
        self.settings = Settings(
            database_url=self.server.url,
            broker_url=self.broker.url,
            data_dir=folder / "data",
            backup_dir=folder / "backups",
            ingest_metrics_port=free_port(),
        )
        self.backups = BackupFolder.of(self.settings)

    def start_postgres(self) -> "subprocess.Popen[bytes]":
        """The database, ready."""
        self.server = postgres.prepare(self.settings.data_dir, port=self.port)
        process = self.server.start()
        self._stack.callback(end, process, signal.SIGINT)
        self.server.wait_ready(process)
        return process

    def start_archive(self) -> "subprocess.Popen[bytes]":
        """The stream of its log, under way."""
        self.backups.prepare()
        process = scripts.start_archive(self.backups, self.server, log=self.folder / "archive.log")
        self._stack.callback(end, process)
        until(lambda: self.one("SELECT count(*) FROM pg_stat_replication")[0] == 1, what="the archive streams")
        return process

    def start_broker(self) -> None:
        """The broker, ready."""
        process = self.broker.start()
        self._stack.callback(end, process)
        self.broker.wait_ready(process)

    def start_ingest(self) -> "subprocess.Popen[bytes]":
        """Ingest, subscribed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
        with (self.folder / "ingest.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "deploy.cli", "ingest"],
                env=clean
                | {
                    "TRACEFLEET_DATABASE_URL": self.server.url,
                    "TRACEFLEET_BROKER_URL": self.broker.url,
                    "TRACEFLEET_DATA_DIR": str(self.folder / "data"),
                    "TRACEFLEET_INGEST_METRICS_PORT": str(self.settings.ingest_metrics_port),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(end, process)
        until(lambda: self.one("SELECT count(*) FROM workers WHERE connected")[0] == 1, what="ingest has subscribed")
        return process

    def loggers(self) -> Loggers:
        """Devices that are connected."""
        made = Loggers(self.broker.url)
        self._stack.callback(made.stop)
        return made

    def one(self, query: str) -> tuple[Any, ...]:
        """The one row of a query."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row

    def now(self) -> datetime:
        """By the server's clock."""
        now: datetime = self.one("SELECT clock_timestamp()")[0]
        return now

    def missing(self) -> dict[str, int]:
        """What the page's query says is missing, by device."""
        query = PAGE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            return {str(device_no): int(str(missing)) for device_no, missing in connection.execute(query.encode())}

    def stored(self) -> int:
        """Rows of the stream."""
        return int(self.one("SELECT count(*) FROM coldchain")[0])

    def change_the_ledger(self, name: str) -> None:
        """A change of the ledger, sealed, and its head noted outside the database."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            keys = Keys.of(self.settings)
            with acting(connection, Actor("keeper", "test"), keys=keys):
                connection.execute("UPDATE sites SET name_en = %s", (name,))
            row: Any = connection.execute(HEAD).fetchone()
            anchors.append(anchors.file_of(self.settings), keys.key(connection, "audit"), row[0], bytes(row[1]))

    def audit_is_whole(self) -> bool:
        """Whether nothing is found."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            return verify(connection, Keys.of(self.settings), anchors.file_of(self.settings)).is_whole

    def lose_the_disk(self, process: "subprocess.Popen[bytes]", archive: "subprocess.Popen[bytes]") -> None:
        """The server dies at once, and its folder with it."""
        process.send_signal(signal.SIGQUIT)
        process.wait(20)
        end(archive)
        shutil.rmtree(self.settings.data_dir / "postgres")

    def end(self) -> None:
        """Whatever still runs."""
        self._stack.close()


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Everything but ingest, migrated, with five devices in its ledger."""
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        town.start_broker()
        yield town
    finally:
        town.end()


def _begin(town: Town) -> tuple["subprocess.Popen[bytes]", "subprocess.Popen[bytes]"]:
    process = town.start_postgres()
    migrate(town.settings)
    with psycopg.connect(town.server.url, autocommit=True) as connection:
        connection.execute(LEDGER.encode())
    return process, town.start_archive()


def test_database_is_restored_to_a_moment_and_what_came_after_is_told_as_lost(town: Town) -> None:
    """A base backup under load, a lost disk: the rows of the moment, a whole audit, and gaps for the rest."""
    process, archive = _begin(town)
    town.start_ingest()
    loggers = town.loggers()
    town.change_the_ledger("before")
    under_load = threading.Thread(target=loggers.publish, args=(60,))
    under_load.start()
    scripts.make_base(town.backups, town.server, keep=3)
    town.backups.keep_files(town.settings, with_key=False)
    under_load.join()
    loggers.publish(20)
    until(lambda: town.stored() == loggers.acknowledged, what="all rows before the moment")
    (base,) = town.backups.bases()
    # Its name is of the second after its end.
    until(lambda: town.now() > base.complete_at, what="a moment that the backup is good for")
    moment, kept = town.now(), loggers.acknowledged

    town.change_the_ledger("after")
    loggers.publish(15)
    until(lambda: town.stored() == loggers.acknowledged, what="all rows after the moment")
    given_up = loggers.acknowledged - kept
    town.lose_the_disk(process, archive)
    # Nobody can store these: the broker keeps them.
    loggers.publish(10)

    found, aside = restoration.restore(town.settings, town.backups, moment)
    assert aside is None
    assert found.last_commit_at is not None
    assert found.last_commit_at <= moment
    # The anchors know of the change that was given up, and say so; kept as evidence, new ones are begun.
    assert found.verdict is not None
    assert [finding.kind for finding in found.verdict.findings] == ["cut_tail"]
    noted = anchors.file_of(town.settings)
    noted.rename(noted.with_name("audit-anchors.before.jsonl"))

    town.start_postgres()
    until(lambda: town.stored() == loggers.acknowledged - given_up, what="what the broker kept is stored")
    town.start_archive()
    loggers.publish(5)
    until(lambda: town.stored() == loggers.acknowledged - given_up, what="ingest goes on")
    received, accounted, stored = town.one(ACCOUNT)
    assert received == accounted
    assert stored == town.stored()
    assert town.missing() == {f"L-{n}": given_up // DEVICES for n in range(DEVICES)}
    assert town.one("SELECT name_en FROM sites") == ("before",)
    town.change_the_ledger("again")
    assert town.audit_is_whole()
    # A second life is backed up like the first, beside it.
    scripts.make_base(town.backups, town.server, keep=1)
    assert {folder.name for folder in (town.backups.path / "wal").iterdir()} == {"00000001", "00000002"}


def test_nothing_is_lost_with_the_disk_when_commits_wait_for_the_archive(town: Town) -> None:
    """Killed in the middle of the load: restored to the end of the stream, the broker brings the rest."""
    process, archive = _begin(town)
    with psycopg.connect(town.server.maintenance_url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE tracefleet SET synchronous_commit = on")
    # In the file, since every start of the embedded server writes what ALTER SYSTEM would.
    with (town.settings.data_dir / "postgres" / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("synchronous_standby_names = 'tracefleet_archive'\n")
    town.one("SELECT pg_reload_conf()")
    until(lambda: town.one("SELECT sync_state FROM pg_stat_replication") == ("sync",), what="commits wait")
    scripts.make_base(town.backups, town.server, keep=3)
    town.backups.keep_files(town.settings, with_key=False)
    town.start_ingest()
    town.change_the_ledger("before")
    loggers = town.loggers()
    load = threading.Thread(target=loggers.publish, args=(200,))
    load.start()
    until(lambda: town.stored() > 200, what="rows")
    town.lose_the_disk(process, archive)
    load.join()

    found, _ = restoration.restore(town.settings, town.backups, None)
    assert found.verdict is not None
    assert found.verdict.is_whole
    town.start_postgres()
    town.start_archive()
    until(lambda: town.stored() == loggers.acknowledged == 200 * DEVICES, what="every record that was acknowledged")
    received, accounted, stored = town.one(ACCOUNT)
    assert received == accounted
    assert stored == 200 * DEVICES
    assert town.missing() == {}
    assert town.audit_is_whole()
