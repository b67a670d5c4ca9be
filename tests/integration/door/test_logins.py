"""Who is let in by the real broker, who is not, and what is remembered of both."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from deploy.embedded.broker import EmbeddedBroker
from fleet.identity.outsiders import look
from tests.conftest import end
from tests.faults.proxy import Proxy
from tests.integration.door.device import NOT_AUTHORISED, Device
from tests.integration.door.world import World, until

ADMITTED = """
SELECT a.accesses, host(a.host::inet), u.last_host FROM device_accesses AS a JOIN devices AS d USING (device_id)
JOIN credentials AS c USING (device_id) JOIN credential_uses AS u USING (credential_id) WHERE d.device_no = %s
"""
REFUSED = """
SELECT r.username, r.client_id, r.host, d.device_no, r.accesses FROM refused_accesses AS r
LEFT JOIN devices AS d USING (device_id) WHERE r.reason = %s AND r.username = %s AND r.client_id = %s
"""


def remembered(world: World, query: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of *query*, as soon as there are some."""
    until(lambda: world.connection.execute(query, values).fetchall(), what="a row")
    return world.connection.execute(query, values).fetchall()


def test_device_with_its_credential_is_let_in(world: World) -> None:
    """And where it came from is remembered, with its credential's last use."""
    world.register("A")
    fleet = world.start_fleet()
    device = world.connect(world.issue("A"))
    assert device.is_in
    assert remembered(world, ADMITTED, "A") == [(1, "127.0.0.1", "127.0.0.1")]
    assert fleet.logins("admitted") == 1
    device.leave()


@pytest.mark.parametrize(
    ("username", "secret", "client_id", "reason", "device_no"),
    [
        (None, None, "A", "no_credentials", None),
        ("A", None, "A", "no_credentials", "A"),
        ("A", "wrong", "A", "wrong_secret", "A"),
        ("X", "wrong", "X", "unknown_device", None),
        ("a", "{secret}", "a", "unknown_device", None),
        ("A' OR 1=1 --", "{secret}", "A", "unknown_device", None),
        ("*", "{secret}", "A", "unknown_device", None),
        ("A", "{secret}", "B", "wrong_client_id", "A"),
        ("A", "{secret}", "a", "wrong_client_id", "A"),
        ("A", "{secret}", "ingest-1", "wrong_client_id", "A"),
        ("x" * 300, "y", "z" * 300, "unknown_device", None),
    ],
)
def test_anybody_else_is_refused(
    shared: World, username: str | None, secret: str | None, client_id: str, reason: str, device_no: str | None
) -> None:
    """Told alike, whatever the reason; the reason is remembered, with names cut to 64 characters."""
    [fleet] = shared.fleets
    before = fleet.logins(reason)
    right = shared.issue("A").secret
    device = Device(shared.url_of(username, secret and secret.format(secret=right)), client_id)
    assert device.answer == NOT_AUTHORISED
    assert fleet.logins(reason) == before + 1
    names = ((username or "")[:64], client_id[:64])
    assert remembered(shared, REFUSED, reason, *names) == [(*names, "127.0.0.1", device_no, 1)]


def test_who_gives_no_name_at_all_is_no_stranger(world: World) -> None:
    """The broker makes a name up at each connect: they are counted together, and nobody is asked to register them."""
    fleet = world.start_fleet()
    for _ in range(3):
        assert Device(world.url_of(None, None), "").answer == NOT_AUTHORISED
    assert Device(world.url_of(None, None), "TD-410100-TH-000777-6").answer == NOT_AUTHORISED
    assert fleet.logins("no_credentials") == 4
    named = "no_credentials", "", "TD-410100-TH-000777-6"
    assert remembered(world, REFUSED, *named) == [(*named[1:], "127.0.0.1", None, 1)]
    assert [row[4] for row in remembered(world, REFUSED, "no_credentials", "", "")] == [3]
    assert [row["device_no"] for row in look(world.connection, "strangers").rows] == ["TD-410100-TH-000777-6"]


def test_revoked_credential_is_refused(world: World) -> None:
    """Another one of the same device is not."""
    world.register("A")
    first, second = world.issue("A"), world.issue("A")
    world.revoke("A", first.credential_id)
    fleet = world.start_fleet()
    assert world.connect(first).answer == NOT_AUTHORISED
    assert fleet.logins("revoked") == 1
    device = world.connect(second)
    assert device.is_in
    device.leave()


