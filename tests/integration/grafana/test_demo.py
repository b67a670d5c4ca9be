"""The files with which a Grafana shows a demo: those of production at other addresses, and a role that only reads."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import yaml
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

from tests.unit.grafana.files import DASHBOARDS, ROOT

METRICS = {
    "ingest": "http://127.0.0.1:9101/metrics",
    "fleet": "http://127.0.0.1:9102/metrics",
    "api": "http://127.0.0.1:8000/metrics",
}


def _run(runtime: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "grafana.demo", "--runtime", str(runtime)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def written(database_url: str, tmp_path: Path) -> Path:
    """The folder that the command wrote for a database of the test's own."""
    runtime = tmp_path / "runtime.json"
    urls = {"database_url": database_url, "api_url": "http://127.0.0.1:8000", "metrics_urls": METRICS}
    runtime.write_text(json.dumps(urls), encoding="utf-8")
    done = _run(runtime)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"docker compose -f {tmp_path}/grafana/compose.yaml up\n")
    return tmp_path / "grafana"


def test_files_are_those_of_production_at_other_addresses(written: Path) -> None:
    """Data sources by uid and type, jobs by name, images by version, every dashboard."""
    sources = _yaml(written / "provisioning/datasources/tracefleet.yaml")["datasources"]
    production = _yaml(ROOT / "grafana/provisioning/datasources/tracefleet.yaml")["datasources"]
    assert [(each["uid"], each["type"]) for each in sources] == [(each["uid"], each["type"]) for each in production]
    scraped = {job["job_name"] for job in _yaml(written / "prometheus.yml")["scrape_configs"]}
    assert scraped == {job["job_name"] for job in _yaml(ROOT / "deploy/compose/prometheus.yml")["scrape_configs"]}
    services = _yaml(written / "compose.yaml")["services"]
    of_production = _yaml(ROOT / "deploy/compose.yaml")["services"]
    for name in ("grafana", "prometheus"):
        assert services[name]["image"] == of_production[name]["image"]
    assert {path.name for path in (written / "dashboards").iterdir()} == {f"{name}.json" for name in DASHBOARDS}


def test_containers_find_the_files_and_stay_on_loopback(written: Path) -> None:
    """Every path in them is one that is mounted."""
    text = "".join(path.read_text(encoding="utf-8") for path in [*written.glob("*.y*ml"), *written.rglob("*/*.yaml")])
    paths = set(re.findall(r"/etc/tracefleet/([\w./-]+)", text))
    assert len(paths) == 4
    assert all((written / path).exists() for path in paths)
    services = _yaml(written / "compose.yaml")["services"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]


def test_role_of_the_demo_reads_the_views_and_nothing_else(written: Path, database_url: str) -> None:
    """With the password that the files have."""
    source = _yaml(written / "provisioning/datasources/tracefleet.yaml")["datasources"][1]
    server = urlsplit(database_url)
    assert source["url"] == f"{server.hostname}:{server.port}"
    assert source["secureJsonData"]["password"] == "$DASHBOARDS_PASSWORD"
    name, _, password = (written / "password.env").read_text(encoding="utf-8").strip().partition("=")
    assert name == "DASHBOARDS_PASSWORD"
    password = quote(password)
    url = f"postgresql://{source['user']}:{password}@{source['url']}/{source['jsonData']['database']}"
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM grafana_devices").fetchone() == (0,)
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SELECT 1 FROM devices")
        with pytest.raises(ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE mine (n int)")


def test_password_is_in_one_file_of_its_owner_alone(written: Path, database_url: str) -> None:
    """Also where an earlier run left one that others may read; the containers read the other files as other users."""
    secret = written / "password.env"
    assert _yaml(written / "compose.yaml")["services"]["grafana"]["env_file"] == [secret.name]
    secret.chmod(0o644)
    urls = {"database_url": database_url, "api_url": "http://127.0.0.1:8000", "metrics_urls": METRICS}
    (written.parent / "runtime.json").write_text(json.dumps(urls), encoding="utf-8")
    assert _run(written.parent / "runtime.json").returncode == 0
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    password = secret.read_text(encoding="utf-8").strip().partition("=")[2]
    holders = [path.name for path in written.rglob("*") if path.is_file() and password in path.read_text("utf-8")]
    assert holders == [secret.name]


def test_nothing_runs(tmp_path: Path) -> None:
    """Status 1, and what to do, in both languages."""
    done = _run(tmp_path / "runtime.json")
    assert done.returncode == 1
    assert "make demo" in done.stderr
    assert "没有正在运行的系统" in done.stderr
    assert not (tmp_path / "grafana").exists()
