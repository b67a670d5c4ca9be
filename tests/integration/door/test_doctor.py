"""What ``tracefleet doctor`` says of logins."""

from deploy.check import Check
from deploy.doctor import examine
from tests.integration.door.world import World


def logins(world: World) -> Check:
    """The check of them."""
    [check] = [check for check in examine(world.settings) if check.what == "logins"]
    return check


def test_doctor_tells_that_a_fleet_answers(world: World) -> None:
    """And how many devices it knows."""
    world.register("A")
    world.start_fleet()
    check = logins(world)
    assert check.verdict == "ok"
    assert check.detail == f"a fleet that knows 1 device answers at 127.0.0.1:{world.nats_port}"


def test_doctor_tells_that_no_fleet_answers(world: World) -> None:
    """With what to do."""
    check = logins(world)
    assert check.verdict == "problem"
    assert check.detail == f"127.0.0.1:{world.nats_port}: nobody answers there"
    assert "tracefleet fleet" in check.remedy


def test_doctor_tells_that_the_broker_is_away(world: World) -> None:
    """In a sentence, without the password."""
    world.stop_broker()
    check = logins(world)
    assert check.verdict == "problem"
    assert world.broker.access is not None
    assert world.broker.access.passwords["fleet"] not in check.detail
