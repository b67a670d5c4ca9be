"""The dashboard "Device detail / 设备详情": a device, whether it is heard first."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import units

from grafana.look import WHOLE, series, stacked_bars
from grafana.page import Section
from grafana.sources import TIMESCALE, sql_series
from grafana.words import Say

SLOTS: Final = """
SELECT bucket_at AS time, device_no AS metric, sum(slots) AS slots
FROM grafana_presence_1h
WHERE @days AND $__timeFilter(bucket_at) AND @devices
  AND device_no IN (SELECT device_no FROM grafana_devices WHERE @devices ORDER BY device_no LIMIT 20)
GROUP BY bucket_at, device_no ORDER BY bucket_at, device_no
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order."""
    yield Section(None, (_slots(say),))


def _slots(say: Say) -> timeseries.Panel:
    panel = series(
        say("5-minute slots heard per hour", "每小时在线时隙数"),
        say(
            "A device counts once in each 5 minutes in which it was heard live, at most 12 an hour. "
            "Backlogs count nothing; the hour that runs is not full yet. The first 20 devices chosen.",
            "设备在每个 5 分钟时隙内有实时数据即计 1，每小时最多 12。补传数据不计；当前小时尚未满。"
            "仅显示所选的前 20 台。",
        ),
        units.Short,
        span=WHOLE,
    ).datasource(TIMESCALE)
    return stacked_bars(panel).interval("1h").with_target(sql_series(SLOTS, say))
