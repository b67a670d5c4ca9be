"""``tracefleet doctor``: what it says of a healthy system and of each thing that can be wrong."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from pydantic import SecretStr

from deploy.check import Check
from deploy.doctor import _clock, examine
from deploy.mqtt_probe import refusal_of
from store.settings import Settings


def _named(settings: Settings) -> dict[str, Check]:
    return {check.what: check for check in examine(settings)}


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """The port of a server that answers its first client with *answer*, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_healthy_system_has_no_problem(settings: Settings) -> None:
    """Everything is ok; only the extension may be worth a warning."""
    checks = _named(settings)
    assert [check.what for check in checks.values() if check.verdict == "problem"] == []
    assert {"database", "schema", "timescaledb", "clock", "broker", "disk"} <= set(checks)
    assert f"port {settings.api_port}" in checks


def test_disk_is_that_of_an_absolute_path(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder means nothing to whoever is sent the output."""
    monkeypatch.chdir(tmp_path)
    check = _named(make_settings(data_dir=Path(".tracefleet")))["disk"]
    assert check.detail.endswith(f" free for {tmp_path / '.tracefleet'}")


def test_missing_extension_is_a_warning_that_says_what_differs(
    settings: Settings, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Plain PostgreSQL works; an old TimescaleDB works too; both have a remedy."""
    found = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    check = _named(settings)["timescaledb"]
    if found is None:
        assert check.verdict == "warning"
        assert "not compressed" in check.detail
        assert "2.29" in check.remedy
    else:
        assert str(found[0]) in check.detail


def test_unreachable_database_is_a_problem(make_settings: Callable[..., Settings]) -> None:
    """With the server's words and the setting; the checks that need it are left out, the others made."""
    url = SecretStr("postgresql://nobody:hunter2@127.0.0.1:1/none")
    checks = _named(make_settings(database_url=url))
    assert checks["database"].verdict == "problem"
    assert "TRACEFLEET_DATABASE_URL" in checks["database"].remedy
    assert "hunter2" not in str(checks)
    assert "schema" not in checks
    assert checks["broker"].verdict == "ok"


def test_schema_of_the_past_is_a_problem(make_settings: Callable[..., Settings], empty_database_url: str) -> None:
    """The remedy is the command."""
    check = _named(make_settings(database_url=SecretStr(empty_database_url)))["schema"]
    assert (check.verdict, check.remedy) == ("problem", "Run `tracefleet migrate`.")


def test_what_only_the_fleet_knows_is_skipped_elsewhere(settings: Settings) -> None:
    """Each says that it was not looked at, and where to look; a free port is no process that is down."""
    checks = _named(settings)
    for what in ("logins", "rounds", "audit"):
        assert checks[what].verdict == "skipped", what
        assert checks[what].detail.startswith("not looked at: ")
        assert "where fleet runs" in checks[what].remedy
    assert "TRACEFLEET_NATS_URL" in checks["logins"].detail
    assert f"127.0.0.1:{settings.fleet_metrics_port}" in checks["rounds"].detail
    port = checks[f"port {settings.ingest_metrics_port}"]
    assert (port.verdict, port.detail) == (
        "ok",
        "free here for the metrics of ingest; what runs on another machine is not looked at",
    )


def test_clock_that_differs_is_a_problem() -> None:
    """In either direction, with the amount."""
    assert _clock(timedelta(seconds=-1.5)).verdict == "ok"
    behind, ahead = _clock(timedelta(seconds=90)), _clock(timedelta(seconds=-3))
    assert (behind.verdict, behind.detail) == ("problem", "this machine's is 90.0 s behind the database's")
    assert (ahead.verdict, ahead.detail) == ("problem", "this machine's is 3.0 s ahead of the database's")


def test_port_of_a_stranger_is_a_problem_and_one_of_ours_is_not(settings: Settings) -> None:
    """What serves our metrics is ours; anything else is in the way."""
    registry = CollectorRegistry()
    Gauge("tracefleet_build_info", "Of a service.", registry=registry).set(1)
    server, thread = start_http_server(settings.fleet_metrics_port, "127.0.0.1", registry)
    try:
        with _answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as port:
            checks = _named(settings.model_copy(update={"api_port": port}))
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
    assert checks[f"port {settings.fleet_metrics_port}"].verdict == "ok"
    assert checks[f"port {port}"].verdict == "problem"
    assert "TRACEFLEET_API_PORT" in checks[f"port {port}"].remedy


@pytest.mark.parametrize(
    ("state", "verdict", "detail"),
    [
        ({"heartbeat_at": "now() - interval '2 min'", "reads": "'{scan}'"}, "problem", "w was last heard at "),
        ({"stopped_at": "now()", "reads": "'{scan}'"}, "warning", "w was stopped at "),
        ({"stopped_at": "now()"}, "warning", "w was never subscribed"),
        (
            {"connected": "false", "stopped_reason": "'the broker refused it'"},
            "problem",
            "w runs and is not subscribed",
        ),
    ],
)
def test_worker_that_does_not_read_is_named(
    state: dict[str, str],
    verdict: str,
    detail: str,
    settings: Settings,
    connection: psycopg.Connection[tuple[object, ...]],
) -> None:
    """Gone without a word, stopped, or not served by its broker; each with what to do."""
    row = {"worker": "'w'", "started_at": "now()", "heartbeat_at": "now()", "connected": "true", "unacknowledged": "0"}
    row |= state
    connection.execute(f"INSERT INTO workers ({', '.join(row)}) SELECT {', '.join(row.values())}".encode())
    checks = _named(settings)
    assert checks["worker"].verdict == verdict
    assert checks["worker"].detail.startswith(detail)
    assert ("tracefleet workers forget w" in checks["worker"].remedy) is ("stopped_reason" not in state)
    assert (checks["workers"].verdict, checks["workers"].detail) == ("ok", "no ingest process reads now")


@pytest.mark.parametrize(("rest", "verdict"), [("status", "problem"), ("other", "warning")])
def test_stream_that_nobody_reads_is_named(
    rest: str, verdict: str, settings: Settings, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    """A problem, unless somebody reads whatever nobody else does; by broker, since one is no help at another."""
    for number, (broker, reads) in enumerate(
        (("a:1", ["weighing", "scan", "coldchain"]), ("a:1", ["presence", rest]), ("b:1", ["status", "other"]))
    ):
        connection.execute(
            "INSERT INTO workers (worker, started_at, heartbeat_at, connected, unacknowledged, broker, reads)"
            " VALUES (%s, now(), now(), true, 0, %s, %s)",
            (f"w{number}", broker, reads),
        )
    found = [check for check in examine(settings) if check.what == "streams"]
    assert [check.verdict for check in found] == [verdict, "warning"]
    missing = {"status": "other", "other": "status"}[rest]
    assert found[0].detail.startswith(f"{missing} at a:1: read by no worker that runs")
    assert found[1].detail.startswith("weighing, scan, coldchain, presence at b:1")


def test_broker_lets_in(broker_url: str) -> None:
    """The real one does."""
    assert refusal_of(broker_url) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\x20\x02\x00\x04", "it refuses the user name or password"),
        (b"\x20\x02\x00\x05", "it does not authorise us"),
        (b"\x20\x02\x00\x63", "it answers with code 99"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what listens there is no MQTT broker"),
        (b"", "what listens there is no MQTT broker"),
    ],
)
def test_broker_that_refuses_says_why(answer: bytes, expected: str) -> None:
    """By the return code of its CONNACK, where it is a broker at all."""
    with _answering(answer) as port:
        assert refusal_of(f"mqtt://user:secret@127.0.0.1:{port}") == expected


def test_broker_that_is_not_there_is_a_problem(make_settings: Callable[..., Settings]) -> None:
    """With the setting."""
    check = _named(make_settings(broker_url=SecretStr("mqtt://127.0.0.1:1")))["broker"]
    assert (check.verdict, check.detail) == ("problem", "127.0.0.1:1: Connection refused")
    assert "TRACEFLEET_BROKER_URL" in check.remedy


@pytest.mark.parametrize("healthy", [True, False])
def test_exit_status_and_json_when_doctor_runs(settings: Settings, tmp_path: Path, *, healthy: bool) -> None:
    """0 without a problem and 1 with one; as lines and as JSON."""
    variables = {
        "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
        "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value() if healthy else "mqtt://127.0.0.1:1",
        "TRACEFLEET_API_PORT": str(settings.api_port),
        "TRACEFLEET_INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
        "TRACEFLEET_FLEET_METRICS_PORT": str(settings.fleet_metrics_port),
    }
    command = [sys.executable, "-P", "-m", "deploy.cli", "doctor"]
    lines, as_json = (
        subprocess.run([*command, *more], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        for more in ([], ["--json"])
    )
    checks = json.loads(as_json.stdout)
    assert lines.returncode == as_json.returncode == (0 if healthy else 1), lines.stderr
    assert len(lines.stdout.splitlines()) == len(checks) >= 9
    assert {check["what"]: check["verdict"] for check in checks}["broker"] == ("ok" if healthy else "problem")
