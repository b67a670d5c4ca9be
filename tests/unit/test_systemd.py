"""``deploy/systemd``: units that systemd takes, closed as far as their work allows, and in agreement with the code."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_group

from deploy.broker_config import Door, access
from deploy.cli import app
from fleet.audit import anchors
from fleet.identity.answers import Issuer
from store.settings import PREFIX, Settings
from store.url_password import with_password
from store.value_files import variables

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".service", ".target", ".timer"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
OURS = [path for path in SERVICES if "/bin/tracefleet " in path.read_text(encoding="utf-8")]
LASTING = [path for path in OURS if "Type=notify" in path.read_text(encoding="utf-8")]
IN_FILES = {variable: field for field, variable in variables(Settings)}
EVERY_SERVICE = pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
EVERY_SERVICE_OF_OURS = pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
# By systemd's own scale from 0, well closed, to 10. What opens a port or a database cannot be 0.
EXPOSURE_MAX = 1.5


def _entries(path: Path, section: str) -> Iterator[tuple[str, str]]:
    """Key and value of each line of a section; a key may come more than once."""
    within = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            within = line.strip("[]")
        elif line and not line.startswith("#") and within == section:
            key, equals, value = line.partition("=")
            assert equals, line
            yield key, value


def _of(path: Path, section: str, key: str) -> list[str]:
    """All values of a key."""
    return [value for name, value in _entries(path, section) if name == key]


def _environment(path: Path) -> dict[str, str]:
    return dict(word.split("=", 1) for value in _of(path, "Service", "Environment") for word in shlex.split(value))


def _credentials(path: Path) -> dict[str, str]:
    return dict(value.split(":", 1) for value in _of(path, "Service", "LoadCredential"))


def _installed(folder: Path) -> list[Path]:
    """The units with a program in place of each that the server would have; a template as an instance of it."""
    made = []
    for path in UNITS:
        text = re.sub(r"/opt/tracefleet/bin/[\w-]+", "/bin/true", path.read_text(encoding="utf-8"))
        copy = folder / path.name
        copy.write_text(text, encoding="utf-8")
        made.append(folder / path.name.replace("@.", "@1."))
    return made


def _analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze (Debian package systemd) is not installed here")
    return program


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    """Not a word of complaint: a key that it does not know is one."""
    units = [str(path) for path in _installed(tmp_path)]
    done = subprocess.run(
        [_analyze(), "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_services_are_closed_as_far_as_their_work_allows(tmp_path: Path) -> None:
    """By what systemd makes of it."""
    for path in _installed(tmp_path):
        if path.suffix != ".service":
            continue
        done = subprocess.run(
            [_analyze(), "security", "--offline=yes", "--no-pager", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        assert found is not None, done.stderr
        assert float(found.group(1)) <= EXPOSURE_MAX, done.stdout


@EVERY_SERVICE
def test_service_can_write_to_its_own_folder_alone(path: Path) -> None:
    """Checked here, too, where there is no systemd: the rest of the machine is closed to it, and no right is left."""
    said = dict(_entries(path, "Service"))
    assert said["ProtectSystem"] == "strict"
    assert (said["NoNewPrivileges"], said["CapabilityBoundingSet"]) == ("yes", "")
    assert "StateDirectory" in said or said["ReadWritePaths"] == "/var/backups/tracefleet"
    assert ("DynamicUser" in said) != (said.get("User") == "postgres")
    assert _of(path, "Service", "SystemCallFilter") == ["@system-service", "~@privileged @resources"]


@EVERY_SERVICE_OF_OURS
def test_settings_of_a_service_are_settings(path: Path) -> None:
    """Every variable is one the product knows, or its file, with a value it takes once systemd has filled it in."""
    given = {key: value.replace("%i", "1").replace("%S", "/var/lib") for key, value in _environment(path).items()}
    plain = {key: value for key, value in given.items() if key not in IN_FILES}
    fields = {key.removeprefix(PREFIX).lower(): value for key, value in plain.items()}
    assert fields.keys() <= Settings.model_fields.keys()
    Settings.model_validate(fields)


@EVERY_SERVICE_OF_OURS
def test_secrets_are_credentials(path: Path) -> None:
    """Every file that a setting names is shown to the service by systemd, and nothing else is."""
    named = {value for key, value in _environment(path).items() if key.endswith("_FILE")}
    assert named == {f"%d/{name}" for name in _credentials(path)}
    folder = "/etc/tracefleet/credentials/"
    assert all(source.startswith(folder) for source in _credentials(path).values())


@EVERY_SERVICE_OF_OURS
def test_command_of_a_service_is_one_of_the_command_line(path: Path) -> None:
    """The same name as the unit, with options that it has."""
    (line,) = _of(path, "Service", "ExecStart")
    program, command, *options = shlex.split(line)
    assert program == "/opt/tracefleet/bin/tracefleet"
    assert path.name.removesuffix(".service").removesuffix("@") == f"tracefleet-{command}"
    known = {option for parameter in get_group(app).commands[command].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("name", ["migrate", "ingest", "fleet", "api"])
def test_service_is_a_role_of_its_own_in_the_database(name: str) -> None:
    """With its own password."""
    (path,) = (path for path in OURS if path.name.removesuffix(".service").removesuffix("@") == f"tracefleet-{name}")
    url = _environment(path)["TRACEFLEET_DATABASE_URL"]
    assert url == f"postgresql://tracefleet_{name}@127.0.0.1:5432/tracefleet"
    assert with_password(url, "p") == url.replace("@", ":p@")
    assert _credentials(path)["database"] == f"/etc/tracefleet/credentials/database_{name}"


def test_credentials_are_those_of_compose() -> None:
    """One script makes them; the key is made beside them, as README.md says."""
    script = (ROOT / "deploy" / "compose" / "secrets.sh").read_text(encoding="utf-8")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    sources = [source for path in SERVICES for source in _credentials(path).values()]
    sources += re.findall(r"=(/etc/tracefleet/credentials/\S+)", (FOLDER / "admin.env").read_text(encoding="utf-8"))
    names = {Path(source).name for source in sources if source.startswith("/etc/tracefleet/credentials/")}
    assert names - {"tracefleet.key"} <= set(script.split())
    assert "tracefleet.key" in readme


def test_administrators_read_the_anchors_that_fleet_writes() -> None:
    """Else a tail of the audit that was cut off would look whole to them."""
    [fleet] = [path for path in OURS if path.name == "tracefleet-fleet.service"]
    folder = dict(_entries(fleet, "Service"))["StateDirectory"]
    admin = (FOLDER / "admin.env").read_text(encoding="utf-8").splitlines()
    assert f"TRACEFLEET_AUDIT_ANCHOR_FILE=/var/lib/{folder}/{anchors.FILE_NAME}" in admin


@pytest.mark.parametrize("path", LASTING, ids=lambda path: path.name)
def test_service_that_lasts_is_started_again_for_ever(path: Path) -> None:
    """However it ends, also when it hangs, and however often."""
    said = dict(_entries(path, "Service"))
    assert (said["Type"], said["NotifyAccess"], said["Restart"]) == ("notify", "main", "always")
    assert int(said["WatchdogSec"]) >= 30
    assert dict(_entries(path, "Unit"))["StartLimitIntervalSec"] == "0"
    assert {path.name for path in LASTING} == {
        "tracefleet-ingest@.service", "tracefleet-fleet.service", "tracefleet-api.service"
    }  # fmt: skip


def test_units_start_in_their_order_and_stop_together() -> None:
    """The schema, the door, the broker, then those who need them; whatever is named is here or the system's."""
    of_the_system = {"network-online.target", "postgresql.service", "multi-user.target", "timers.target"}
    here = {path.name for path in UNITS}
    for path in UNITS:
        keys = ("Wants", "Requires", "After", "PartOf", "Before")
        named = {word for key in keys for value in _of(path, "Unit", key) for word in value.split()}
        named |= {word for value in _of(path, "Install", "WantedBy") for word in value.split()}
        assert {re.sub(r"@\w+\.", "@.", name) for name in named} <= here | of_the_system, path.name
    after = {path.name: {word for value in _of(path, "Unit", "After") for word in value.split()} for path in UNITS}
    assert "tracefleet-migrate.service" in after["tracefleet-broker-config.service"]
    assert "tracefleet-broker-config.service" in after["tracefleet-nats.service"]
    for name in ("tracefleet-ingest@.service", "tracefleet-fleet.service"):
        assert {"tracefleet-nats.service", "tracefleet-migrate.service", "postgresql.service"} <= after[name]
    (target,) = (path for path in UNITS if path.suffix == ".target")
    wanted = {word for value in _of(target, "Unit", "Wants") for word in value.split()}
    # The nats-server's own unit asks for its door.
    ours = {path.name.replace("@.", "@1.") for path in SERVICES if target.name in str(_of(path, "Unit", "PartOf"))}
    assert wanted | {"tracefleet-broker-config.service"} == ours


