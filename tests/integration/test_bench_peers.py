"""``tracefleet bench peers`` from end to end with tiny numbers: its shape and its account, never its speed."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from deploy.bench.brokers import has_mosquitto

pytestmark = [pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 150
FIGURES = {
    "messages_per_second", "messages_per_cpu_second", "messages_per_cpu_second_of_all", "busy_cores",
    "cpu_microseconds_per_message", "rss_mb", "wal_bytes_per_message", "sent", "stored", "lost",
}  # fmt: skip


COMMAND = [sys.executable, "-m", "deploy.cli", "bench", "peers", "--quick"]


def environment(folder: Path) -> dict[str, str]:
    """Ours without settings, and *folder* for everything temporary."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    return bare | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}


def bench(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Two rounds of 50 ms."""
    return subprocess.run(
        [*COMMAND, "--rounds", "2", "--seconds", "0.05", *options],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.skipif(find_spec("mq_bridge") is None, reason="mq-bridge is not installed: `make bench-peers` does")
@pytest.mark.parametrize("broker", ["nats", "mosquitto"])
def test_bench_peers_gives_both_sides_the_same_rows_and_loses_nothing(tmp_path: Path, broker: str) -> None:
    """One JSON object on standard output, the same in the file; both tables reconcile; nothing left behind."""
    if broker == "mosquitto" and not has_mosquitto():
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    report = tmp_path / "report.json"
    done = bench(tmp_path, "--broker", broker, "--output", str(report))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(report.read_text(encoding="utf-8"))
    settings = told["settings"]
    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    assert settings["broker"].startswith(broker)
    assert settings["peer"]["route"]["output"]["sqlx"]["bulk_copy"] is True
    assert len(told["peer_does_not"]) == 6
    assert len(told["rounds"]) == 2
    for one in (*told["rounds"], told["median"]):
        assert set(one) == {"ours", "peer"}
        for side in one.values():
            assert set(side) >= FIGURES
            assert set(side["busy_cores"]) == {"tested", "broker", "postgres", "generator"}
            assert side["stored"] == side["sent"] > 0
        assert one["ours"]["sent"] == one["peer"]["sent"]
    assert (told["lost"], told["different_rows"]) == ({"ours": 0, "peer": 0}, 0)
    assert told["ratio"]["messages_per_second"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.skipif(find_spec("mq_bridge") is None, reason="mq-bridge is not installed: `make bench-peers` does")
def test_bench_peers_when_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C while the peer runs: it, the servers and the folder are gone."""
    running = subprocess.Popen(
        [*COMMAND, "--seconds", "5", "--broker", "nats"],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        family: list[psutil.Process] = []
        deadline = time.monotonic() + LIMIT_SECONDS
        while not any(map(is_peer, family)):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
            family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=LIMIT_SECONDS)
    finally:
        running.kill()
    assert running.returncode != 0
    assert output == ""
    assert "Traceback" not in errors
    psutil.wait_procs(family, timeout=10)
    assert alive(family) == []
    assert list(tmp_path.iterdir()) == []


def is_peer(process: psutil.Process) -> bool:
    """Whether it is the peer's; others come and go while we look."""
    try:
        return "deploy.bench.peer_route" in process.cmdline()
    except psutil.Error:
        return False


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_bench_peers_without_the_peer_says_what_to_install(tmp_path: Path) -> None:
    """One sentence on standard error, and status 2."""
    # What Python itself takes as a package that is not there.
    program = "import sys; sys.modules['mq_bridge'] = None; from deploy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "bench", "peers"],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "make bench-peers" in done.stderr
    assert "Traceback" not in done.stderr
