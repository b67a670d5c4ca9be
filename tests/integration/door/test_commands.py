"""What the commands print, tried on the real broker as an installer tries it."""

import shlex
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from ingest.decode import decode
from store.records import TELEMETRY
from tests.integration.door.world import LIMIT_SECONDS, World, until


@pytest.fixture
def printed(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of the command that `devices credential` prints for device A."""
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed here: apt-get install mosquitto-clients")
    world.register("A")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", world.settings.require_database_url())
    monkeypatch.setenv("TRACEFLEET_DATA_DIR", str(world.settings.data_dir))
    monkeypatch.setenv("TRACEFLEET_BROKER_URL", world.broker.url)
    made = CliRunner().invoke(app, ["devices", "credential", "A"])
    [line] = [line for line in made.stdout.splitlines() if "mosquitto_pub" in line]
    return shlex.split(line)


def _speaks(words: list[str]) -> bool:
    return subprocess.run(words, capture_output=True, timeout=LIMIT_SECONDS, check=False).returncode == 0


def test_printed_command_speaks_until_the_device_is_revoked(world: World, printed: list[str]) -> None:
    """As it stands there; within 5 s of the revocation it does not any more."""
    world.start_fleet()
    ours = world.service("tracefleet/v1/A/status")
    assert _speaks(printed)
    ours.wait(lambda: ours.heard, what="the message")
    message = decode(ours.heard[0][1], TELEMETRY["status"], datetime.now(UTC))
    assert (len(message.readings), [*message.refusals]) == (1, [])
    assert CliRunner().invoke(app, ["devices", "revoke", "A", "--reason", "stolen"]).exit_code == 0
    until(lambda: not _speaks(printed), what="the end of the credential", seconds=5)
    ours.leave()
