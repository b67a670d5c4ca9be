"""When the broker's certificate ends, as both sessions and doctor see it over TLS."""

import asyncio
import getpass
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy import broker_certificate
from deploy.bench.brokers import _mosquitto
from deploy.embedded.process import spawn, wait_until
from deploy.ports import free_port, is_free
from ingest.aiomqtt_session import AiomqttSession
from ingest.broker_certificate import ends_seconds
from ingest.inbox import Inbox
from ingest.mqtt5_session import Mqtt5Session
from ingest.subscription import Subscription
from store import stopping
from store.peer import peer_of
from store.settings import Settings
from tests.conftest import end

DAYS = 40
LIMIT_SECONDS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that is its own authority."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    folder = tmp_path_factory.mktemp("certificate")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-addext", "subjectAltName=IP:127.0.0.1")
    command = [openssl, "req", "-x509", *new, "-keyout", "key.pem", "-out", "cert.pem", "-days", str(DAYS)]
    subprocess.run([*command, "-subj", "/CN=broker"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def broker_over_tls(folder: Path) -> Iterator[str]:
    """The URL of a Mosquitto that shows it."""
    program = _mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed here: apt-get install mosquitto")
    port = free_port("127.0.0.1")
    config = folder / "mosquitto.conf"
    config.write_text(
        f"user {getpass.getuser()}\nallow_anonymous true\nlistener {port} 127.0.0.1\n"
        f"certfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n",
        encoding="utf-8",
    )
    process = spawn([program, "-c", str(config)], log=folder / "mosquitto.log")
    try:
        assert wait_until(lambda: not is_free("127.0.0.1", port), process, seconds=15)
        yield f"mqtts://127.0.0.1:{port}"
    finally:
        end(process)


@pytest.fixture(autouse=True)
def _trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_session_knows_when_it_ends(version: str, broker_over_tls: str) -> None:
    """Once it is connected; before, it knows of none."""
    inbox = Inbox(limit_bytes=1000, on_room=lambda: None)
    peer, subscription = peer_of(broker_over_tls), Subscription()
    session: Mqtt5Session | AiomqttSession
    if version == "5":
        session = Mqtt5Session(peer, client_id="c5", subscription=subscription, inbox=inbox, window=10)
    else:
        session = AiomqttSession(peer, client_id="c3", subscription=subscription, inbox=inbox)
    assert session.certificate_ends_seconds == 0
    running = asyncio.create_task(session.run())
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not session.connected:  # noqa: ASYNC110 - a session sets no event
                await asyncio.sleep(0.02)
    finally:
        await stopping.end(running)
    assert session.certificate_ends_seconds == pytest.approx(time.time() + DAYS * 86_400, abs=600)


def test_doctor_sees_it(broker_over_tls: str, make_settings: Callable[..., Settings]) -> None:
    """With the days that are left."""
    settings = make_settings(broker_url=SecretStr(broker_over_tls))
    [check] = broker_certificate.broker_certificate(settings)
    assert check.verdict == "ok"
    assert check.detail.endswith(f"holds for {DAYS - 1} days")
    assert broker_certificate.judged("b:8883", 3 * 86_400.0).verdict == "problem"


def test_doctor_says_of_one_that_is_not_trusted(
    broker_over_tls: str, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason of the library, and what to do."""
    monkeypatch.delenv("SSL_CERT_FILE")
    [check] = broker_certificate.broker_certificate(make_settings(broker_url=SecretStr(broker_over_tls)))
    assert check.verdict == "problem"
    assert "self-signed certificate" in check.detail
    assert "TRACEFLEET_BROKER_URL" in check.remedy


def test_end_of_what_is_no_certificate_is_zero() -> None:
    """Without TLS, or of a peer that was not verified."""
    assert (ends_seconds(None), ends_seconds({})) == (0, 0)
    assert ends_seconds({"notAfter": "Nov 28 08:00:00 2026 GMT"}) == ssl.cert_time_to_seconds(
        "Nov 28 08:00:00 2026 GMT"
    )
