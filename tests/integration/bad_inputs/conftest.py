"""A database that lives as long as a file of cases, since one ingest is sent them all."""

import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.settings import Settings
from tests.conftest import end, free_port, fresh_database
from tests.integration.bad_inputs.process import until

pytest.register_assert_rewrite("tests.integration.bad_inputs.checks")


@pytest.fixture(scope="module")
def module_settings(server_url: str, template_database: str, broker_url: str) -> Iterator[Settings]:
    """Settings for a migrated database of the module's own."""
    for url in fresh_database(server_url, template=template_database):
        yield Settings(
            database_url=url,
            broker_url=broker_url,
            ingest_metrics_port=free_port(),
            ingest_worker=f"t-{uuid.uuid4().hex[:16]}",
        )


@pytest.fixture
def mosquitto_url(tmp_path: Path) -> Iterator[str]:
    """A Mosquitto of the test's own, where the package is installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    # Its default queue of 1,000 messages drops the surplus silently; this file tests input, not that.
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", encoding="utf-8")
    with (tmp_path / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
    try:
        assert until(lambda: _listens(port), 20), (tmp_path / "mosquitto.log").read_text(encoding="utf-8")
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
