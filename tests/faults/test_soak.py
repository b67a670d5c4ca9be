"""Hours of an ordinary day in small: a steady load for a long time, and nothing that grows."""

import statistics
import time

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.devices import Devices
from tests.faults.ingest_process import Ingest
from tests.faults.stage import Stage
from tests.faults.waiting import until

MAXIMUM_SECONDS = 8.0
# The limit, over the last two thirds. A run of half a minute cannot show a slope as small as that: what the
# allocator takes at its first full batches weighs more there, so the short profile only sees a leak that is large.
SLOPE_MB_PER_MINUTE = {"full": 1.0, "short": 12.0}
SAMPLE_SECONDS = 0.5


@pytest.mark.fault("soak at half of the maximum")
def test_nothing_grows_under_a_steady_load(make_stage: MakeStage, steady_url: str) -> None:
    """Memory flat, descriptors constant, nothing lost."""
    stage = make_stage(steady_url)
    ingest = stage.ingest()
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate, limit=10**9)
    if stage.profile.name == "full":
        stage.figures.more["maximum_messages_per_second"] = maximum = _maximum(stage, devices)
        devices.rate = maximum / 2
    stage.until_stored(stage.stored() + int(devices.rate or 0))
    samples = _sample(stage, ingest, devices)
    slope = _slope_per_minute(samples)
    stage.figures.more["rate_messages_per_second"] = devices.rate
    stage.figures.more["rss_slope_mb_per_minute"] = round(slope, 3)
    stage.figures.more["descriptors"] = sorted({descriptors for _, _, descriptors in samples})
    stage.reckon(devices, ingest)
    assert slope < SLOPE_MB_PER_MINUTE[stage.profile.name]
    # A scrape's own connection comes and goes; the first sample and the last are taken without one.
    assert samples[0][2] == samples[-1][2]
    assert ingest.starts == 1


def _maximum(stage: Stage, devices: Devices) -> float:
    """Messages a second that are stored when the devices send as fast as they get answers; then the backlog is gone."""
    devices.rate = None
    stage.until_stored(stage.stored() + 1)
    before, began = stage.stored(), time.monotonic()
    time.sleep(MAXIMUM_SECONDS)
    rate = (stage.stored() - before) / (time.monotonic() - began)
    devices.rate = 1.0
    until(lambda: stage.stored() >= devices.acknowledged - 2, seconds=120, what="the backlog is gone")
    return round(rate)


def _sample(stage: Stage, ingest: Ingest, devices: Devices) -> list[tuple[float, float, int]]:
    """Seconds, resident MB and descriptors, all along."""
    began = time.monotonic()
    samples: list[tuple[float, float, int]] = []
    while (now := time.monotonic()) - began < stage.profile.soak_seconds:
        assert ingest.process.poll() is None
        samples.append((now - began, ingest.rss_mb(), ingest.descriptors()))
        stage.figures.saw_rss(samples[-1][1])
        time.sleep(SAMPLE_SECONDS)
    behind = devices.acknowledged - stage.stored()
    stage.figures.more["behind_at_the_end_messages"] = behind
    assert behind < 2 * (devices.rate or 0), "ingest falls behind"
    return samples


def _slope_per_minute(samples: list[tuple[float, float, int]]) -> float:
    late = samples[len(samples) // 3 :]
    return statistics.linear_regression([at for at, _, _ in late], [rss for _, rss, _ in late]).slope * 60