def test_the_broker_is_started_again_until_its_door_is_there() -> None:
    """A first try of broker-config may fail: what requires it is never started, nor is what a condition skips."""
    (path,) = (path for path in UNITS if path.name == "tracefleet-nats.service")
    said = dict(_entries(path, "Service"))
    assert (said["Restart"], _of(path, "Unit", "StartLimitIntervalSec")) == ("always", ["0"])
    assert 0 < int(said["RestartSec"]) <= 10
    assert "tracefleet-broker-config.service" in _of(path, "Unit", "Wants")
    # Of all units: a first try of each may fail.
    for unit in UNITS:
        keys = {key for key, _ in _entries(unit, "Unit")}
        assert not [key for key in keys if re.match(r"Requires|Requisite|BindsTo|Condition|Assert", key)], unit.name


def test_backups_come_by_the_way_that_is_opened_to_their_role() -> None:
    """Both pages open 127.0.0.1 to it and send it there; its password is the one that the units are shown."""
    backup = (ROOT / "deploy" / "BACKUP.md").read_text(encoding="utf-8")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for page in (backup, readme):
        assert set(re.findall(r"BACKUP_FROM=(\S+)", page)) == {"127.0.0.1/32"}
        assert set(re.findall(r"PGHOST=([\w./]+)", page)) == {"127.0.0.1"}
    (password,) = re.findall(r"BACKUP_PASSWORD=\$\(cat (\S+)\)", readme)
    units = [path for path in SERVICES if "backup" in _credentials(path)]
    assert {_credentials(path)["backup"] for path in units} == {password}
    folder = {value for path in units for value in _of(path, "Service", "ReadWritePaths")}
    assert set(re.findall(r"BACKUP_DIR=(\S+)", readme)) == folder


