"""The configuration of the services around ours agrees with theirs, with ours and with the dashboards."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from deploy.broker_config import access, door_of
from fleet.identity.answers import Issuer
from store.errors import SettingsError
from store.migrations import SQL_FOLDER
from store.settings import Settings
from tests.unit import strict_yaml

ROOT = Path(__file__).parents[2]
PARTS = ROOT / "deploy" / "compose"
ROLE = "tracefleet_dashboards"


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SERVICES: dict[str, dict[str, Any]] = _yaml(ROOT / "deploy" / "compose.yaml")["services"]
TLS: dict[str, dict[str, Any]] = strict_yaml.read(ROOT / "deploy" / "compose.tls.yaml")["services"]
PROMETHEUS_CONFIG = _yaml(PARTS / "prometheus.yml")
SOURCES = {
    source["uid"]: source for source in _yaml(ROOT / "grafana/provisioning/datasources/tracefleet.yaml")["datasources"]
}


def test_prometheus_scrapes_every_service_of_ours_at_its_default_port() -> None:
    """Ingest, fleet and api, by the names they have in compose."""
    ports = {"ingest": "ingest_metrics_port", "fleet": "fleet_metrics_port", "api": "api_port"}
    expected = {job: [f"{job}:{Settings.model_fields[port].default}"] for job, port in ports.items()}
    found = {job["job_name"]: job["static_configs"][0]["targets"] for job in PROMETHEUS_CONFIG["scrape_configs"]}
    assert found == expected


def test_prometheus_configuration_is_valid() -> None:
    """By Prometheus' own tool."""
    _assert_promtool_takes(PARTS / "prometheus.yml")


