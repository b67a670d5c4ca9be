"""How many devices a second are let in: judged and signed, asked over nats-server, and connected over MQTT for real.

The fleet that is asked is ``tracefleet fleet`` as a process, the broker the embedded one; we are the devices.
"""

import asyncio
import base64
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.bench.children import environment, stop
from deploy.embedded import broker_access
from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.process import end_of
from deploy.mqtt_probe import CONNACK_BYTES, connect_packet
from deploy.ports import free_port
from fleet.acting import Actor, acting
from fleet.identity.accesses import Accesses
from fleet.identity.answers import Issuer
from fleet.identity.bus import BusError, connected
from fleet.identity.callout import QUEUE, Callout
from fleet.identity.credentials import issue_many
from fleet.identity.snapshot import Identities
from fleet.identity.status import ask
from fleet.keys import Keys
from fleet.metrics import Metrics
from store.database import connect_once, connect_service
from store.errors import TracefleetError

HOST: Final = "127.0.0.1"
READY_SECONDS: Final = 120.0
# Questions under way at a time; connections being opened at a time.
AT_ONCE: Final = 256
ACTOR: Final = Actor("tracefleet bench", "the benchmark")
# The rounds that read the whole ledger.
FIRST_ROUNDS: Final = ("census", "days", "health", "verification")
SUCCEEDED: Final = re.compile(
    r'^tracefleet_fleet_sweep_success_timestamp_seconds\{sweep="(\w+)"\} (\S+)$', re.MULTILINE
)
# Where a fleet of the bench answers: on that of the logins nobody but the server may ask.
SUBJECT: Final = "tracefleet.fleet.bench"
SERVER: Final = "NAODKANSD4NHMGFAYIBBXXWNCYZMCLOO7QBPHKB5RMZDMKTEJKHO3XUW"
USER: Final = "UA35TOHDIQWV4YNKQCET6FKBO2OOZ76SN52PQ66BMCD4BBMJRDQVRLWU"
SOME: Final = (
    "SELECT device_no FROM devices WHERE NOT is_retired(state, decommissioned_at) ORDER BY device_id LIMIT %(most)s"
)


def measure_logins(url: str, folder: Path, keys: Keys, *, key_file: Path, devices: int) -> dict[str, Any]:
    """Logins a second of up to *devices* of the ledger at *url*, each once with a credential made for the purpose.

    *keys* are those of *key_file*. Raises TracefleetError when a part does not come up.
    """
    with connect_once(url, application_name="tracefleet bench") as connection:
        with acting(connection, ACTOR, keys=keys, reason="benchmark of logins"):
            numbers = [str(number) for (number,) in connection.execute(SOME, {"most": devices})]
            secrets = issue_many(connection, numbers, now=datetime.now(UTC))
        issuer = Issuer(keys.key(connection, "broker"))
    access = broker_access.prepare(folder / "broker", issuer=issuer.public_key)
    broker = EmbeddedBroker(folder / "broker", free_port(HOST), sync="2m", access=access)
    process = broker.start()
    try:
        broker.wait_ready(process)
        told = asyncio.run(_judge_and_ask(url, broker, issuer, secrets))
        with _fleet(url, broker, folder, key_file) as asked:
            asyncio.run(asked)
            told |= asyncio.run(_connect_all(broker.port, secrets))
    finally:
        stop(process)
    return {"devices": len(secrets)} | told


async def _judge_and_ask(
    url: str, broker: EmbeddedBroker, issuer: Issuer, secrets: Mapping[str, str]
) -> dict[str, float]:
    identities = Identities()
    begun = time.perf_counter()
    async with await connect_service(url, application_name="tracefleet bench") as connection:
        await identities.load(connection)
    loaded_seconds = time.perf_counter() - begun
    callout = Callout(identities, issuer, Accesses(), Metrics.apart())
    questions = [_question(number, secret) for number, secret in secrets.items()]
    begun = time.perf_counter()
    for question in questions:
        callout.answer(question)
    judged_seconds = time.perf_counter() - begun
    async with (
        connected(broker.nats_url or "", name="bench") as asker,
        connected(broker.nats_url or "", name="f") as us,
    ):
        await us.answer(SUBJECT, callout.answer, queue=QUEUE)
        waiting = iter(questions)

        async def ask_some() -> None:
            for question in waiting:
                await asker.ask(SUBJECT, question, seconds=READY_SECONDS)

        begun = time.perf_counter()
        await asyncio.gather(*(ask_some() for _ in range(AT_ONCE)))
        asked_seconds = time.perf_counter() - begun
    return {
        "snapshot_devices": len(identities),
        "snapshot_load_seconds": round(loaded_seconds, 3),
        "judged_per_second": round(len(questions) / judged_seconds),
        "asked_over_nats_per_second": round(len(questions) / asked_seconds),
    }