def test_every_file_is_described_and_installed() -> None:
    """README.md tells of each; install.sh puts it somewhere, by its name or by its kind."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    installer = (FOLDER / "install.sh").read_text(encoding="utf-8")
    for path in FOLDER.iterdir():
        assert path.name in readme or path.stem.rstrip("@") in readme, path.name
        assert path.name in installer or f"deploy/systemd/*{path.suffix}" in installer, path.name


def test_installer_is_a_program_of_any_shell() -> None:
    """Its syntax, by the shell itself, and that of the other scripts."""
    for script in (FOLDER / "install.sh", ROOT / "deploy" / "compose" / "secrets.sh"):
        done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)  # noqa: S607
        assert (done.returncode, done.stderr) == (0, "")


def test_configuration_of_the_broker_is_valid(tmp_path: Path) -> None:
    """By nats-server itself, with the folders of a server below another root."""
    etc, shown = tmp_path / "etc" / "tracefleet", tmp_path / "run/credentials/tracefleet-nats.service"
    etc.mkdir(parents=True)
    shown.mkdir(parents=True)
    (shown / "access.conf").write_text(access(Door(Issuer(bytes(32)).public_key, {"ingest": "p", "fleet": "q"})))
    shutil.copy(FOLDER / "nats.conf", etc)
    broker = Path(sys.executable).with_name("nats-server")
    done = subprocess.run(
        [str(broker), "-t", "--config", str(etc / "nats.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (unit,) = (path for path in SERVICES if path.name == "tracefleet-nats.service")
    (line,) = _of(unit, "Service", "ExecStart")
    assert line.endswith("--config /etc/tracefleet/nats.conf")
    # What broker-config writes is what systemd reads for the broker.
    (door,) = (path for path in SERVICES if path.name == "tracefleet-broker-config.service")
    (made,) = re.findall(r"--output (\S+)", _of(door, "Service", "ExecStart")[0])
    assert _credentials(unit) == {"access.conf": made.replace("%S", "/var/lib")}
    assert _of(unit, "Service", "StateDirectory") == ["tracefleet-nats"]
    assert 'store_dir: "/var/lib/tracefleet-nats"' in (FOLDER / "nats.conf").read_text(encoding="utf-8")
