"""The panels of ingest: what comes in, what becomes of it, and how long that takes."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import common, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode
from grafana_foundation_sdk.models.dashboard import Panel, ValueMap, ValueMappingResult

from grafana.look import HALF, HEIGHT, THIRD, listed, renamed, series, stacked_bars, thresholds
from grafana.sources import PROMETHEUS, TIMESCALE, SqlQuery, promql
from grafana.words import OUTCOMES, REASONS, STREAMS, Say, chinese, english

RATE_BY_STREAM: Final = "sum by (stream) (rate(tracefleet_ingest_records_total[$__rate_interval]))"
RATE_BY_OUTCOME: Final = "sum by (outcome) (rate(tracefleet_ingest_records_total[$__rate_interval]))"
CONNECTED: Final = "min(tracefleet_ingest_connected)"
UNACKNOWLEDGED: Final = "sum(tracefleet_ingest_unacknowledged_messages)"
DEAD_LETTERS: Final = "sum by (reason) (rate(tracefleet_ingest_dead_letters_total[$__rate_interval])) * 60 > 0"
QUANTILE: Final = "histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket[$__rate_interval])))"
QUANTILES: Final = {"A": ("0.5", "p50"), "B": ("0.95", "p95"), "C": ("0.99", "p99")}
# The account in the database: it goes on where a restart of ingest starts its counters anew.
ACCOUNT: Final = """
SELECT $__timeGroup(bucket_at, $__interval) AS time,
       sum(stored) * 60000.0 / $__interval_ms AS stored,
       sum(duplicate) * 60000.0 / $__interval_ms AS duplicate
FROM grafana_ingest_minutes
WHERE $__timeFilter(bucket_at)
GROUP BY 1 ORDER BY 1
"""


def panels(say: Say) -> Iterator[Builder[Panel]]:
    """The panels, in reading order."""
    yield _connected(say)
    yield _rate_by_stream(say)
    yield _outcomes(say)
    yield _quantiles(
        "tracefleet_ingest_lag_seconds",
        say("Lag", "入库延迟"),
        say(
            "From a record's own time to its commit. A device that sends its backlog raises it, and rightly so.",
            "从记录自身时间到提交入库的时长。设备补传积压数据时会升高，属正常现象。",
        ),
        limits=(5, 60),
    )
    yield _quantiles(
        "tracefleet_ingest_commit_seconds",
        say("Commit time", "提交耗时"),
        say(
            "How long a batch takes in the database, from its first statement to its commit.",
            "一批数据在数据库中从第一条语句到提交的耗时。",
        ),
        limits=(0.5, 2),
    )
    yield _unacknowledged(say)
    yield _dead_letters(say)
    yield _account(say)


def _connected(say: Say) -> stat.Panel:
    answers = {
        "0": ValueMappingResult(text=say("disconnected", "已断开"), color="red"),
        "1": ValueMappingResult(text=say("connected", "已连接"), color="green"),
    }
    return (
        stat.Panel()
        .title(say("Broker connection", "消息代理连接"))
        .description(
            say(
                "Whether every ingest process is connected to the broker, which keeps the messages of one that is not.",
                "所有接入进程是否都已连上消息代理。断开期间消息由消息代理保留。",
            )
        )
        .datasource(PROMETHEUS)
        .unit(units.Short)
        .height(HEIGHT)
        .span(THIRD)
        .mappings([ValueMap(options=answers)])
        .no_value(say("no ingest process seen", "未发现接入进程"))
        .thresholds(thresholds("red", (1, "green")))
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(promql(CONNECTED))
    )


def _rate_by_stream(say: Say) -> timeseries.Panel:
    panel = series(
        say("Ingest rate by stream", "各数据流接入速率"),
        say(
            "Records that ingest took from the broker, whatever became of them.",
            "接入进程从消息代理取得的记录，不论结果。",
        ),
        units.RecordsPerSecond,
    ).datasource(PROMETHEUS)
    for name, override in renamed(STREAMS, say):
        panel.override_by_name(name, override)
    return panel.with_target(promql(RATE_BY_STREAM, legend="{{stream}}"))


def _outcomes(say: Say) -> timeseries.Panel:
    panel = series(
        say("Outcomes", "处理结果"),
        say(
            "Every record has exactly one outcome: stored, duplicate, conflict or dead letter.",
            "每条记录有且只有一种结果：入库、重复、冲突或死信。",
        ),
        units.RecordsPerSecond,
    ).datasource(PROMETHEUS)
    for name, override in renamed(OUTCOMES, say):
        panel.override_by_name(name, override)
    return stacked_bars(panel).with_target(promql(RATE_BY_OUTCOME, legend="{{outcome}}"))


def _quantiles(metric: str, title: str, description: str, *, limits: tuple[float, float]) -> timeseries.Panel:
    panel = series(title, description, units.Seconds).datasource(PROMETHEUS)
    for ref_id, (quantile, name) in QUANTILES.items():
        panel.with_target(promql(QUANTILE.format(quantile=quantile, metric=metric), legend=name, ref_id=ref_id))
    return panel.thresholds(thresholds("green", (limits[0], "orange"), (limits[1], "red")))


def _unacknowledged(say: Say) -> timeseries.Panel:
    return (
        series(
            say("Unacknowledged messages", "未确认消息"),
            say(
                "Messages that ingest holds and has not committed. At its window (4,096 unless set) it takes no more.",
                "接入进程已取得但尚未提交的消息。达到窗口上限（默认 4,096，可配置）后不再取新消息。",
            ),
            units.Short,
        )
        .datasource(PROMETHEUS)
        .thresholds(thresholds("green", (2048, "orange"), (4096, "red")))
        .with_target(promql(UNACKNOWLEDGED, legend=say("unacknowledged", "未确认")))
    )


def _dead_letters(say: Say) -> timeseries.Panel:
    panel = series(
        say("Dead letters per minute by reason", "各原因每分钟死信"),
        say(
            "What could not be stored, kept with its reason and raw bytes. `tracefleet dead-letters list` shows them. "
            f"Reasons: {listed(REASONS, english)}.",
            "未能入库的内容，连同原因与原始字节一并保留。用 `tracefleet dead-letters list` 查看。"
            f"原因代码：{listed(REASONS, chinese)}。",
        ),
        units.Short,
        span=HALF,
    ).datasource(PROMETHEUS)
    return (
        stacked_bars(panel)
        .thresholds(thresholds("green", (1, "orange"), (60, "red")))
        .with_target(promql(DEAD_LETTERS, legend="{{reason}}"))
    )


def _account(say: Say) -> timeseries.Panel:
    panel = series(
        say("Stored and duplicate records per minute", "每分钟入库与重复记录"),
        say(
            "From the account in the database. Duplicates are deliveries that came again; they cost no row.",
            "取自数据库中的收支账。重复指再次送达的数据，不会多占一行。",
        ),
        units.Short,
        span=HALF,
    ).datasource(TIMESCALE)
    for name, override in renamed({name: OUTCOMES[name] for name in ("stored", "duplicate")}, say):
        panel.override_by_name(name, override)
    # The account is kept by the minute.
    return panel.interval("1m").with_target(SqlQuery(ACCOUNT, "time_series"))
