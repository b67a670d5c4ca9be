"""The dashboard "Ingest pipeline / 数据接入": whether all that comes in is stored, in time, and what is refused."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from grafana.account import account, by_outcome
from grafana.emptiness import NO_INGEST, NOT_MEASURED, NOTHING_CAME, NOTHING_WRITTEN
from grafana.look import (
    HALF,
    THIRD,
    TWO_THIRDS,
    at_least,
    at_most,
    default_limit,
    limited,
    listed,
    named,
    series,
    some_tolerated,
    stacked_bars,
)
from grafana.page import Section
from grafana.sources import PROMETHEUS, promql, promql_now, sql
from grafana.tables import TIME, Column, listing
from grafana.tiles import ranking, tile
from grafana.words import REASONS, RETRIES, STREAMS, YES_NO, Say, chinese, english

CONNECTED: Final = 'min(tracefleet_ingest_connected{instance=~"$instance"})'
RATE_NOW: Final = 'sum(rate(tracefleet_ingest_records_total{instance=~"$instance"}[$__rate_interval]))'
LAG_NOW: Final = (
    'histogram_quantile(0.95, sum by (le) (rate(tracefleet_ingest_lag_seconds_bucket{instance=~"$instance"}'
    "[$__rate_interval])))"
)
DEAD_SHARE: Final = (
    'sum(increase(tracefleet_ingest_records_total{outcome="dead_lettered", instance=~"$instance"}[1h]))'
    ' / (sum(increase(tracefleet_ingest_records_total{instance=~"$instance"}[1h])) > 0)'
)
RETRIES_NOW: Final = 'sum(increase(tracefleet_ingest_retries_total{instance=~"$instance"}[1h]))'
UNACKNOWLEDGED: Final = 'sum by (instance) (tracefleet_ingest_unacknowledged_messages{instance=~"$instance"})'
FULLEST: Final = 'max(tracefleet_ingest_unacknowledged_messages{instance=~"$instance"})'
RATE_BY_STREAM: Final = (
    'sum by (stream) (rate(tracefleet_ingest_records_total{instance=~"$instance"}[$__rate_interval]))'
)
MESSAGES_BY_STREAM: Final = (
    'sum by (stream) (rate(tracefleet_ingest_messages_total{instance=~"$instance"}[$__rate_interval]))'
)
RATE_BY_OUTCOME: Final = (
    'sum by (outcome) (rate(tracefleet_ingest_records_total{instance=~"$instance"}[$__rate_interval]))'
)
# While nothing comes, a quantile is NaN: the comparison leaves it out.
QUANTILE: Final = 'histogram_quantile(%s, sum by (le) (rate(%s_bucket{instance=~"$instance"}[$__rate_interval]))) >= 0'
QUANTILES: Final = {"A": ("0.5", "p50"), "B": ("0.95", "p95"), "C": ("0.99", "p99")}
DEAD_BY_REASON: Final = (
    'sort_desc(sum by (reason) (increase(tracefleet_ingest_dead_letters_total{instance=~"$instance"}[$__range]))'
    " >= 0.5)"
)
DEAD_IN_TIME: Final = (
    'sum by (reason) (rate(tracefleet_ingest_dead_letters_total{instance=~"$instance"}[$__rate_interval])) * 60'
)
RETRIES_IN_TIME: Final = (
    'sum by (class) (rate(tracefleet_ingest_retries_total{instance=~"$instance"}[$__rate_interval])) * 60'
)
BATCH: Final = (
    'sum(rate(tracefleet_ingest_batch_records_sum{instance=~"$instance"}[$__rate_interval]))'
    ' / (sum(rate(tracefleet_ingest_batch_records_count{instance=~"$instance"}[$__rate_interval])) > 0)'
)
WORKERS: Final = """
SELECT worker, connected, unacknowledged, lag_seconds, heartbeat_age_seconds, started_at, stopped_reason
FROM grafana_workers
ORDER BY stopped_at IS NULL DESC, heartbeat_age_seconds DESC
LIMIT 50
"""
SENDERS: Final = """
SELECT coalesce(device_no, '–') AS device_no, reason, sum(records) AS records,
       sum(records) FILTER (WHERE replayed_at IS NULL) AS waiting, max(received_at) AS last_at
