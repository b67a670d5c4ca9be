"""``tracefleet up`` as a person runs it: a real process, started, used, hurt and stopped."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from deploy.mqtt_probe import refusal_of
from tests.conftest import free_ports

pytestmark = [pytest.mark.acceptance]

START_SECONDS = 60.0
ROWS_SECONDS = 20.0
STOP_SECONDS = 10.0
STREAMS = ("weighing", "scan", "coldchain", "status", "presence")
ROWS = " UNION ALL ".join(f"SELECT '{stream}', count(*) FROM {stream}" for stream in STREAMS).encode()  # noqa: S608
# One in a hundred sleeps at the start, and the spare is played by nobody.
LET_IN = """
SELECT count(DISTINCT device_id) >= 18 FROM device_accesses JOIN credentials USING (device_id)
WHERE note = 'tracefleet simulate'
"""
PORTS = ("API_PORT", "INGEST_METRICS_PORT", "FLEET_METRICS_PORT", "POSTGRES_PORT")


def until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Return when *condition* holds; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Up:
    """A place to run ``tracefleet up`` in, with free ports; and the one that runs there now."""

    folder: Path
    variables: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    family: list[psutil.Process] = field(default_factory=list)

    @property
    def runtime(self) -> Path:
        """The file that says where everything is."""
        return self.folder / "data" / "runtime.json"

    @property
    def output(self) -> str:
        """Both its outputs so far."""
        return (self.folder / "output").read_text(encoding="utf-8")

    @property
    def written(self) -> dict[str, Any]:
        """What the runtime file says."""
        content: dict[str, Any] = json.loads(self.runtime.read_text(encoding="utf-8"))
        return content

    def launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start it, and wait for nothing."""
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "deploy.cli", "up", *arguments],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start(self, *arguments: str) -> None:
        """Launch, and wait for the end of the set-up."""
        process = self.launch(*arguments)
        until(
            lambda: process.poll() is not None or "Ctrl-C" in self.output,
            seconds=START_SECONDS,
            what="the set-up's end",
        )
        assert process.poll() is None, self.output
        self.family = psutil.Process(process.pid).children(recursive=True)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """The exit status after *how*; nothing may stay."""
        assert self.process is not None
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        status = self.process.wait(STOP_SECONDS)
        assert [process for process in self.family if is_alive(process)] == []
        assert not self.runtime.exists()
        assert list((self.folder / "data").glob("*.lock")) == []
        assert list((self.folder / "data").rglob("postmaster.pid")) == []
        return status

    def child(self, command: str) -> psutil.Process:
        """The service that runs *command*."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            if process.cmdline()[-1:] == [command]:
                return process
        raise LookupError(command)

    def rows(self) -> dict[str, int]:
        """Rows of each stream."""
        with psycopg.connect(self.written["database_url"]) as connection:
            found = connection.execute(ROWS).fetchall()
        return {str(stream): int(count) for stream, count in found}

    def kill_everything(self) -> None:
        """Whatever a failed test left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.family += psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            self.process.wait(10)
        for process in self.family:
            if is_alive(process):
                process.kill()


def _place(folder: Path) -> Up:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    broker, *ports = free_ports(len(PORTS) + 1)
    ours = {f"TRACEFLEET_{name}": str(port) for name, port in zip(PORTS, ports, strict=True)}
    ours |= {
        "TRACEFLEET_DATA_DIR": str(folder / "data"),
        "TRACEFLEET_BROKER_URL": f"mqtt://127.0.0.1:{broker}",
        # Nobody pulls the plug here; safe flushing is the broker's business, and slow.
        "TRACEFLEET_EMBEDDED_SYNC": "2m",
        "TRACEFLEET_BACKUP_DIR": str(folder / "backups"),
    }
    return Up(folder, clean | ours)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Up]:
    """An empty folder of the test's own."""
    up = _place(tmp_path)
    yield up
    up.kill_everything()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A system with simulated devices, for the tests that only use it."""
    up = _place(tmp_path_factory.mktemp("up"))
    up.start("--simulate", "20")
    yield up
    up.kill_everything()


def test_rows_of_every_stream_come_when_devices_are_simulated(running: Up) -> None:
    """All five upward streams, within 20 s of the set-up's end."""
    until(lambda: all(running.rows().values()), seconds=ROWS_SECONDS, what="rows of all five streams")


def test_log_is_streamed_to_the_backups(running: Up) -> None:
    """From the first start on: what is committed is there before anybody makes a backup."""
    with psycopg.connect(running.written["database_url"], autocommit=True) as connection:
        flushed = (
            "SELECT flush_lsn >= %s::pg_lsn FROM pg_stat_replication WHERE application_name = 'tracefleet_archive'"
        )
        (now,) = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or (None,)
        until(
            lambda: connection.execute(flushed, (now,)).fetchone() == (True,),
            seconds=ROWS_SECONDS,
            what="the log there",
        )
    assert len(list((running.folder / "backups" / "wal").iterdir())) == 1


