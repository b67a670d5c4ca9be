"""Simulated devices before a broker that asks who they are."""

import asyncio

import pytest
from pydantic import SecretStr

from deploy.simulator import service
from deploy.simulator.tally import Tally
from store.errors import TracefleetError
from tests.integration.door.world import World, until

OF_THIS_RUN = "SELECT count(*) FROM credentials WHERE note = 'tracefleet simulate' AND revoked_at IS NULL"


def simulate(world: World, **given: object) -> Tally:
    """The account of a short run."""
    settings = world.settings.model_copy(update={"broker_url": SecretStr(world.broker.url)})
    options: dict[str, object] = {"devices": 12, "rate": 60, "seconds": 4, "faults": "none"}
    return asyncio.run(service.run(settings, **options | given))  # type: ignore[arg-type]


def test_each_device_logs_in_with_a_credential_of_its_own(world: World) -> None:
    """Made for this run; strangers have none and are refused, and an earlier run's are revoked."""
    fleet = world.start_fleet()
    tally = simulate(world, strangers=2)
    assert tally.totals().records > 0
    assert fleet.logins("admitted") == tally.connections == 12
    assert fleet.logins("unknown_device") >= 2
    assert fleet.logins("wrong_secret") == 0
    simulate(world, seconds=1)
    assert world.connection.execute(OF_THIS_RUN).fetchone() == (12,)


def test_devices_that_share_a_connection_use_our_own_user(world: World) -> None:
    """As behind a bridge that is trusted; who is alone on a line logs in as itself."""
    fleet = world.start_fleet()
    tally = simulate(world, connections=5)
    assert tally.totals().records > 0
    assert tally.connections == 5
    assert fleet.logins("admitted") == 0
    assert world.connection.execute(OF_THIS_RUN).fetchone() == (0,)


def test_two_hundred_devices_come_up_at_the_usual_pace(world: World) -> None:
    """Four hundred a second, none refused but the one that is retired and still plugged in."""
    fleet = world.start_fleet()
    tally = simulate(world, devices=200, seconds=7)
    until(lambda: fleet.logins("admitted") >= tally.connections, what="every login")
    assert tally.connections >= 190
    refused = ("no_credentials", "unknown_device", "wrong_secret", "revoked", "expired", "wrong_client_id")
    assert {fleet.logins(reason) for reason in refused} == {0}
    assert fleet.logins("retired") > 0


def test_run_without_a_fleet_says_so(world: World) -> None:
    """Rather than knock for ever."""
    with pytest.raises(TracefleetError, match=r"the fleet that lets devices in .* is not ready: nobody answers there"):
        simulate(world)
