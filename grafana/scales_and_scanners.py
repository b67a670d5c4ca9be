"""The dashboard "Scales and scanners / 追溯秤与扫码": whether what was bought is used."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import units

from grafana.look import WHOLE, renamed, series, stacked_bars
from grafana.page import Section
from grafana.sources import TIMESCALE, sql_series
from grafana.words import TRADES, Say

# Up to a day by the hour, from telemetry; beyond it by the day, from what fleet has rolled up.
TRADES_IN_TIME: Final = """
SELECT bucket_at AS time, sum(sales) AS sales, sum(returns) AS returns, sum(voids) AS voids
FROM grafana_trades_1h
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices
GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(trades), NULL, NULL
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND @devices
GROUP BY bucket_at
ORDER BY 1
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order."""
    yield Section(None, (_trades(say),))


def _trades(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades", "交易笔数"),
        say(
            "Lines weighed on trace scales, by the hour; by the day where the range is longer than one. "
            "A late record counts in the hour it belongs to.",
            "追溯秤的交易行，按小时统计；所选范围超过一天时按日统计。迟到的记录计入其所属小时。",
        ),
        units.Short,
        span=WHOLE,
    ).datasource(TIMESCALE)
    for name, override in renamed(TRADES, say):
        panel.override_by_name(name, override)
    return stacked_bars(panel).interval("1h").with_target(sql_series(TRADES_IN_TIME, say))
