"""``tracefleet broker-config``: what it writes, and what it needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.identity.broker import issuer_of
from store.settings import Settings

URLS = {
    "TRACEFLEET_BROKER_URL": "mqtt://tracefleet.ingest:one@nats:1883",
    "TRACEFLEET_NATS_URL": "nats://tracefleet.fleet:t%22wo@nats:4222",
}


@pytest.fixture
def variables(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of an installation."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    return clean | URLS | {"TRACEFLEET_DATABASE_URL": database_url, "TRACEFLEET_DATA_DIR": str(tmp_path / "data")}


def run(variables: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    """The finished command."""
    line = [sys.executable, "-P", "-m", "deploy.cli", "broker-config", *options]
    return subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_configuration_holds_the_issuer_and_the_users_of_the_settings(
    variables: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """For its owner alone, and nats-server takes it."""
    file = tmp_path / "access.conf"
    done = run(variables, "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.stat().st_mode & 0o777 == 0o600
    settings = Settings(database_url=SecretStr(database_url), data_dir=tmp_path / "data")
    text = file.read_text(encoding="utf-8")
    assert f'issuer: "{issuer_of(settings).public_key}"' in text
    assert r'user: "tracefleet.fleet", password: "t\"wo"' in text
    assert 'user: "tracefleet.ingest", password: "one"' in text
    broker = Path(sys.executable).with_name("nats-server")
    assert subprocess.run([str(broker), "-t", "--config", str(file)], check=False, capture_output=True).returncode == 0
    assert run(variables).stdout == text


def test_url_without_a_user_of_ours_is_refused(variables: dict[str, str]) -> None:
    """With the name that is wanted."""
    done = run(variables | {"TRACEFLEET_NATS_URL": "nats://nats:4222"})
    assert done.returncode == 2
    assert done.stderr == (
        "TRACEFLEET_NATS_URL has no user and password in it: write tracefleet.fleet and a password before the host.\n"
    )


def test_folder_that_is_not_there_is_told(variables: dict[str, str], tmp_path: Path) -> None:
    """In a sentence."""
    done = run(variables, "--output", str(tmp_path / "nowhere" / "access.conf"))
    assert done.returncode == 2
    assert "access.conf cannot be written: No such file or directory" in done.stderr