def test_runtime_file_says_where_everything_is(running: Up) -> None:
    """To its owner alone, and true: each of the URLs answers."""
    assert running.process is not None
    assert running.runtime.stat().st_mode & 0o777 == 0o600
    written = running.written
    assert set(written) == {"database_url", "broker_url", "nats_url", "api_url", "metrics_urls", "pid"}
    assert written["pid"] == running.process.pid
    assert set(written["metrics_urls"]) == {"ingest", "fleet", "api"}
    for url in (*written["metrics_urls"].values(), f"{written['api_url']}/livez"):
        assert httpx.get(url, timeout=5).status_code == 200


def test_output_is_plain_lines_that_name_everything(running: Up) -> None:
    """In both languages, without a password and without a terminal's colours where there is none."""
    written = running.written
    for expected in (
        written["api_url"],
        f"mqtt://127.0.0.1:{urlsplit(written['broker_url']).port}",
        *written["metrics_urls"].values(),
        "系统已启动",
        "Ctrl-C",
    ):
        assert expected in running.output
    for url in ("database_url", "broker_url", "nats_url"):
        assert urlsplit(written[url]).password not in running.output
    assert "\x1b" not in running.output


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not installed on this machine")
def test_printed_commands_publish_a_reading_and_show_it(running: Up) -> None:
    """What the screen tells a newcomer to type works: mosquitto_pub in, and over HTTP out again within a second."""
    publish = re.search(r"mosquitto_pub .*", running.output)
    key = re.search(r"KEY=\$\(tracefleet (keys create .*)\)", running.output)
    read = re.search(r"curl -s -H \S+ \S+ \S+ (\S+/latest)", running.output)
    assert publish is not None
    assert key is not None
    assert read is not None
    make_key = f"{sys.executable} -P -m deploy.cli {key[1]}"
    made = subprocess.run(
        ["bash", "-c", make_key],  # noqa: S607 - as below
        cwd=running.folder,
        env=running.variables,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    shown = {"Authorization": f"Bearer {made.stdout.strip()}"}
    subprocess.run(["bash", "-c", publish[0]], check=True, timeout=10)  # noqa: S607 - the printed line needs a shell

    address = read[1]

    def comes_back() -> bool:
        return b'"temperature_c":2.1' in httpx.get(address, headers=shown, timeout=5).content.replace(b" ", b"")

    until(comes_back, seconds=1, what="the reading over HTTP")


def test_command_beside_it_finds_its_database(running: Up) -> None:
    """In the same data folder, no URL need be set."""
    variables = {name: value for name, value in running.variables.items() if name != "TRACEFLEET_BROKER_URL"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli", "doctor", "--json"],
        cwd=running.folder,
        env=variables,
        capture_output=True,
        check=False,
    )
    verdicts = {check["what"]: check["verdict"] for check in json.loads(done.stdout)}
    assert "problem" not in verdicts.values()
    assert verdicts["database"] == verdicts["broker"] == verdicts["logins"] == "ok"


def test_simulated_devices_log_in_as_themselves(running: Up) -> None:
    """Each with its own credential; nobody else gets in, nor in another's name."""
    with psycopg.connect(running.written["database_url"]) as connection:

        def all_were_let_in() -> bool:
            return connection.execute(LET_IN).fetchone() == (True,)

        until(all_were_let_in, seconds=ROWS_SECONDS, what="an access of every device that is awake")
        assert connection.execute("SELECT count(*) FROM refused_accesses").fetchone() == (0,)
    port = urlsplit(running.written["broker_url"]).port
    assert refusal_of(f"mqtt://127.0.0.1:{port}") is not None
    assert refusal_of(f"mqtt://TD-410100-SC-000001-0:guessed@127.0.0.1:{port}") is not None


def test_secrets_of_the_broker_are_their_owners(running: Up) -> None:
    """In files that nobody else can read, from the first byte."""
    for name in ("access.json", "nats.conf"):
        assert (running.folder / "data" / "broker" / name).stat().st_mode & 0o777 == 0o600
    output = running.output + "".join(
        log.read_text(encoding="utf-8") for log in (running.folder / "data" / "logs").glob("*.log")
    )
    for url in ("broker_url", "nats_url"):
        assert urlsplit(running.written[url]).password not in output


def test_another_up_in_the_same_folder_is_refused(running: Up) -> None:
    """Before it touches anything, with the process that runs there."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli", "up"],
        cwd=running.folder,
        env=running.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"another `tracefleet up` (process {running.written['pid']})" in done.stderr
    assert running.runtime.exists()


def test_ingest_is_started_again_when_it_is_killed(running: Up) -> None:
    """And stores what was sent meanwhile and after."""
    killed = running.child("ingest")
    killed.kill()

    def is_back() -> bool:
        try:
            return running.child("ingest").pid != killed.pid
        except (LookupError, psutil.NoSuchProcess):
            return False

    until(is_back, seconds=START_SECONDS, what="another ingest")
    before = running.rows()
    until(lambda: sum(running.rows().values()) > sum(before.values()), seconds=START_SECONDS, what="more rows")
    until(lambda: "child_restarted" in running.output, seconds=START_SECONDS, what="the word that it is back")
    assert running.output.count("child_died") == running.output.count("child_restarted") == 1


def test_ctrl_c_stops_everything_and_a_second_start_finds_the_data(place: Up) -> None:
    """Within 10 s, exit status 0, nothing left behind; and yesterday's rows are there."""
    place.start("--simulate", "20")
    until(lambda: all(place.rows().values()), seconds=ROWS_SECONDS, what="rows of all five streams")
    before = place.rows()
    assert place.stop(signal.SIGINT) == 0
    place.start()
    after = place.rows()
    assert all(after[stream] >= before[stream] for stream in STREAMS)
    assert place.stop(signal.SIGTERM) == 0


def test_second_start_keeps_what_was_changed_in_the_ledger(place: Up) -> None:
    """The city is there: nothing of it is written again. A larger one is imported."""
    place.start("--simulate", "5")
    with psycopg.connect(place.written["database_url"]) as connection:
        connection.execute("UPDATE devices SET state = 'suspended' WHERE device_no = 'TD-410100-SC-000001-0'")
    assert place.stop() == 0
    place.start("--simulate", "5")
    log = place.folder / "data" / "logs" / "simulate.log"
    until(
        lambda: "nothing was written" in log.read_text(encoding="utf-8"), seconds=START_SECONDS, what="the word of it"
    )
    with psycopg.connect(place.written["database_url"]) as connection:
        found = connection.execute("SELECT device_no FROM devices WHERE state = 'suspended'").fetchall()
    assert found == [("TD-410100-SC-000001-0",)]
    assert place.stop() == 0
    place.start("--simulate", "9")
    with psycopg.connect(place.written["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM devices").fetchone() == (10,)
    assert place.stop() == 0


def test_ctrl_c_during_the_set_up_leaves_nothing(place: Up) -> None:
    """However early it comes, it is a normal end."""
    process = place.launch("--simulate", "20")
    until((place.folder / "data" / "postgres").exists, seconds=START_SECONDS, what="a cluster")
    assert place.stop(signal.SIGINT) == 0, place.output
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a child die with its parent")
def test_nothing_survives_a_kill_and_the_next_start_recovers(place: Up) -> None:
    """Kill -9 of `up` itself: its children end, and a start right after waits for them."""
    place.start()
    first = place.family
    with psycopg.connect(place.written["database_url"], autocommit=True) as connection:
        connection.execute("CREATE TABLE survivor AS SELECT 1 AS number")
    assert place.process is not None
    place.process.kill()
    place.process.wait(10)
    assert place.runtime.exists()
    place.start()
    assert [process for process in first if is_alive(process)] == []
    with psycopg.connect(place.written["database_url"]) as connection:
        assert connection.execute("SELECT number FROM survivor").fetchone() == (1,)
    assert place.stop() == 0


@pytest.mark.parametrize("setting", [*PORTS, "BROKER_URL"])
def test_taken_port_is_refused_before_anything_starts(place: Up, setting: str) -> None:
    """The port, who may have it, and the setting that chooses another one."""
    value = place.variables[f"TRACEFLEET_{setting}"]
    port = int(value.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        status = place.launch().wait(START_SECONDS)
    assert status == 2
    sentence = rf"port {port} on 127\.0\.0\.1, for .*, is taken, perhaps by .*TRACEFLEET_{setting}"
    assert re.search(sentence, place.output)
    assert "Traceback" not in place.output
    assert list((place.folder / "data").iterdir()) == []


def test_all_taken_ports_are_told_at_once(place: Up) -> None:
    """A line each, so that nobody has to start three times to learn of three."""
    names = ("API_PORT", "POSTGRES_PORT", "FLEET_METRICS_PORT")
    ports = {name: int(place.variables[f"TRACEFLEET_{name}"]) for name in names}
    with ExitStack() as stack:
        for port in ports.values():
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        assert place.launch().wait(START_SECONDS) == 2
    lines = place.output.splitlines()
    assert len(lines) == len(ports)
    for name, port in ports.items():
        assert [line for line in lines if line.startswith(f"port {port} ") and f"TRACEFLEET_{name}" in line]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TRACEFLEET_DATABASE_URL", "postgresql://db/x", "runs a PostgreSQL of its own"),
        ("TRACEFLEET_BROKER_URL", "mqtts://broker.example:8883", "runs one of its own"),
        ("TRACEFLEET_NATS_URL", "nats://broker.example:4222", "runs a broker of its own"),
        ("TRACEFLEET_API_PORT", "eighty", "TRACEFLEET_API_PORT='eighty': Input should be a valid integer"),
    ],
)
def test_settings_it_cannot_follow_are_refused(place: Up, variable: str, value: str, sentence: str) -> None:
    """Rather than ignored: the operator meant something by them."""
    place.variables[variable] = value
    assert place.launch().wait(START_SECONDS) == 2
    assert sentence in place.output
    assert "Traceback" not in place.output
