"""Third parties stay behind their fences, so that each can be replaced in one place."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FENCES: Final = {
    "aiomqtt": {
        "ingest/aiomqtt_session.py",
        "fleet/retirement/retained.py",
        "deploy/simulator/mqtt.py",
        "deploy/mqtt_probe.py",
    },
    "paho": {"ingest/aiomqtt_session.py"},
    "nats": {"fleet/identity/bus.py"},
    "nkeys": {"fleet/identity/answers.py"},
    "mqtt5": {"ingest/mqtt5_session.py", "ingest/mqtt5_line.py"},
    "fastapi": {"api/"},
    "prometheus_client": {
        "ingest/metrics.py",
        "ingest/service.py",
        "fleet/",
        "api/",
        "store/exporter.py",
    },
    "uvicorn": {"api/server.py"},
    "grafana_foundation_sdk": {"grafana/"},
    "typer": {"deploy/cli.py", "deploy/commands/"},
    "rich": {"deploy/"},
    "python_calamine": {"fleet/ledger/xlsx_sheet.py"},
    "xlsxwriter": {"fleet/ledger/workbook.py"},
    "mq_bridge": {"deploy/bench/peer_route.py"},
}
PACKAGES: Final = ("api", "deploy", "fleet", "grafana", "ingest", "store")


def sources() -> list[Path]:
    """Our modules, tests left out."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The top-level names of what a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("library", sorted(FENCES))
def test_library_is_imported_behind_its_fence_only(library: str) -> None:
    """Each file that imports it is allowed to."""
    allowed = FENCES[library]
    importing = [str(path.relative_to(ROOT)) for path in sources() if library in imported(path)]
    assert [name for name in importing if not name.startswith(tuple(allowed))] == []


def test_private_client_of_aiomqtt_is_reached_behind_its_fence_only() -> None:
    """Acknowledging late, and cutting a simulated device's line, need it; nobody else may."""
    reaching = {
        str(path.relative_to(ROOT))
        for path in sources()
        if re.search(r"(?<!self)\._client\b", path.read_text(encoding="utf-8"))
    }
    assert reaching <= FENCES["aiomqtt"]
