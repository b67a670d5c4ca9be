"""What ``ingest``, ``fleet`` and ``api`` say when they cannot run: one sentence, exit status 2, no traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from store.settings import Settings

pytestmark = [pytest.mark.acceptance, pytest.mark.parametrize("service", ["ingest", "fleet", "api"])]

Refuse = Callable[..., str]


@pytest.fixture
def refuse(service: str, settings: Settings, tmp_path: Path) -> Refuse:
    """Runs the service with the test's settings and those given, and returns its sentence."""

    def run(**given: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
        ours = {
            "DATABASE_URL": settings.require_database_url(),
            "BROKER_URL": settings.broker_url.get_secret_value(),
            "API_PORT": str(settings.api_port),
            "INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
            "FLEET_METRICS_PORT": str(settings.fleet_metrics_port),
        } | given
        done = subprocess.run(
            [sys.executable, "-P", "-m", "deploy.cli", service],
            cwd=tmp_path,
            env=clean | {f"TRACEFLEET_{name}": value for name, value in ours.items()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    return run


def test_bad_settings_are_all_named(refuse: Refuse) -> None:
    """Each on its line."""
    lines = refuse(API_PORT="0", RETENTION_DAYS="soon", DATABSE_URL="x").splitlines()
    assert len(lines) == 3
    assert lines[0] == "TRACEFLEET_DATABSE_URL: no such setting; did you mean TRACEFLEET_DATABASE_URL?"


def test_unreachable_database_is_named(refuse: Refuse) -> None:
    """Where it was looked for, without the password."""
    sentence = refuse(DATABASE_URL="postgresql://somebody:hunter2@127.0.0.1:1/traces")
    assert sentence.startswith("the database at 127.0.0.1:1/traces cannot be reached: ")
    assert "TRACEFLEET_DATABASE_URL" in sentence
    assert "hunter2" not in sentence


def test_missing_database_is_named(refuse: Refuse, database_url: str) -> None:
    """The server's own words say which does not exist."""
    sentence = refuse(DATABASE_URL=database_url.replace("/tf_test_", "/no_such_"))
    assert "cannot be reached" in sentence
    assert "does not exist" in sentence


def test_schema_of_the_past_names_the_command(refuse: Refuse, empty_database_url: str) -> None:
    """An empty database is at version 0."""
    sentence = refuse(DATABASE_URL=empty_database_url)
    assert sentence.startswith("The schema is at version 0, this tracefleet needs ")
    assert "Run `tracefleet migrate`." in sentence


def test_schema_of_tomorrow_is_refused(refuse: Refuse, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """A newer release migrated it, and only that one knows what it means."""
    connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, flavour)"
        " SELECT max(version) + 1, 'of_tomorrow', '', min(flavour) FROM schema_migrations"
    )
    assert "was migrated by a newer release. Upgrade tracefleet" in refuse()


def test_taken_port_names_the_setting(refuse: Refuse, service: str) -> None:
    """The one that this service listens on."""
    setting = "API_PORT" if service == "api" else f"{service.upper()}_METRICS_PORT"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refuse(**{setting: str(port)})
    assert f"port {port}" in sentence
    assert f"TRACEFLEET_{setting}" in sentence