FROM grafana_dead_letters
WHERE $__timeFilter(received_at)
GROUP BY 1, 2 ORDER BY records DESC, device_no, reason
LIMIT 50
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: whether all is stored in time, what is refused, the writing, the flow."""
    yield Section(None, (*_tiles(say), _outcomes(say), _lag(say)))
    yield Section(("What is refused", "拒收"), (_reasons(say), _dead_letters(say), _senders(say)))
    yield Section(
        ("How it is written", "写入"),
        (_commit_time(say), _window(say), _retries(say), _workers(say), _batch(say)),
    )
    yield Section(
        ("By stream", "各数据流"),
        (_by_stream(say), _messages(say), _account(say)),
    )


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield _connected(say)
    yield _lag_now(say)
    yield _window_now(say)
    yield _dead_share(say)
    yield _retries_now(say)
    yield _rate_now(say)


def _connected(say: Say) -> stat.Panel:
    answers = {
        "0": ValueMappingResult(text=say("disconnected", "已断开"), color="red"),
        "1": ValueMappingResult(text=say("connected", "已连接"), color="green"),
    }
    return tile(
        say("Broker connection", "消息代理连接"),
        say(
            "Whether every ingest process is connected to the broker, which keeps the messages of one that is not.",
            "所有接入进程是否都已连上消息代理。断开期间消息由消息代理保留。",
        ),
        promql_now(CONNECTED),
        PROMETHEUS,
        limits=at_least(1, 1),
        nothing=say(*NO_INGEST),
    ).mappings([ValueMap(options=answers)])


def _lag_now(say: Say) -> stat.Panel:
    return tile(
        say("Lag, p95", "入库延迟 p95"),
        say(
            f"What 95 % of the records stay below. A backlog that comes in raises it. {default_limit(say)}",
            f"95% 的记录不超过该值。补传积压数据时会升高。{default_limit(say)}",
        ),
        promql_now(LAG_NOW),
        PROMETHEUS,
        unit=units.Seconds,
        limits=at_most(60, 900),
        nothing=say(*NOTHING_CAME),
    )


def _window_now(say: Say) -> stat.Panel:
    return tile(
        say("Fullest window", "最满的窗口"),
        say(
            "Messages that a process holds and has not committed. At 4,096, unless set otherwise, it takes no more.",
            "单个进程已取得但尚未提交的消息数。达到 4,096（可配置）后不再取新消息。",
        ),
        promql_now(FULLEST),
        PROMETHEUS,
        limits=at_most(2048, 4000),
        nothing=say(*NO_INGEST),
    )


def _dead_share(say: Say) -> stat.Panel:
    return tile(
        say("Refused, last hour", "近一小时拒收率"),
        say(
            f"Dead letters among all records of the last hour. {default_limit(say)}",
            f"最近一小时全部记录中死信所占比例。{default_limit(say)}",
        ),
        promql_now(DEAD_SHARE),
        PROMETHEUS,
        unit=units.PercentUnit,
        limits=at_most(0.01, 0.05),
        nothing=say(*NOTHING_CAME),
    )


def _retries_now(say: Say) -> stat.Panel:
    return tile(
        say("Retries, last hour", "近一小时重试"),
        say(
            "Batches that had to be written again. A few come with a restart of the database; nothing is lost by them.",
            "需要重写的批次数。数据库重启时会有少量，不会丢失数据。",
        ),
        promql_now(RETRIES_NOW),
        PROMETHEUS,
        limits=some_tolerated(60),
        nothing=say(*NO_INGEST),
    ).decimals(0)


def _rate_now(say: Say) -> stat.Panel:
    return tile(
        say("Records", "接入速率"),
        say("Records that came in, whatever became of them.", "接入的记录，不论处理结果。"),
        promql_now(RATE_NOW),
        PROMETHEUS,
        unit=units.RecordsPerSecond,
        nothing=say(*NO_INGEST),
    )


def _outcomes(say: Say) -> timeseries.Panel:
    panel = series(
        say("Outcomes", "处理结果"),
        say(
            "Every record has exactly one outcome: stored, duplicate, conflict or dead letter.",
            "每条记录有且只有一种结果：入库、重复、冲突或死信。",
        ),
        units.RecordsPerSecond,
        span=HALF,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return by_outcome(panel, say).with_target(promql(RATE_BY_OUTCOME, legend="{{outcome}}"))


def _by_stream(say: Say) -> timeseries.Panel:
    panel = series(
        say("Records by stream", "各数据流记录速率"),
        say(
            "Records that ingest took from the broker, whatever became of them.",
            "接入进程从消息代理取得的记录，不论结果。",
        ),
        units.RecordsPerSecond,
        span=THIRD,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return named(panel, STREAMS, say).with_target(promql(RATE_BY_STREAM, legend="{{stream}}"))


def _messages(say: Say) -> timeseries.Panel:
    panel = series(
        say("Messages by stream", "各数据流消息速率"),
        say("MQTT messages; each holds 1 to 500 records.", "MQTT 消息，每条含 1 至 500 条记录。"),
        units.MessagesPerSecond,
        span=THIRD,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return named(panel, STREAMS, say).with_target(promql(MESSAGES_BY_STREAM, legend="{{stream}}"))


def _account(say: Say) -> timeseries.Panel:
    return account(say("The account, per minute", "每分钟收支账"), say)


def _reasons(say: Say) -> bargauge.Panel:
    return ranking(
        say("Dead letters by reason", "各原因死信数"),
        say(
            "What could not be stored in this range, kept with its reason and raw bytes. "
            f"`tracefleet dead-letters list` shows them. Reasons: {listed(REASONS, english)}.",
            "所选范围内未能入库的内容，连同原因与原始字节一并保留。"
            f"用 `tracefleet dead-letters list` 查看。原因代码：{listed(REASONS, chinese)}。",
        ),
        promql_now(DEAD_BY_REASON, legend="{{reason}}"),
        PROMETHEUS,
        span=HALF,
        nothing=say(
            "no dead letters in this range, or no ingest process was measured",
            "所选时段无死信，或未采集到接入进程的指标",
        ),
    ).decimals(0)


def _dead_letters(say: Say) -> timeseries.Panel:
    panel = series(
        say("Dead letters per minute", "每分钟死信"),
        say("When they came, by the code of their reason.", "死信的到达时间，按原因代码统计。"),
        units.Short,
        span=HALF,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return stacked_bars(panel).with_target(promql(DEAD_IN_TIME, legend="{{reason}}"))


def _senders(say: Say) -> table.Panel:
    return listing(
        say("Who sends what is refused", "拒收数据的来源"),
        say(
            "Device numbers as topics say, most records first. What waits can be replayed when its cause is gone.",
            "按主题中声称的设备编号统计，记录多者在前。原因消除后，待处理的可以重放。",
        ),
        sql(SENDERS, say),
        (
            Column("device_no", ("device", "设备")),
            Column("reason", ("reason", "原因"), words=REASONS),
            Column("records", ("records", "记录数"), units.Short),
            Column("waiting", ("not replayed", "待处理"), units.Short),
            Column("last_at", ("last", "最近时间"), TIME),
        ),
        say,
        nothing=("no dead letters in this range", "所选时段无死信"),
    )


def _lag(say: Say) -> timeseries.Panel:
    return _quantiles(
        "tracefleet_ingest_lag_seconds",
        say("Lag", "入库延迟"),
        say(
            "From a record's own time to its commit. A device that sends its backlog raises it.",
            "从记录自身时间到提交入库的时长。设备补传积压数据时会升高，属正常现象。",
        ),
        say,
        span=HALF,
    )


def _commit_time(say: Say) -> timeseries.Panel:
    return _quantiles(
        "tracefleet_ingest_commit_seconds",
        say("Commit time", "提交耗时"),
        say(
            "How long a batch takes in the database, from its first statement to its commit.",
            "一批数据在数据库中从第一条语句到提交的耗时。",
        ),
        say,
        span=THIRD,
    )


def _quantiles(metric: str, title: str, description: str, say: Say, *, span: int) -> timeseries.Panel:
    panel = series(
        title,
        description,
        units.Seconds,
        span=span,
        nothing=say(*NOTHING_WRITTEN),
    ).datasource(PROMETHEUS)
    for ref_id, (quantile, name) in QUANTILES.items():
        panel.with_target(promql(QUANTILE % (quantile, metric), legend=name, ref_id=ref_id))
    return panel


def _window(say: Say) -> timeseries.Panel:
    panel = series(
        say("Unacknowledged messages", "未确认消息"),
        say(
            "Messages that each process holds and has not committed. At 4,096, unless set, it takes no more.",
            "各接入进程已取得但尚未提交的消息。达到窗口上限（默认 4,096，可配置）后不再取新消息。",
        ),
        units.Short,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return limited(panel, at_most(2048, 4096)).with_target(promql(UNACKNOWLEDGED, legend="{{instance}}"))


def _batch(say: Say) -> timeseries.Panel:
    return (
        series(
            say("Records in a batch", "每批记录数"),
            say("The mean: larger batches under load are what keeps up.", "平均值。负载升高时批次变大，属正常现象。"),
            units.Short,
            nothing=say(*NOTHING_WRITTEN),
        )
        .datasource(PROMETHEUS)
        .with_target(promql(BATCH, legend=say("records", "记录数")))
    )


def _retries(say: Say) -> timeseries.Panel:
    panel = series(
        say("Retries per minute by class", "各类别每分钟重试"),
        say(
            f"Batches written again, by the class of the error: {listed(RETRIES, english)}.",
            f"重写的批次，按错误类别统计：{listed(RETRIES, chinese)}。",
        ),
        units.Short,
        nothing=say(*NOT_MEASURED),
    ).datasource(PROMETHEUS)
    return stacked_bars(panel).with_target(promql(RETRIES_IN_TIME, legend="{{class}}"))


def _workers(say: Say) -> table.Panel:
    return listing(
        say("Workers", "接入进程"),
        say(
            "As each said of itself last. One that said nothing for a minute and did not stop in order is gone: "
            "start it again under its name.",
            "各接入进程最近一次自报的情况。一分钟没有消息且未正常停止的，说明已异常退出：请以原名重新启动。",
        ),
        sql(WORKERS, say),
        (
            Column("worker", ("worker", "接入进程")),
            Column("connected", ("connected", "已连接"), words=YES_NO, colours={"true": "green", "false": "red"}),
            Column("unacknowledged", ("unacknowledged", "未确认"), units.Short),
            Column("lag_seconds", ("lag", "延迟"), units.Seconds),
            Column("heartbeat_age_seconds", ("last heard", "距上次心跳"), units.Seconds, limits=at_most(30, 60)),
            Column("started_at", ("started", "启动时间"), TIME),
            Column("stopped_reason", ("stopped because", "停止原因")),
        ),
        say,
        span=TWO_THIRDS,
        nothing=("no ingest process has said anything of itself yet", "尚无接入进程登记"),
    )
