"""The broker stopped, and killed, and started again on its data."""

import signal

import pytest

from tests.faults import reconcile
from tests.faults.conftest import MakeStage
from tests.faults.devices import Devices
from tests.faults.ingest_process import Ingest
from tests.faults.stage import Stage
from tests.faults.tap import Tap
from tests.faults.waiting import until

# ingest waits up to 30 s between two tries, the devices no time at all.
BACK_SECONDS = 45.0
HOWS = {signal.SIGTERM: "broker restarted (SIGTERM)", signal.SIGKILL: "broker killed (SIGKILL)"}


@pytest.mark.parametrize("how", [pytest.param(how, id=how.name, marks=pytest.mark.fault(HOWS[how])) for how in HOWS])
@pytest.mark.every_link
def test_nothing_is_lost_when_the_broker_starts_again(
    make_stage: MakeStage, steady_url: str, how: signal.Signals
) -> None:
    """Devices and ingest come back by themselves, and what the broker has kept is stored."""
    stage = make_stage(steady_url, durable=True)
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate / 4, limit=10**9)
    for _ in range(stage.profile.broker_restarts):
        stage.until_stored(stage.stored() + 100)
        stage.figures.saw_rss(ingest.rss_mb())
        before = tap.connections
        tap.shut()
        stage.broker.end(how)
        until(lambda: not ingest.metric("tracefleet_ingest_connected"), seconds=BACK_SECONDS, what="ingest sees it go")
        stage.broker.start()
        tap.open()
        stage.figures.recovery_seconds.append(
            until(ingest.is_ready, seconds=BACK_SECONDS, what="ingest is subscribed again")
        )
        assert tap.connections > before
    stage.until_stored(stage.stored() + 100)
    stage.figures.saw_rss(ingest.rss_mb())
    stage.figures.restarts = stage.profile.broker_restarts
    assert ingest.starts == 1
    if stage.link.name == "mosquitto" and how == signal.SIGKILL:
        _reckon_what_was_delivered(stage, devices, ingest, tap)
    else:
        stage.reckon(devices, ingest, tap)


def _reckon_what_was_delivered(stage: Stage, devices: Devices, ingest: Ingest, tap: Tap) -> None:
    """Fail when a message is missing that the broker ever delivered.

    Mosquitto acknowledges a message to its device before it saves it, so killed in between it has lost it; that is no
    fault of ingest's, and the report counts it.
    """
    devices.limit = devices.sent
    until(lambda: devices.is_idle, seconds=BACK_SECONDS, what="the broker has acknowledged everything")
    until(
        lambda: (
            not tap.delivered.intersection(reconcile.lost(stage.connection, devices)) and not ingest.unacknowledged()
        ),
        seconds=BACK_SECONDS,
        what="everything delivered is stored",
        poll_seconds=0.5,
    )
    devices.stop()
    lost = reconcile.lost(stage.connection, devices)
    stage.note(devices, reconcile.account(stage.connection))
    stage.reckon_acknowledgements(tap)
    stage.figures.more["acknowledged_by_the_broker_and_lost_by_it"] = len(lost)
    stage.figures.verdict = "nothing that was delivered is lost" if lost else "nothing lost"
