"""The connection to the broker: half open, and taken over by somebody with the same name."""

import socket
import time

import mqtt5
import psycopg
import pytest

from deploy.bench import wire
from tests.faults.conftest import MakeStage
from tests.faults.stage import Stage
from tests.faults.tap import Tap
from tests.faults.waiting import until

# Twice the keep-alive of 15 s, and the broker's and the backoff's share.
NOTICE_SECONDS = 60.0
BACK_SECONDS = 45.0


@pytest.mark.fault("connection to the broker half open")
def test_ingest_notices_a_half_open_connection(make_stage: MakeStage, steady_url: str) -> None:
    """Nothing comes and nobody hangs up: ingest finds out by its keep-alive, connects again, and nothing is lost."""
    stage = make_stage(steady_url)
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate / 4, limit=10**9)
    for _ in range(stage.profile.half_open_times):
        stage.until_stored(stage.stored() + 100)
        stage.figures.saw_rss(ingest.rss_mb())
        before = tap.connections
        assert tap.freeze() == 1
        stage.figures.recovery_seconds.append(
            until(lambda: tap.connections > before, seconds=NOTICE_SECONDS, what="ingest connects again")  # noqa: B023
        )
        until(ingest.is_ready, seconds=BACK_SECONDS, what="ingest is subscribed again")
    stage.until_stored(stage.stored() + 100)
    stage.figures.saw_rss(ingest.rss_mb())
    stage.reckon(devices, ingest, tap)
    assert ingest.starts == 1


@pytest.mark.fault("session taken over")
@pytest.mark.every_link
def test_acknowledgements_stay_on_their_connection_when_the_session_is_taken_over(
    make_stage: MakeStage, steady_url: str
) -> None:
    """Thrown out with messages in hand, ingest comes back, and acknowledges none of them on the new connection."""
    stage = make_stage(steady_url)
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate, limit=10**9)
    for _ in range(stage.profile.takeovers):
        stage.until_stored(stage.stored() + int(stage.profile.rate / 4))
        _take_over_while_nothing_commits(stage, tap, ingest.worker)
        stage.figures.recovery_seconds.append(
            until(ingest.is_ready, seconds=BACK_SECONDS, what="ingest is subscribed again")
        )
    stage.figures.saw_rss(ingest.rss_mb())
    stage.reckon(devices, ingest, tap)
    assert ingest.starts == 1


def _take_over_while_nothing_commits(stage: Stage, tap: Tap, worker: str) -> None:
    """Leave ingest with messages of an old connection to acknowledge once a new one is there.

    The table is locked meanwhile, so their batch cannot commit before: packet ids of the old connection are then in use
    on the new one, for other messages.
    """
    with psycopg.connect(stage.database_url) as holder:
        holder.execute("LOCK TABLE coldchain IN ACCESS EXCLUSIVE MODE")
        held = tap.deliveries.get(tap.connections, 0) + 20
        until(lambda: tap.deliveries.get(tap.connections, 0) >= held, seconds=20, what="ingest holds messages")
        before = tap.connections
        _intrude(stage.broker.port, worker, version=5 if stage.link.name == "mosquitto" else 4)
        until(lambda: tap.connections > before, seconds=BACK_SECONDS, what="ingest connects again")
        until(lambda: tap.deliveries.get(tap.connections, 0) >= 20, seconds=30, what="messages on the new connection")


def _intrude(port: int, client_id: str, *, version: int) -> None:
    """Take the persistent session over, as a second process with the same name would, and be gone at once.

    In the version of MQTT that ingest speaks with this broker: a second ingest would do so, too.
    """
    with socket.create_connection(("127.0.0.1", port), 10) as intruder:
        intruder.sendall(_connect_5(client_id) if version == 5 else _connect_4(client_id))
        answer = intruder.recv(256)
        assert answer[0] == wire.CONNACK
        assert answer[2:4] == b"\x01\x00", "the broker knows the session"
        # Whatever it is given it acknowledges to nobody.
        time.sleep(0.2)


def _connect_4(client_id: str) -> bytes:
    clean = wire.connect(client_id)
    # The flags follow the protocol's name and level: without a clean session, or the session would be thrown away.
    flags = clean.index(b"MQTT\x04") + 5
    return clean[:flags] + b"\x00" + clean[flags + 1 :]


def _connect_5(client_id: str) -> bytes:
    return mqtt5.ConnectPacket(client_id, clean_start=False, keep_alive=15, session_expiry_interval=3600).write()