def test_expired_credential_is_refused(world: World) -> None:
    """From its last second on."""
    world.register("A")
    issued = world.issue("A", expires_in=timedelta(milliseconds=1))
    fleet = world.start_fleet()
    assert world.connect(issued).answer == NOT_AUTHORISED
    assert fleet.logins("expired") == 1


@pytest.mark.parametrize("state", ["disposed", "lost"])
def test_retired_device_is_refused(world: World, state: str) -> None:
    """Whatever it has."""
    world.register("A")
    issued = world.issue("A")
    world.set_state("A", state)
    fleet = world.start_fleet()
    assert world.connect(issued).answer == NOT_AUTHORISED
    assert fleet.logins("retired") == 1


def test_device_without_the_clients_id_is_refused_over_nats(world: World) -> None:
    """There is no client id, and no device has a business there."""
    world.register("A")
    fleet = world.start_fleet()
    issued = world.issue("A")
    assert world.speaks_nats("A", issued.secret) is False
    until(lambda: fleet.logins("wrong_client_id") > 0, what="the refusal")


def test_two_fleets_share_the_logins_and_either_suffices(world: World) -> None:
    """One may stop at any time."""
    world.register("A")
    first, second = world.start_fleet(), world.start_fleet()
    issued = world.issue("A")

    def both_were_asked() -> bool:
        world.connect(issued).leave()
        return bool(first.logins("admitted") and second.logins("admitted"))

    until(both_were_asked, what="a login answered by each")
    first.stop()
    before = second.logins("admitted")
    device = world.connect(issued)
    assert device.is_in
    assert second.logins("admitted") == before + 1
    device.leave()


def test_nobody_new_comes_in_while_no_fleet_runs_and_who_is_in_stays(world: World) -> None:
    """Our own services come and go as they like; devices do again when a fleet is back."""
    world.register("A")
    world.register("B")
    fleet = world.start_fleet()
    of_a, of_b = world.issue("A"), world.issue("B")
    device = world.connect(of_a)
    fleet.stop()
    assert not world.connect(of_b).is_in
    ear = world.service("tracefleet/v1/#")
    device.publish("tracefleet/v1/A/status", b"still here")
    ear.wait(lambda: ("tracefleet/v1/A/status", b"still here") in ear.heard, what="the word of who stayed")
    world.start_fleet()
    other = world.connect(of_b)
    assert other.is_in
    assert device.is_in
    for each in (device, other, ear):
        each.leave()


def test_known_devices_are_let_in_while_the_database_is_away(world: World) -> None:
    """By the last snapshot; what could not be written down is written when it is back."""
    world.register("A")
    url = world.settings.require_database_url()
    where = urlsplit(url)
    with Proxy(where.port or 5432, host=where.hostname or "127.0.0.1") as link:
        through = url.replace(f":{where.port}/", f":{link.port}/").replace("@localhost", "@127.0.0.1")
        fleet = world.start_fleet(database_url=SecretStr(through))
        issued = world.issue("A")
        link.shut()
        link.cut_all()
        device = world.connect(issued)
        assert device.is_in
        until(lambda: fleet.checks.readiness()["accesses"], what="word that the database is away")
        link.open()
        assert remembered(world, ADMITTED, "A") == [(1, "127.0.0.1", "127.0.0.1")]
        device.leave()
        fleet.stop()


def test_fleet_finds_the_broker_again_when_it_was_away(world: World) -> None:
    """A broker that stops and starts is answered again."""
    world.register("A")
    fleet = world.start_fleet()
    issued = world.issue("A")
    world.stop_broker()
    until(lambda: fleet.checks.readiness()["logins"], what="word that the broker is away")
    world.start_broker()
    fleet.wait_ready()
    device = world.connect(issued)
    assert device.is_in
    device.leave()


def test_messages_that_waited_before_the_broker_asked_are_there_afterwards(world: World) -> None:
    """A data folder of a release that let everybody in keeps its sessions, and what waits in them."""
    world.stop_broker()
    open_to_all = EmbeddedBroker(world.broker.folder, world.broker.port, sync="2m")
    process = open_to_all.start()
    open_to_all.wait_ready(process)
    ingest = Device(open_to_all.url, "ingest-1", clean=False)
    assert ingest.is_granted("tracefleet/v1/#")
    ingest.leave()
    device = Device(open_to_all.url, "A")
    device.publish("tracefleet/v1/A/status", b"from before")
    device.leave()
    end(process)
    world.start_broker()
    ingest = Device(world.broker.url, "ingest-1", clean=False)
    ingest.wait(lambda: ingest.heard == [("tracefleet/v1/A/status", b"from before")], what="what waited")
    ingest.leave()
