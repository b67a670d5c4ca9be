"""The broker of ``deploy/kubernetes``: it really runs, lets devices in, and loses nothing with one of its three."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiomqtt
import psycopg
import pytest
import yaml
from pydantic import SecretStr

from fleet.acting import Actor, acting
from fleet.identity.broker import issuer_of
from fleet.identity.credentials import issue
from fleet.identity.status import ask
from fleet.keys import Keys
from store.settings import Settings
from tests.integration.deployment.cluster import BASE, Cluster, Node, a_cluster
from tests.integration.door.device import Device
from tests.integration.door.world import Fleet, until

TOPIC = "tracefleet/v1/DEVICE-1/scan"
FILTER = "tracefleet/v1/+/+"
# An election after the loss takes some 6 s, on a machine that is busy much longer.
LIMIT_SECONDS = 60.0


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Of the database and the key that the cluster's issuer belongs to."""
    return Settings(database_url=SecretStr(database_url), data_dir=tmp_path / "data")


@pytest.fixture
def cluster(settings: Settings, tmp_path: Path) -> Iterator[Cluster]:
    """Three servers, running."""
    with a_cluster(tmp_path / "nats", issuer_of(settings).public_key) as running:
        yield running


def _client(node: Node, name: str) -> aiomqtt.Client:
    parts = urlsplit(node.url("ingest"))
    return aiomqtt.Client(
        parts.hostname or "",
        parts.port or 0,
        username=parts.username,
        password=parts.password,
        identifier=name,
        clean_session=False,
        timeout=5,
    )


async def _subscribe(node: Node) -> None:
    async with _client(node, "ingest-1") as client:
        await client.subscribe(FILTER, qos=1)


async def _publish(node: Node, numbers: range) -> None:
    async with _client(node, "sender") as client:
        for number in numbers:
            await client.publish(TOPIC, str(number), qos=1, timeout=5)


async def _insist(asked: Callable[[], Awaitable[None]]) -> None:
    """As a device does: again, until it is answered. A cluster that was just started makes its streams first."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                await asked()
            except aiomqtt.MqttError:
                continue
            return


async def _collect(node: Node, expected: set[str]) -> set[str]:
    """What the kept session of ingest-1 is sent, until it is all that is expected."""
    found: set[str] = set()
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                async with _client(node, "ingest-1") as client:
                    await client.subscribe(FILTER, qos=1)
                    async for message in client.messages:
                        found.add(bytes(message.payload).decode())
                        if found >= expected:
                            return found
            except aiomqtt.MqttError:
                continue


def test_what_was_acknowledged_survives_the_loss_of_one_of_three(cluster: Cluster) -> None:
    """The one that held the session is killed; the others go on, deliver everything, and it comes back to them."""
    first, second, third = cluster.nodes

    async def story() -> set[str]:
        await _insist(lambda: _subscribe(first))
        await _insist(lambda: _publish(second, range(100)))
        cluster.kill(first)
        await _insist(lambda: _publish(second, range(100, 101)))
        return await _collect(third, {str(number) for number in range(101)})

    assert asyncio.run(story()) == {str(number) for number in range(101)}
    cluster.start(first)
    cluster.wait_ready(first)


def test_every_stream_of_mqtt_is_kept_three_times(cluster: Cluster) -> None:
    """Sessions, messages and what is retained: each on all three nodes."""
    asyncio.run(_insist(lambda: _subscribe(cluster.nodes[0])))
    wanted = dict.fromkeys(("$MQTT_sess", "$MQTT_msgs", "$MQTT_rmsgs", "$MQTT_out"), 3)
    until(lambda: wanted.items() <= _copies(cluster).items(), what="leaders and replicas", seconds=LIMIT_SECONDS)


def _copies(cluster: Cluster) -> dict[str, int]:
    """How many nodes have each stream, as its leader, which alone knows, says."""
    copies = {}
    for node in cluster.nodes:
        url = f"http://127.0.0.1:{node.ports[8222]}/jsz?streams=true"
        with urllib.request.urlopen(url, timeout=5) as answer:
            accounts = json.load(answer).get("account_details", [])
        for stream in (stream for account in accounts for stream in account["stream_detail"]):
            if stream["cluster"]["leader"] == node.name:
                replicas = stream["cluster"].get("replicas", [])
                copies[stream["name"]] = 1 + sum(replica["current"] for replica in replicas)
    return copies


def test_every_probe_of_the_pod_is_answered(cluster: Cluster) -> None:
    """By each of the paths that the manifest names, at the port that it names."""
    manifest = next(yaml.safe_load_all((BASE / "nats.yaml").read_text(encoding="utf-8")))
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["port"] for probe in probes} == {8222}
    node = cluster.nodes[0]
    for probe in probes:
        assert node.answers(probe["path"]), probe["path"]
    assert not node.answers("/nothing-of-the-kind")


def test_a_device_enters_at_any_node_with_fleet_at_another(
    cluster: Cluster, settings: Settings, connection: psycopg.Connection[Any]
) -> None:
    """The question goes through the cluster; a wrong password is refused."""
    first, second, _ = cluster.nodes
    keys = Keys.of(settings)
    with acting(connection, Actor("tester", "a test"), keys=keys, reason="a test"):
        connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
            " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
        )
        connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('m', 'logger', 'v')")
        connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id)"
            " SELECT 'DEVICE-1', m.model_id, s.site_id FROM models m, sites s"
        )
        issued = issue(connection, "DEVICE-1", now=datetime.now(UTC))
    fleet = Fleet(settings.model_copy(update={"nats_url": SecretStr(first.nats_url)}))
    try:
        fleet.wait_ready()
        until(
            lambda: asyncio.run(ask(second.nats_url)).newest_credential_id >= issued.credential_id,
            what="it knows",
            seconds=LIMIT_SECONDS,
        )
        entrance = f"mqtt://DEVICE-1:{{}}@127.0.0.1:{second.ports[1883]}"
        assert Device(entrance.format(quote(issued.secret)), "DEVICE-1").is_in
        assert not Device(entrance.format("wrong"), "DEVICE-1").is_in
    finally:
        fleet.stop()
