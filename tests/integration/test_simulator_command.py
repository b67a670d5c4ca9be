"""``tracefleet simulate`` as a process: how it ends, what it prints, and what it refuses."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson

from deploy.simulator.city import build
from deploy.simulator.ledger import sheets

LIMIT_SECONDS = 60
COMMAND = [sys.executable, "-m", "deploy.cli", "simulate"]
ROOT = Path(__file__).parents[2]


def environment(broker_url: str, folder: Path) -> dict[str, str]:
    """Ours without settings, with a broker."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    return bare | {
        "TRACEFLEET_BROKER_URL": broker_url,
        "TRACEFLEET_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
    }


def refused(broker_url: str, folder: Path, *options: str, **variables: str) -> str:
    """What a run that must end with status 2 writes to standard error."""
    done = subprocess.run(
        [*COMMAND, *options],
        env=environment(broker_url, folder) | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_simulate_when_interrupted_prints_its_account(broker_url: str, tmp_path: Path) -> None:
    """SIGINT is a normal end: status 0, one JSON object on standard output, the same in the file."""
    kept = tmp_path / "tally.json"
    process = subprocess.Popen(
        [*COMMAND, "--devices", "10", "--rate", "50", "--seed", "7", "--no-seed", "--tally", str(kept)],
        env=environment(broker_url, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (kept.exists() and orjson.loads(kept.read_bytes())["acknowledged_records"]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in errors
    told = orjson.loads(output)
    assert told == orjson.loads(kept.read_bytes())
    assert (told["devices"], told["seed"], told["unacknowledged_messages"]) == (10, 7, 0)


def test_simulate_writes_the_ledger_it_is_asked_for(tmp_path: Path) -> None:
    """The sheets of the city, and nothing is simulated: no broker is needed."""
    subprocess.run(
        [*COMMAND, "--devices", "20", "--seed", "7", "--ledger", str(tmp_path / "city")],
        env=environment("mqtt://127.0.0.1:1", tmp_path),
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=LIMIT_SECONDS,
    )
    written = {path.stem: path.read_bytes() for path in (tmp_path / "city").iterdir()}
    assert written == sheets(build(20, 7))


def test_simulate_when_the_ledger_cannot_be_written_says_so(tmp_path: Path) -> None:
    """With the path and what to do."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "city"):
        assert f"cannot be written to {path}: " in refused("mqtt://127.0.0.1:1", tmp_path, "--ledger", str(path))


def test_simulate_says_what_it_wrote_and_refuses_another_city(
    broker_url: str, tmp_path: Path, database_url: str
) -> None:
    """On standard error, for the account has standard output."""
    done = subprocess.run(
        [*COMMAND, "--devices", "5", "--seed", "7", "--seconds", "0"],
        env=environment(broker_url, tmp_path) | {"TRACEFLEET_DATABASE_URL": database_url},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert "6 new and 0 changed devices" in done.stderr
    assert orjson.loads(done.stdout)["devices"] == 5
    told = refused(broker_url, tmp_path, "--devices", "9", TRACEFLEET_DATABASE_URL=database_url)
    assert "holds 6 devices" in told
    assert "--no-seed" in told


def test_simulate_without_a_broker_says_so(tmp_path: Path) -> None:
    """The address and what to do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        told = refused(f"mqtt://127.0.0.1:{port}", tmp_path, "--no-seed")
    assert f"the broker at 127.0.0.1:{port} cannot be used" in told
    assert "tracefleet up" in told


def test_simulate_without_a_database_says_so(broker_url: str, tmp_path: Path) -> None:
    """Unless --no-seed says that the ledger is not ours to fill."""
    assert "TRACEFLEET_DATABASE_URL is not set" in refused(broker_url, tmp_path, "--devices", "3")


def test_simulate_with_a_time_that_is_none_says_so(broker_url: str, tmp_path: Path) -> None:
    """HH:MM or now."""
    assert "HH:MM" in refused(broker_url, tmp_path, "--city-time", "noon")
