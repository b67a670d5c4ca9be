"""``tracefleet bench fleet`` from end to end with tiny numbers: its shape, never its speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]


def test_bench_tells_each_measure_with_its_target(tmp_path: Path, server_url: str) -> None:
    """One JSON object on standard output, the same in the file; the whole fleet is judged; nothing stays."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    report = tmp_path / "report.json"
    options = ["--quick", "--devices", "200", "--database-url", server_url, "--output", str(report)]
    bench = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli", "bench", "fleet", *options],
        env=bare | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert bench.returncode in (0, 1), bench.stderr
    told = json.loads(bench.stdout)
    assert told == json.loads(report.read_text(encoding="utf-8"))
    assert set(told) == {"machine", "settings", "measures"}
    for measure in told["measures"]:
        assert measure["target"]
        assert f"{measure['name']}: " in bench.stderr
    health = next(measure for measure in told["measures"] if measure["name"] == "health_sweep")
    assert (health["devices"], health["written_first"], len(health["steady_seconds"])) == (200, 200, 2)
    assert bench.returncode == (0 if all(measure["met"] for measure in told["measures"]) else 1)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
