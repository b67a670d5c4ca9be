"""Devices that prove themselves by a client certificate, over TLS to the real broker."""

import hashlib
import shutil
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.embedded.process import spawn
from fleet.identity.credentials import add_certificate
from tests.integration.door.device import NOT_AUTHORISED, Device
from tests.integration.door.world import World, until

WITHIN_SECONDS = 5.0
TLS = """mqtt {{
    tls {{
        cert_file: "{folder}/server.pem", key_file: "{folder}/server.key"
        ca_file: "{folder}/ca.pem", verify: true
    }}"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and the broker's and device A's certificates by it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    folder = tmp_path_factory.mktemp("certificates")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")
    for name in ("server", "A"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return folder


@pytest.fixture
def over_tls(world: World, certificates: Path) -> World:
    """The world, its broker asking for certificates."""
    world.stop_broker()
    config = world.broker.folder / "nats.conf"
    config.write_text(config.read_text(encoding="utf-8").replace("mqtt {", TLS.format(folder=certificates)))
    program = str(Path(sys.executable).with_name("nats-server"))
    world.process = spawn([program, "--config", str(config)], log=world.broker.log)
    world.broker.wait_ready(world.process)
    return world


def knock(world: World, folder: Path, client_id: str, username: str | None = None, secret: str | None = None) -> Device:
    """Somebody with A's certificate."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "A.pem", folder / "A.key")
    return Device(world.url_of(username, secret), client_id, tls=context)


def test_device_is_let_in_by_its_certificate_until_it_is_revoked(over_tls: World, certificates: Path) -> None:
    """With a name or without; under its own client id alone, and not beside a wrong secret."""
    for device_no in ("A", "B"):
        over_tls.register(device_no)
    pem = (certificates / "A.pem").read_text(encoding="utf-8")
    with over_tls.changing() as connection:
        sha256 = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
        credential_id = add_certificate(connection, "A", sha256, now=datetime.now(UTC))
    over_tls.start_fleet()
    assert knock(over_tls, certificates, "B").answer == NOT_AUTHORISED
    assert knock(over_tls, certificates, "B", "B").answer == NOT_AUTHORISED
    assert knock(over_tls, certificates, "A", "A", "wrong").answer == NOT_AUTHORISED
    named = knock(over_tls, certificates, "A", "A")
    assert named.is_in
    named.leave()
    nameless = knock(over_tls, certificates, "A")
    assert nameless.is_granted("tracefleet/v1/A/command")
    over_tls.revoke("A", credential_id)
    nameless.wait_until_closed(seconds=WITHIN_SECONDS)
    until(lambda: knock(over_tls, certificates, "A").answer == NOT_AUTHORISED, what="the refusal")
