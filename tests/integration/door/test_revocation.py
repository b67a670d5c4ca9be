"""Whoever loses a right loses the connection: within five seconds, and those who keep theirs keep it."""

import time
from datetime import timedelta

import pytest

from tests.integration.door.device import NOT_AUTHORISED, Device
from tests.integration.door.world import World, until

WITHIN_SECONDS = 5.0


def test_live_connection_is_closed_when_its_credential_is_revoked(world: World) -> None:
    """And does not come back; another device notices nothing."""
    world.register("A")
    world.register("B")
    world.start_fleet()
    of_a, of_b = world.issue("A"), world.issue("B")
    device, other = world.connect(of_a), world.connect(of_b)
    world.revoke("A")
    device.wait_until_closed(seconds=WITHIN_SECONDS)
    assert world.connect(of_a).answer == NOT_AUTHORISED
    assert other.is_in
    other.leave()


@pytest.mark.parametrize("state", ["disposed", "lost", "decommissioned"])
def test_live_connection_is_closed_when_its_device_is_retired(world: World, state: str) -> None:
    """However the state came about."""
    world.register("A")
    fleet = world.start_fleet()
    issued = world.issue("A")
    device = world.connect(issued)
    world.set_state("A", state)
    device.wait_until_closed(seconds=WITHIN_SECONDS)
    assert world.connect(issued).answer == NOT_AUTHORISED
    assert fleet.logins("retired") == 1


def test_live_connection_is_closed_when_its_device_is_deleted(world: World) -> None:
    """It is nobody's then."""
    world.register("A")
    world.start_fleet()
    device = world.connect(world.issue("A"))
    with world.changing() as connection:
        connection.execute("DELETE FROM devices WHERE device_no = 'A'")
    device.wait_until_closed(seconds=WITHIN_SECONDS)


def test_live_connection_ends_with_its_credential(world: World) -> None:
    """The broker itself knows when."""
    world.register("A")
    world.start_fleet()
    begun = time.monotonic()
    issued = world.issue("A", expires_in=timedelta(seconds=2.5))
    device = world.connect(issued)
    assert device.is_in
    device.wait_until_closed(seconds=2.5 + WITHIN_SECONDS)
    assert time.monotonic() - begun > 2.5
    assert world.connect(issued).answer == NOT_AUTHORISED


def test_device_comes_back_with_its_other_credential_when_one_is_revoked(world: World) -> None:
    """The connection is closed, as nobody knows with which it was opened; what is left opens another, for good."""
    world.register("A")
    world.start_fleet()
    first, second = world.issue("A"), world.issue("A")
    device = world.connect(first)
    world.revoke("A", first.credential_id)
    device.wait_until_closed(seconds=WITHIN_SECONDS)
    assert world.connect(first).answer == NOT_AUTHORISED
    again = world.connect(second)
    world.register("C")
    world.issue("C")
    assert again.is_in
    again.leave()


def test_gateway_comes_back_with_other_rights_when_a_device_moves(world: World) -> None:
    """Both gateways do: the old one without it, the new one with it."""
    for number in ("G", "H"):
        world.register(number, kind="gateway")
    world.register("D", gateway="G")
    world.start_fleet()
    of_g, of_h = world.issue("G"), world.issue("H")
    old, new = world.connect(of_g), world.connect(of_h)
    assert old.is_granted("tracefleet/v1/D/command")
    with world.changing() as connection:
        connection.execute(
            "UPDATE devices SET gateway_id = (SELECT device_id FROM devices WHERE device_no = 'H')"
            " WHERE device_no = 'D'"
        )
    for gateway in (old, new):
        gateway.wait_until_closed(seconds=WITHIN_SECONDS)
    old, new = world.connect(of_g), world.connect(of_h)
    assert not old.is_granted("tracefleet/v1/D/command")
    assert new.is_granted("tracefleet/v1/D/command")
    old.leave()
    new.leave()


def test_gateway_is_cut_from_a_device_that_is_retired(world: World) -> None:
    """Nobody speaks in its name any more."""
    world.register("G", kind="gateway")
    world.register("D", gateway="G")
    world.start_fleet()
    issued = world.issue("G")
    gateway = world.connect(issued)
    world.set_state("D", "disposed")
    gateway.wait_until_closed(seconds=WITHIN_SECONDS)
    gateway = world.connect(issued)
    assert gateway.is_in
    assert not gateway.is_granted("tracefleet/v1/D/command")
    gateway.leave()


def test_what_was_revoked_while_no_fleet_ran_is_closed_when_one_starts(world: World) -> None:
    """Also where another credential of the device is good; whose is untouched stays."""
    for device_no in ("A", "B", "C"):
        world.register(device_no)
    fleet = world.start_fleet()
    first, second = world.issue("A"), world.issue("A")
    of_a, of_b, of_c = world.connect(first), world.connect(world.issue("B")), world.connect(world.issue("C"))
    fleet.stop()
    world.revoke("A", first.credential_id)
    world.set_state("B", "disposed")
    world.start_fleet()
    for device in (of_a, of_b):
        device.wait_until_closed(seconds=WITHIN_SECONDS)
    assert of_c.is_in
    assert world.connect(second).is_in
    of_c.leave()


def test_many_are_closed_at_once(world: World) -> None:
    """More than are looked for one by one."""
    numbers = [f"A-{number}" for number in range(40)]
    for device_no in numbers:
        world.register(device_no)
    world.start_fleet()
    secrets = world.issue_many(numbers)
    devices = [Device(world.url_of(device_no, secrets[device_no]), device_no) for device_no in numbers]
    with world.changing() as connection:
        connection.execute("UPDATE devices SET state = 'disposed' WHERE device_no <> 'A-0'")
    for device in devices[1:]:
        device.wait_until_closed(seconds=WITHIN_SECONDS)
    assert devices[0].is_in
    devices[0].leave()


def test_ledger_changes_that_take_no_right_close_nothing(world: World) -> None:
    """A suspended device speaks; a second credential takes nothing from the first."""
    world.register("A")
    world.start_fleet()
    device = world.connect(world.issue("A"))
    world.set_state("A", "suspended")
    world.issue("A")
    world.register("B")
    until(lambda: world.connect(world.issue("B")).is_in, what="the fleet's knowledge of it all")
    assert device.is_in
    device.leave()
