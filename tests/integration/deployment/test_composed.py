"""The system of ``deploy/compose.yaml`` from its own settings, secrets, roles and broker, as processes: it works."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.integration.deployment.composed import Composed, a_server, make_secrets
from tests.integration.door.device import Device
from tests.integration.door.world import until

pytestmark = pytest.mark.timeout(240)
CONNECTED = """
SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
LEDGER = "device_no,model_no,site_no,state\nDEVICE-1,M-1,S-1,in_service\n"


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[tuple[Composed, str]]:
    """Nothing of it started yet, and its database as the superuser sees it."""
    make_secrets(tmp_path / "secrets")
    # Not in pytest's own folder: a second run of pytest as root closes that to the server's system user.
    with (
        tempfile.TemporaryDirectory(prefix="tracefleet-test-") as place,
        a_server(Path(place), tmp_path / "secrets") as url,
    ):
        system = Composed(url, tmp_path / "secrets", tmp_path)
        try:
            yield system, url
        finally:
            system.stop()


def test_a_device_is_registered_let_in_and_stored(composed: tuple[Composed, str]) -> None:
    """In the order of compose, each process as its own role, until all say that they do their work."""
    system, superuser_url = composed
    system.run("migrate")
    system.run("broker-config")
    system.start_broker()
    for name in ("ingest", "fleet", "api"):
        system.start(name)
    for name in ("ingest", "fleet", "api"):
        until(partial(system.is_ready, name), what=f"{name} is ready:\n{system.log(name)[-3000:]}")
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        roles = {str(row[0]) for row in connection.execute(CONNECTED)}
        assert roles == {"tracefleet_ingest", "tracefleet_fleet", "tracefleet_api"}
        secret = _register(system, connection)
        until(lambda: _publish(system, secret), what="the device is let in")
        stored = "SELECT count(*) FROM coldchain JOIN devices USING (device_id) WHERE device_no = 'DEVICE-1'"
        until(lambda: connection.execute(stored).fetchone() == (1,), what=f"it is stored:\n{system.log('ingest')}")


def _register(system: Composed, connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """A device in the ledger, by the commands of an administrator in the container of the API; its password."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S-1', '冷库', 'Store', 'cold_store', '410100')"
    )
    connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M-1', 'logger', 'v')")
    (system.home("api") / "devices.csv").write_text(LEDGER, encoding="utf-8")
    imported = system.command("api", "devices", "import", "devices.csv", "--apply")
    assert imported.returncode == 0, imported.stdout + imported.stderr
    issued = system.command("api", "devices", "credential", "DEVICE-1", "--json")
    assert issued.returncode == 0, issued.stderr
    return str(json.loads(issued.stdout)["password"])


def _publish(system: Composed, secret: str) -> bool:
    """Whether the device was let in, and the broker has its message."""
    device = Device(f"mqtt://DEVICE-1:{quote(secret)}@127.0.0.1:{system.mqtt_port}", "DEVICE-1")
    if not device.is_in:
        return False
    record = {"at": datetime.now(UTC).isoformat(), "temperature_c": 2.1}
    message = {"v": 1, "boot": "b", "seq": 1, "records": [record]}
    device.publish("tracefleet/v1/DEVICE-1/coldchain", json.dumps(message).encode())
    device.leave()
    return True
