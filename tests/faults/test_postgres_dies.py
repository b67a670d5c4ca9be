"""PostgreSQL killed and started again on the same data, and PostgreSQL that stops answering without a word."""

import random
import time

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.devices import Devices
from tests.faults.ingest_process import Ingest
from tests.faults.server import Server
from tests.faults.stage import Stage
from tests.faults.tap import Tap
from tests.faults.waiting import keeps, until

SEED = 20261124
# bad-inputs.md: full speed within 10 s of the database's return.
RECOVERY_SECONDS = 10.0
# What the window of 4,096 messages may cost at most, at 8 KiB each with everything made of them.
GROWTH_MB = 33.0


@pytest.mark.fault("PostgreSQL killed (SIGKILL)")
def test_nothing_is_lost_when_postgres_is_killed(make_stage: MakeStage, own_server: Server) -> None:
    """Its postmaster dies at seeded moments; on the same data it comes back, and ingest goes on by itself."""
    stage = make_stage(own_server.url)
    dice = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate, limit=10**9)
    first = ingest.process.pid
    stage.figures.saw_rss(ingest.rss_mb())
    for _ in range(stage.profile.server_kills):
        stage.until_stored(stage.stored() + int(stage.profile.rate * dice.uniform(0.2, 1.2)))
        own_server.kill()
        until(lambda: ingest.complains_of("batches cannot be written"), seconds=20, what="/readyz says so")
        own_server.start()
        stage.reconnect()
        before = stage.stored()
        stage.figures.recovery_seconds.append(stage.until_stored(before + 1, seconds=RECOVERY_SECONDS))
        stage.figures.saw_rss(ingest.rss_mb())
    until(ingest.is_ready, seconds=20, what="ingest is ready again")
    stage.figures.restarts = stage.profile.server_kills
    stage.reckon(devices, ingest, tap)
    assert (ingest.starts, ingest.process.pid) == (1, first)


@pytest.mark.fault("PostgreSQL frozen (SIGSTOP)")
def test_memory_is_bounded_and_nothing_acknowledged_while_postgres_is_frozen(
    make_stage: MakeStage, steady_server: Server
) -> None:
    """Nothing is acknowledged, memory stays within the window, and full speed is back within 10 s of its return."""
    stage = make_stage(steady_server.url)
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate, limit=10**9)
    stage.until_stored(int(3 * stage.profile.rate))
    stage.figures.saw_rss(ingest.rss_mb())
    steady_server.freeze()
    try:
        _hold_still(stage, ingest, tap)
    finally:
        steady_server.thaw()
    _regain(stage, devices, stage.profile.rate)
    stage.figures.saw_rss(ingest.rss_mb())
    stage.reckon(devices, ingest, tap)
    assert (stage.figures.rss_most_mb or 0) - (stage.figures.rss_before_mb or 0) < GROWTH_MB
    assert ingest.starts == 1


def _hold_still(stage: Stage, ingest: Ingest, tap: Tap) -> None:
    # What was committed just before is acknowledged in this second still.
    time.sleep(1)
    acknowledged = tap.acknowledged

    def stands_still() -> bool:
        stage.figures.saw_rss(ingest.rss_mb())
        return tap.acknowledged == acknowledged and ingest.process.poll() is None

    keeps(stands_still, seconds=stage.profile.away_seconds - 1, what="ingest acknowledges nothing")
    stage.figures.more["unacknowledged_at_most"] = ingest.unacknowledged()


def _regain(stage: Stage, devices: Devices, rate: float) -> None:
    """Return when as many messages are stored in a second as come in; note when that second began."""
    began = time.monotonic()
    looks = [(began, stage.stored())]

    def is_at_full_speed() -> bool:
        looks.append((time.monotonic(), stage.stored()))
        return _full_speed(looks, rate) > 0

    until(
        is_at_full_speed,
        seconds=RECOVERY_SECONDS,
        what="ingest stores as many messages as come in",
        poll_seconds=0.05,
    )
    stage.figures.recovery_seconds.append(_full_speed(looks, rate) - began)
    until(lambda: stage.stored() >= devices.acknowledged - rate, seconds=60, what="the backlog is gone")
    stage.figures.more["backlog_gone_after_seconds"] = round(time.monotonic() - began, 1)


def _full_speed(looks: list[tuple[float, int]], rate: float) -> float:
    """When the first stretch of a second or more at the full rate began; 0 while there is none."""
    for at, stored in looks:
        later = next((look for look in looks if look[0] >= at + 1), None)
        if later is not None and later[1] - stored >= rate * 0.95 * (later[0] - at):
            return at
    return 0.0