def _question(device_no: str, secret: str) -> bytes:
    """As nats-server 2.15 asks, but for the signature."""
    claims = {
        "aud": "nats-authorization-request",
        "iss": SERVER,
        "nats": {
            "server_id": {"name": "tracefleet", "host": HOST, "id": SERVER, "version": "2.15.1"},
            "user_nkey": USER,
            "client_info": {
                "host": HOST,
                "id": 34,
                "user": device_no,
                "kind": "Client",
                "type": "mqtt",
                "mqtt_id": device_no,
            },
            "connect_opts": {"auth_token": secret, "user": device_no, "pass": secret, "protocol": 0},
            "type": "authorization_request",
            "version": 2,
        },
    }
    body = base64.urlsafe_b64encode(msgspec.json.encode(claims)).rstrip(b"=")
    return b"head." + body + b".signature"


@contextmanager
def _fleet(url: str, broker: EmbeddedBroker, folder: Path, key_file: Path) -> Iterator[Any]:
    """A fleet process as long as the block runs; what is yielded waits until it answers."""
    port = free_port(HOST)
    given = {
        "TRACEFLEET_DATABASE_URL": url,
        "TRACEFLEET_NATS_URL": broker.nats_url or "",
        "TRACEFLEET_KEY_FILE": str(key_file),
        "TRACEFLEET_DATA_DIR": str(folder / "data"),
        "TRACEFLEET_FLEET_METRICS_PORT": str(port),
    }
    log = folder / "fleet.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.cli", "fleet"],
            stdout=output,
            stderr=output,
            env=environment(given),
            start_new_session=True,
        )
    try:
        yield _until_it_is_well(broker.nats_url or "", port, log)
    finally:
        stop(process)


async def _until_it_is_well(nats_url: str, port: int, log: Path) -> None:
    """Answers, and has had its first rounds: they look at everything there is, once a start."""
    deadline = time.monotonic() + READY_SECONDS
    while not (await _answers(nats_url) and await asyncio.to_thread(_came_round, port)):
        if time.monotonic() > deadline:
            raise TracefleetError(f"the fleet under test does not get ready. The end of {log}:\n{end_of(log)}")
        await asyncio.sleep(0.1)


async def _answers(nats_url: str) -> bool:
    try:
        await ask(nats_url)
    except BusError:
        return False
    return True


def _came_round(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=READY_SECONDS) as answer:
            succeeded = dict(SUCCEEDED.findall(answer.read().decode()))
    except OSError:
        return False
    return all(float(succeeded.get(sweep, 0)) for sweep in FIRST_ROUNDS)


async def _connect_all(port: int, secrets: Mapping[str, str]) -> dict[str, Any]:
    waiting = iter(secrets.items())
    codes: Counter[int] = Counter()

    async def connect_some() -> None:
        for device_no, secret in waiting:
            codes[await _connect(port, device_no, secret)] += 1

    begun = time.perf_counter()
    await asyncio.gather(*(connect_some() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - begun
    if codes[0] != len(secrets):
        raise TracefleetError(f"the broker did not let in everybody: answers by code {dict(codes)}")
    return {"connected_per_second": round(len(secrets) / seconds)}


async def _connect(port: int, device_no: str, secret: str) -> int:
    """The code that the broker answers one CONNECT with; 255 for none."""
    loop = asyncio.get_running_loop()
    # A bare socket: what a stream costs would be taken from the broker and the fleet, who share the cores with us.
    with socket.socket() as link:
        link.setblocking(False)
        try:
            await loop.sock_connect(link, (HOST, port))
            await loop.sock_sendall(link, connect_packet(device_no, device_no, secret))
            answer = b""
            while len(answer) < CONNACK_BYTES and (more := await loop.sock_recv(link, CONNACK_BYTES - len(answer))):
                answer += more
            await loop.sock_sendall(link, b"\xe0\x00")  # DISCONNECT
        except ConnectionError:
            return 255
        return answer[3] if len(answer) == CONNACK_BYTES else 255
