"""The account of ingest as the database keeps it, minute by minute: every record that came has one outcome."""

from typing import Final

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import units

from grafana.look import THIRD, coloured, renamed, series, stacked_bars
from grafana.sources import TIMESCALE, sql_series
from grafana.words import OUTCOMES, Say

# It goes on where a restart of ingest starts its counters anew.
ACCOUNT: Final = """
SELECT $__timeGroup(bucket_at, $__interval) AS time,
       sum(stored) * 60000.0 / $__interval_ms AS stored,
       sum(duplicate) * 60000.0 / $__interval_ms AS duplicate,
       sum(conflict) * 60000.0 / $__interval_ms AS conflict,
       sum(dead_lettered) * 60000.0 / $__interval_ms AS dead_lettered
FROM grafana_ingest_minutes
WHERE $__timeFilter(bucket_at)
GROUP BY 1 ORDER BY 1
"""
COLOURS: Final = {"stored": "green", "duplicate": "blue", "conflict": "orange", "dead_lettered": "red"}


def by_outcome(panel: timeseries.Panel, say: Say) -> timeseries.Panel:
    """The panel with the outcomes as bars upon each other, in their words and colours."""
    for name, override in renamed(OUTCOMES, say):
        panel.override_by_name(name, override)
    for name, colour in COLOURS.items():
        panel.override_by_name(*coloured(name, colour))
    return stacked_bars(panel)


def account(title: str, say: Say) -> timeseries.Panel:
    """What became of all that came in, each minute; of the whole installation."""
    description = say(
        "What became of all that came in, from the account in the database, which goes on over restarts. All sites.",
        "全部接入记录的处理结果，取自数据库收支账，不因进程重启而中断，含全部节点。",
    )
    panel = series(
        title,
        description,
        units.Short,
        span=THIRD,
        nothing=say("nothing came in in this range", "所选时段没有数据接入"),
    ).datasource(TIMESCALE)
    # The account is kept by the minute.
    return by_outcome(panel, say).interval("1m").with_target(sql_series(ACCOUNT, say))
