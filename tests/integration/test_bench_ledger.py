"""``tracefleet bench ledger`` from end to end with tiny numbers: its shape, never its speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(200)]

ROOT = Path(__file__).parents[2]
NAMES = [
    "list_with_total",
    "list_with_facets",
    "registration_to_ingest",
    "registration_to_identities",
    "logins",
    "import",
    "audit_verify",
]


def test_bench_tells_each_measure_with_its_target(tmp_path: Path) -> None:
    """One JSON object on standard output, the same in the file; exit 1 when a target was missed; nothing stays."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    report = tmp_path / "report.json"
    bench = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "deploy.cli",
            "bench",
            "ledger",
            "--quick",
            "--devices",
            "200",
            "--output",
            report,
        ],
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
    assert (told["settings"]["fsync"], told["settings"]["devices"]) == ("on", 200)
    measures = {measure["name"]: measure for measure in told["measures"]}
    assert list(measures) == NAMES
    for measure in measures.values():
        assert measure["target"]
        assert measure["measured"] >= 0
        assert f"{measure['name']}: " in bench.stderr
    assert bench.returncode == (0 if all(measure["met"] for measure in measures.values()) else 1)
    for name in NAMES[:2]:
        assert set(measures[name]["latency_ms"]) == {"p50", "p95", "p99", "max"}
        assert sum(each["filter"] == {} for each in measures[name]["by_filter"]) == 1
    assert measures["audit_verify"]["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
