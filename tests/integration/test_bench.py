"""``tracefleet bench ingest`` from end to end with tiny numbers: its shape and its account, never its speed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 150
# contract.md, "Commands".
SCENARIO = {
    "name", "records_per_message", "devices", "messages_per_second", "records_per_second",
    "copy_ceiling_records_per_second", "copy_share", "messages_per_cpu_second", "latency_ms", "rss_mb",
    "wal_bytes_per_record", "sent", "stored", "lost",
}  # fmt: skip


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    """A quick benchmark of 50 ms a measurement, on the embedded broker, which is there on every machine."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    command = [sys.executable, "-m", "deploy.cli", "bench", "ingest", "--quick", "--seconds", "0.05", *options]
    return subprocess.Popen(
        command,
        env=bare | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_bench_measures_every_scenario_and_loses_nothing(tmp_path: Path) -> None:
    """One JSON object of the contract's shape on standard output, the same in the file, and nothing left behind."""
    report = tmp_path / "report.json"
    bench = start(tmp_path, "--broker", "nats", "--output", str(report))
    try:
        output, errors = bench.communicate(timeout=LIMIT_SECONDS)
    finally:
        bench.kill()
    assert bench.returncode == 0, errors
    told = json.loads(output)
    assert told == json.loads(report.read_text(encoding="utf-8"))
    assert set(told) == {"machine", "settings", "scenarios"}
    assert (told["settings"]["fsync"], told["settings"]["synchronous_commit"]) == ("on", "on")
    assert [one["records_per_message"] for one in told["scenarios"]] == [1, 20, 100]
    for one in told["scenarios"]:
        assert set(one) >= SCENARIO
        assert set(one["latency_ms"]) == {"p50", "p95", "p99", "max"}
        assert (one["lost"], one["dead_lettered"], one["conflicts"]) == (0, 0, 0)
        assert one["stored"] == one["sent"] > 0
        assert one["latency_samples"] >= 100
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_bench_when_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C in the middle: its processes and its folder are gone."""
    bench = start(tmp_path, "--broker", "nats")
    try:
        family: list[psutil.Process] = []
        deadline = time.monotonic() + LIMIT_SECONDS
        while not any("deploy.bench.publisher" in command_of(each) for each in alive(family)):
            assert bench.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
            family = psutil.Process(bench.pid).children(recursive=True)
        bench.send_signal(signal.SIGINT)
        output, errors = bench.communicate(timeout=LIMIT_SECONDS)
    finally:
        bench.kill()
    assert bench.returncode != 0
    assert output == ""
    assert "Traceback" not in errors
    psutil.wait_procs(family, timeout=10)
    assert alive(family) == []
    assert list(tmp_path.iterdir()) == []


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [each for each in family if _runs(each)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two
        return False


def command_of(process: psutil.Process) -> str:
    """Its command line; nothing of one that ends at this moment."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