def _assert_promtool_takes(config: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    done = subprocess.run([promtool, "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_prometheus_scrapes_the_api_by_its_certificate_where_it_has_one(tmp_path: Path) -> None:
    """What compose.tls.yaml runs writes the name into the file, which is else that without TLS."""
    service = TLS["prometheus"]
    with_tls, plain = PARTS / "prometheus-tls.yml", SERVICES["prometheus"]
    assert service["volumes"] == [f"./compose/{with_tls.name}:/etc/prometheus/prometheus.yml:ro"]
    changed = "--config.file=/tmp/prometheus.yml"
    assert service["command"] == [changed, *plain["command"][1:]]
    *shell, script, _ = service["entrypoint"]
    # As compose gives it, with the container's places on this machine, and the program in place of Prometheus' own.
    places = {
        "$$": "$",
        "/tmp/": f"{tmp_path}/",
        "/etc/prometheus/prometheus.yml": str(with_tls),
        "/bin/prometheus": "echo",
    }
    for theirs, ours in places.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    environment = {"TRACEFLEET_HOST": "trace.example.org", "PATH": os.environ["PATH"]}
    done = subprocess.run([*shell, script, "prometheus", "--a", "b"], env=environment, capture_output=True, check=True)
    assert done.stdout == b"--a b\n"
    filled = _yaml(tmp_path / "prometheus.yml")
    (api,) = (job for job in filled["scrape_configs"] if job["job_name"] == "api")
    assert api.pop("scheme") == "https"
    assert api.pop("tls_config") == {"ca_file": "/run/secrets/tls_authorities", "server_name": "trace.example.org"}
    assert service["secrets"] == ["tls_authorities"]
    assert filled == PROMETHEUS_CONFIG
    _assert_promtool_takes(tmp_path / "prometheus.yml")


def test_broker_configuration_is_valid(tmp_path: Path) -> None:
    """By the broker itself, with what `tracefleet broker-config` writes for the settings of compose."""
    settings = Settings(
        broker_url=SecretStr("mqtt://tracefleet.ingest:one@nats:1883"),
        nats_url=SecretStr("nats://tracefleet.fleet:two@nats:4222"),
    )
    shutil.copy(PARTS / "nats.conf", tmp_path)
    shutil.copy(PARTS / "mqtt-plain.conf", tmp_path / "mqtt-tls.conf")
    (tmp_path / "door").mkdir()
    door = door_of(settings, Issuer(bytes(32)).public_key)
    (tmp_path / "door" / "access.conf").write_text(access(door), encoding="utf-8")
    broker = Path(sys.executable).with_name("nats-server")
    done = subprocess.run(
        [str(broker), "-t", "--config", str(tmp_path / "nats.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["mqtt://nats:1883", "mqtt://ingest:one@nats:1883", "mqtt://tracefleet.ingest@nats"])
def test_broker_configuration_is_refused_for_a_user_that_is_not_ours(url: str) -> None:
    """The sentence says which may be written."""
    with pytest.raises(SettingsError, match=r"TRACEFLEET_BROKER_URL .* tracefleet\.ingest or tracefleet\.service"):
        door_of(Settings(broker_url=SecretStr(url)), "issuer")


def test_broker_listens_where_compose_says() -> None:
    """MQTT for everybody, the monitor for the health check alone, and every message flushed to the volume."""
    text = (PARTS / "nats.conf").read_text(encoding="utf-8")
    assert 'listen: "0.0.0.0:1883"' in text
    assert 'http: "127.0.0.1:8222"' in text
    assert SERVICES["nats"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8222/healthz"
    assert 'listen: "0.0.0.0:4222"' in text
    environment = SERVICES["fleet"]["environment"]
    assert environment["TRACEFLEET_BROKER_URL"] == "mqtt://tracefleet.ingest@nats:1883"
    assert environment["TRACEFLEET_NATS_URL"] == "nats://tracefleet.fleet@nats:4222"
    assert "sync_interval: always" in text
    assert 'store_dir: "/data"' in text
    assert "broker:/data" in SERVICES["nats"]["volumes"]


def test_data_sources_are_those_of_the_dashboards() -> None:
    """By uid and type, at the addresses of compose."""
    dashboard = json.loads((ROOT / "grafana/dashboards/ingest-pipeline.en.json").read_text(encoding="utf-8"))
    sources = [panel["datasource"] for panel in dashboard["panels"] if panel["type"] != "row"]
    named = {source["uid"]: source["type"] for source in sources}
    assert {uid: source["type"] for uid, source in SOURCES.items()} == named
    assert SOURCES["tracefleet-prometheus"]["url"] == "http://prometheus:9090"
    database = SOURCES["tracefleet-timescale"]
    environment = SERVICES["timescale"]["environment"]
    assert database["url"] == "timescale:5432"
    assert database["jsonData"]["database"] == environment["POSTGRES_DB"]
    assert SERVICES["timescale"]["image"].endswith(f"pg{database['jsonData']['postgresVersion'] // 100}")


def test_rates_know_the_scrape_interval() -> None:
    """Grafana computes $__rate_interval from it."""
    scraped = PROMETHEUS_CONFIG["global"]["scrape_interval"]
    assert SOURCES["tracefleet-prometheus"]["jsonData"]["timeInterval"] == scraped


def test_dashboards_read_as_a_role_that_is_made_and_granted_the_views() -> None:
    """One name and one password in the three places that know them."""
    database = SOURCES["tracefleet-timescale"]
    made = (PARTS / "roles.sql").read_text(encoding="utf-8")
    granted = (SQL_FOLDER / "0006_grafana_views.sql").read_text(encoding="utf-8")
    assert database["user"] == ROLE
    assert f"CREATE ROLE {ROLE} LOGIN" in made
    assert f"TO {ROLE};" in granted
    variable = database["secureJsonData"]["password"].removeprefix("$")
    script = SERVICES["grafana"]["entrypoint"][-1]
    assert script == f"{variable}=$$(cat /run/secrets/database_dashboards) exec /run.sh"


def test_grafana_finds_provisioning_and_dashboards_where_they_are_mounted() -> None:
    """The provider's folder is the dashboards' mount, and the home page is one of its files."""
    mounts = {}
    for volume in SERVICES["grafana"]["volumes"]:
        source, target = re.split(":", volume)[:2]
        mounts[target] = source
    provider = _yaml(ROOT / "grafana/provisioning/dashboards/tracefleet.yaml")["providers"][0]
    assert mounts["/etc/grafana/provisioning/datasources"] == "../grafana/provisioning/datasources"
    assert mounts["/etc/grafana/provisioning/dashboards"] == "../grafana/provisioning/dashboards"
    assert mounts[provider["options"]["path"]] == "../grafana/dashboards"
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (ROOT / "grafana" / "dashboards" / home.name).exists()
