"""`deploy/compose.yaml` and what it refers to. No container engine is needed to see that they agree."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_group

from deploy.cli import app
from store.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
EVERY_SERVICE = pytest.mark.parametrize("name", SERVICES)
EVERY_SERVICE_OF_OURS = pytest.mark.parametrize("name", OURS)


def _is_one_shot(name: str) -> bool:
    return SERVICES[name].get("restart") == "no"


def _default(setting: str) -> object:
    return Settings.model_fields[setting].default


def _own_settings(name: str) -> dict[str, str]:
    environment = SERVICES[name]["environment"].items()
    return {key.removeprefix(PREFIX).lower(): value for key, value in environment if key.startswith(PREFIX)}


@EVERY_SERVICE
def test_image_is_pinned(name: str) -> None:
    """A tag that names a full version, and for our image the version of the project."""
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.match(r"v?\d+\.\d+\.\d+(-|$)", tag)
    if image == "tracefleet":
        assert tag == PROJECT["project"]["version"]


@EVERY_SERVICE
def test_service_has_a_health_check_unless_it_ends_by_itself(name: str) -> None:
    """Compose can tell whether each service works."""
    assert ("healthcheck" in SERVICES[name]) != _is_one_shot(name)


@EVERY_SERVICE
def test_service_waits_for_what_it_needs(name: str) -> None:
    """For the health of what stays, for the success of what ends."""
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if _is_one_shot(needed) else "service_healthy"
        assert condition == {"condition": expected}


@EVERY_SERVICE
def test_every_file_that_is_mounted_exists(name: str) -> None:
    """And nothing can write to it."""
    for volume in SERVICES[name].get("volumes", []):
        if volume.startswith("."):
            source, _, mode = volume.split(":")
            assert (DEPLOY / source).exists()
            assert mode == "ro"


@EVERY_SERVICE
def test_only_mqtt_the_api_and_grafana_are_published_and_on_loopback(name: str) -> None:
    """One variable opens all three."""
    published = {"nats": "1883", "api": "8000", "grafana": "3000"}
    port = published.get(name)
    expected = [f"${{TRACEFLEET_BIND:-127.0.0.1}}:{port}:{port}"] if port else []
    assert SERVICES[name].get("ports", []) == expected


@EVERY_SERVICE_OF_OURS
def test_settings_of_a_service_are_settings(name: str) -> None:
    """Every variable is one the product knows, with a value it takes."""
    given = _own_settings(name)
    assert given.keys() <= Settings.model_fields.keys()
    Settings.model_validate(given)


@EVERY_SERVICE_OF_OURS
def test_command_of_a_service_is_one_of_the_command_line(name: str) -> None:
    """The same name as the service."""
    assert SERVICES[name]["command"][0] == name
    assert name in get_group(app).commands


@pytest.mark.parametrize(
    ("name", "host", "port", "path"),
    [
        ("ingest", "metrics_host", "ingest_metrics_port", "/metrics"),
        ("fleet", "metrics_host", "fleet_metrics_port", "/metrics"),
        ("api", "api_host", "api_port", "/livez"),
    ],
)
def test_service_is_reached_where_it_listens(name: str, host: str, port: str, path: str) -> None:
    """It listens beyond its container's loopback; its health check asks the port that the settings default to."""
    assert _own_settings(name)[host] == "0.0.0.0"  # noqa: S104 - in a container, whose ports compose publishes
    assert f"http://127.0.0.1:{_default(port)}{path}" in SERVICES[name]["healthcheck"]["test"][-1]


def test_passwords_have_no_default() -> None:
    """Compose refuses to start without them, and says where to set them; the example names each and sets none."""
    variables = set(re.findall(r"\$\{(\w+_PASSWORD)", COMPOSE))
    asked = set(re.findall(r"\$\{(\w+_PASSWORD):\?set \1 in deploy/\.env \(deploy/example\.env shows how\)\}", COMPOSE))
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    assert asked == variables
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == variables
    assert set(re.findall(r"^#(\w+)=", example, re.MULTILINE)) == set(re.findall(r"\$\{(\w+):-", COMPOSE))


def test_volumes_are_declared_and_used() -> None:
    """Every named volume is in both places."""
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in used if "/" not in name} == yaml.safe_load(COMPOSE)["volumes"].keys()


def test_image_holds_every_package_and_runs_as_nobody_special() -> None:
    """What the wheel is made of is copied and let through to the builder; the user is not root."""
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}" in let_through
    final = dockerfile.rpartition("\nFROM ")[2]
    assert "\nUSER tracefleet\n" in final
    assert 'ENTRYPOINT ["tracefleet"]' in final
    assert OURS["api"]["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
