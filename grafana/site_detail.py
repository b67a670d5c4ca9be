"""The dashboard "Site detail / 节点详情": a site, its devices, its trades, its cold rooms, its days."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.catalogue import COLD_CHAIN, FLEET_HEALTH, RETIREMENT, SCALES_AND_SCANNERS, SITE_DETAIL
from grafana.emptiness import (
    AFTER_THE_DAY,
    NO_DAY_JUDGED,
    NO_DAYS,
    NO_DEVICE,
    NO_HEALTH,
    NO_OUTAGE,
    NO_OUTAGES,
    NO_PROBE,
    NO_PROBES,
    NO_SALES,
    NONE_EXPECTED,
    NOT_HEARD,
    NOT_SCORED,
)
from grafana.links import to, to_console, to_device
from grafana.look import (
    HALF,
    HEIGHT,
    SIXTH,
    THIRD,
    TWO_THIRDS,
    WHOLE,
    at_least,
    at_most,
    default_limit,
    named,
    none_wanted,
    series,
    some_tolerated,
    stacked_bars,
    watched,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, kind_column, listing
from grafana.tiles import bars, tile
from grafana.words import CHECKS, KINDS, PRESENCES, PROBE_PLACES, SCOPES, STANDINGS, STATES, TRADES, YES_NO, Say

HEARD: Final = """
SELECT count(*) FILTER (WHERE presence IN ('online', 'late'))::double precision / nullif(count(*), 0) AS share
FROM grafana_health WHERE excused_by IS NULL AND @devices
"""
POOR: Final = """
SELECT CASE WHEN count(score) > 0 THEN count(*) FILTER (WHERE score < 60) END AS devices
FROM grafana_health WHERE @devices
"""
SALES: Final = "SELECT sum(sales) AS sales FROM grafana_weighing_days WHERE day = @today AND @devices"
OUTSIDE: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE standing <> 'inside') END AS probes
FROM grafana_coldchain_probes WHERE @devices
"""
# Each day is judged when it is over: before that, nobody has looked.
FLAGGED: Final = """
SELECT CASE WHEN count(*) > 0
                 OR EXISTS (SELECT FROM grafana_device_days WHERE day BETWEEN @today - 7 AND @today - 1 AND @devices)
            THEN count(*) END AS devices
FROM grafana_flags WHERE ended_at IS NULL AND @devices
"""
OUTAGES_NOW: Final = """
SELECT count(*) AS outages FROM grafana_outages WHERE ended_at IS NULL AND (site_no IS NULL OR @sites)
"""
DEVICES: Final = """
SELECT device_no, kind, state, presence, presence_since, (excused_by IS NOT NULL)::text AS excused, score, worst_reason
FROM grafana_health
WHERE @devices
ORDER BY score NULLS LAST, device_no
LIMIT 200
"""
BY_STATE: Final = """
SELECT kind, state, count(*) AS devices FROM grafana_devices WHERE @devices GROUP BY kind, state ORDER BY kind, state
"""
PRESENCE: Final = """
SELECT hours.at AS time, count(*) FILTER (WHERE position('1' IN substring(heard FROM slot FOR 12)::text) > 0) AS heard
FROM (
    SELECT at, (at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           extract(hour FROM at AT TIME ZONE 'Asia/Shanghai')::integer * 12 + 1 AS slot
    FROM generate_series(date_trunc('hour', $__timeFrom()::timestamptz), $__timeTo()::timestamptz, '1 hour') AS at
) AS hours JOIN grafana_presence_days USING (day)
WHERE @up_to_a_day AND @days AND @devices
GROUP BY hours.at
UNION ALL
SELECT bucket_at, count(*) FILTER (WHERE heard_slots > 0)
FROM grafana_device_days WHERE @beyond_a_day AND @days AND @devices GROUP BY bucket_at
ORDER BY 1
"""
# Up to a day by the hour, from telemetry; beyond it by the day, from what fleet has rolled up.
TRADES_IN_TIME: Final = """
SELECT bucket_at AS time, sum(sales) AS sales, sum(returns) AS returns, sum(voids) AS voids
FROM grafana_trades_1h
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices
GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(sales), sum(returns), sum(voids)
FROM grafana_weighing_days
WHERE @beyond_a_day AND @days AND @devices
GROUP BY bucket_at
ORDER BY 1
"""
COLD_ROOMS: Final = """
SELECT p.device_no, p.place, p.goods_@lang AS goods, p.probe, p.standing, p.temperature_c, p.low_c, p.high_c, p.at,
       d.kinetic, d.excursions, d.door_longest, d.gap_seconds
FROM (SELECT * FROM grafana_coldchain_probes WHERE @devices) AS p
LEFT JOIN (
    SELECT device_no, probe, mean_kinetic_c(sum(kinetic_sum), sum(held_seconds)) AS kinetic,
           sum(excursions) AS excursions, max(door_longest_seconds) AS door_longest, sum(gap_seconds) AS gap_seconds
    FROM grafana_coldchain_days WHERE @days AND @devices GROUP BY device_no, probe
) AS d USING (device_no, probe)
ORDER BY array_position('{warm,cold,fault,missing,inside}', p.standing), d.excursions DESC NULLS LAST, p.device_no,
         p.probe
LIMIT 100
"""
OUTAGES: Final = """
SELECT scope, began_at, ended_at, reason
FROM grafana_outages
WHERE began_at <= $__timeTo()::timestamptz AND coalesce(ended_at, now()) >= $__timeFrom()::timestamptz
  AND (site_no IS NULL OR @sites)
ORDER BY ended_at IS NULL DESC, began_at DESC LIMIT 50
"""
FINDINGS: Final = """
SELECT device_no, kind, rule_@lang AS rule, weight, opened_at
FROM grafana_findings WHERE cleared_at IS NULL AND @devices
ORDER BY weight DESC, opened_at, device_no LIMIT 50
"""
COMPLETENESS: Final = """
SELECT day::text AS day, count(*) FILTER (WHERE expected_slots > 0) AS expected,
       sum(online_slots)::double precision / nullif(sum(expected_slots), 0) AS online, sum(records) AS records,
       1 - sum(missing)::double precision / nullif(sum(records + missing), 0) AS complete,
       1 - sum(late)::double precision / nullif(sum(records), 0) AS in_time,
       sum(dead_lettered) AS dead_lettered, sum(conflicts) AS conflicts
FROM grafana_device_days WHERE @days AND @devices
GROUP BY day ORDER BY day DESC LIMIT 62
"""
STANDING_COLOURS: Final = {"missing": "orange", "fault": "orange", "warm": "red", "cold": "blue", "inside": "green"}


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order."""
    yield Section(None, (*_tiles(say), _devices(say), _by_state(say)))
    yield Section(("In time", "变化趋势"), (_presence(say), _trades(say)))
    yield Section(("Cold rooms and vehicles", "冷库与冷藏车"), (_cold_rooms(say),))
    yield Section(
        ("Days, outages and findings", "日报、中断与发现"), (_completeness(say), _outages(say), _findings(say))
    )


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Heard as expected", "在线率"),
        say(
            f"Devices heard among those of which something is expected now. {default_limit(say)}",
            f"应在线设备中有数据的比例。{default_limit(say)}",
        ),
        sql(HEARD, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(0.95, 0.8),
        link=to(FLEET_HEALTH, SITE_DETAIL, say),
        span=SIXTH,
        nothing=say(*NONE_EXPECTED),
    )
    yield tile(
        say("Health below 60", "健康分低于 60"),
        say("Somebody should go and look.", "需派人现场查看。"),
        sql(POOR, say),
        TIMESCALE,
        limits=watched(),
        link=to(FLEET_HEALTH, SITE_DETAIL, say),
        span=SIXTH,
        nothing=say(*NOT_SCORED),
    )
    yield tile(
        say("Sales today", "今日销售笔数"),
        say(
            "Lines sold on the scales of the site, as reckoned every ten minutes.",
            "追溯秤的销售笔数，每十分钟统计一次。",
        ),
        sql(SALES, say),
        TIMESCALE,
        link=to(SCALES_AND_SCANNERS, SITE_DETAIL, say),
        span=SIXTH,
        nothing=say(*NO_SALES),
    )
    yield tile(
        say("Probes not well", "异常探头"),
        say(
            "Outside their band, with a fault, or without a reading.",
            "超出温度带、故障或无读数的探头。",
        ),
        sql(OUTSIDE, say),
        TIMESCALE,
        limits=none_wanted(),
        link=to(COLD_CHAIN, SITE_DETAIL, say),
        span=SIXTH,
        nothing=say(*NO_PROBE),
    )
    yield tile(
        say("Flagged devices", "应淘汰设备"),
        say("Devices that ought to go, by the rules of obsolescence.", "按淘汰规则应予处置的设备。"),
        sql(FLAGGED, say),
        TIMESCALE,
        limits=watched(),
        link=to(RETIREMENT, SITE_DETAIL, say),
        span=SIXTH,
        nothing=say(*NO_DAY_JUDGED),
    )
    yield tile(
        say("Outages now", "当前中断"),
        say(
            "Of the site or of the platform; during one nobody's silence counts.",
            "节点或平台的中断；中断期间失联不计。",
        ),
        sql(OUTAGES_NOW, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH,
        nothing=say(*NO_OUTAGE),
    )


def _devices(say: Say) -> table.Panel:
    return listing(
        say("Devices, worst first", "设备（由差到好）"),
        say("The devices of the site with their health, 0 to 100.", "该节点的设备及其健康分（0 至 100）。"),
        sql(DEVICES, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("state", ("state", "状态"), words=STATES),
            Column("presence", ("presence", "在线状态"), words=PRESENCES),
            Column("presence_since", ("since", "开始时间"), TIME),
            Column("excused", ("excused", "免计"), words=YES_NO, width=80),
            Column("score", ("health", "健康分"), units.Short, limits=at_least(80, 60)),
            Column("worst_reason", ("worst reason", "主要原因"), words=CHECKS),
        ),
        say,
        span=TWO_THIRDS,
        height=HEIGHT + 4,
        nothing=NO_HEALTH,
    )


def _by_state(say: Say) -> barchart.Panel:
    return bars(
        say("Devices by kind and state", "设备类别与状态"),
        say("All devices that the ledger has at the site.", "台账中该节点的全部设备。"),
        sql(BY_STATE, say),
        say,
        names=STATES,
        rows=KINDS,
        matrix=("kind", "state", "devices"),
        span=THIRD,
        height=HEIGHT + 4,
        nothing=NO_DEVICE,
    )


def _presence(say: Say) -> timeseries.Panel:
    panel = series(
        say("Devices heard", "在线设备数"),
        say(
            "Devices heard live in each hour, or on each day where the range is longer than one.",
            "每小时有实时数据的设备数；所选范围超过一天时按日统计。",
        ),
        units.Short,
        span=HALF,
        nothing=say(*NOT_HEARD),
    ).datasource(TIMESCALE)
    return (
        stacked_bars(named(panel, {"heard": ("devices heard", "在线设备数")}, say))
        .interval("1h")
        .with_target(sql_series(PRESENCE, say))
    )


def _trades(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades", "交易笔数"),
        say(
            "Lines weighed on trace scales, by the hour; by the day where the range is longer than one.",
            "追溯秤的交易行，按小时统计；所选范围超过一天时按日统计。",
        ),
        units.Short,
        span=HALF,
        nothing=say(
            "no trades in this range: not a market or a shop, or no scale was used",
            "所选时段无交易：非市场或门店，或追溯秤未使用",
        ),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, TRADES, say)).interval("1h").with_target(sql_series(TRADES_IN_TIME, say))


def _cold_rooms(say: Say) -> table.Panel:
    return listing(
        say("Probes of the site, worst first", "节点探头（由差到好）"),
        say(
            "The newest reading against its band; excursions, doors, gaps and the mean kinetic temperature of the "
            "whole days that the range touches. Bands are defaults of ours, configurable.",
            "最新读数与其温度带；超温、开门、缺口与平均动力学温度按所选时段涉及的整日统计。温度带为默认值，可配置。",
        ),
        sql(COLD_ROOMS, say),
        (
            device_column(to_device(say), to_console(say)),
            Column("place", ("place", "位置"), words=PROBE_PLACES, width=90),
            Column("goods", ("goods", "货物")),
            Column("probe", ("probe", "探头"), width=80),
            Column("standing", ("standing", "状况"), words=STANDINGS, colours=STANDING_COLOURS),
            Column("temperature_c", ("temperature", "温度"), units.Celsius),
            Column("low_c", ("from", "下限"), units.Celsius, width=80),
            Column("high_c", ("to", "上限"), units.Celsius, width=80),
            Column("at", ("at", "时间"), TIME),
            Column("kinetic", ("mean kinetic", "平均动力学温度"), units.Celsius),
            Column("excursions", ("excursions", "超温"), units.Short, limits=none_wanted()),
            Column("door_longest", ("longest open", "最长敞开"), units.Seconds),
            Column("gap_seconds", ("not read", "缺失时长"), units.Seconds),
        ),
        say,
        nothing=NO_PROBES,
    )


def _completeness(say: Say) -> table.Panel:
    return listing(
        say("Day by day", "逐日完整率"),
        say(
            "How much of what was expected came: operation, completeness by sequence numbers, and share in time. "
            f"Today is so far. {default_limit(say)}",
            f"应到数据的到达情况：运行率、按序号计算的完整率与及时率。当日为截至目前。{default_limit(say)}",
        ),
        sql(COMPLETENESS, say),
        (
            Column("day", ("day", "日期")),
            Column("expected", ("devices expected", "应在线设备"), units.Short),
            Column("online", ("operation", "运行率"), units.PercentUnit, limits=at_least(0.95, 0.8)),
            Column("records", ("records", "记录数"), units.Short),
            Column("complete", ("completeness", "完整率"), units.PercentUnit, limits=at_least(0.99, 0.95)),
            Column("in_time", ("in time", "及时率"), units.PercentUnit, limits=at_least(0.95, 0.8)),
            Column("dead_lettered", ("dead letters", "死信"), units.Short, limits=some_tolerated(100)),
            Column("conflicts", ("conflicts", "冲突"), units.Short, limits=at_most(1, 10)),
        ),
        say,
        span=WHOLE,
        nothing=NO_DAYS,
    )


def _outages(say: Say) -> table.Panel:
    return listing(
        say("Outages", "中断记录"),
        say(
            "Of the site and of the platform in the range; those that last come first.",
            "所选时段内节点与平台的中断，未结束的在前。",
        ),
        sql(OUTAGES, say),
        (
            Column("scope", ("whose", "范围"), words=SCOPES),
            Column("began_at", ("began", "开始"), TIME),
            Column("ended_at", ("ended", "结束"), TIME),
            Column("reason", ("reason", "原因")),
        ),
        say,
        span=HALF,
        nothing=NO_OUTAGES,
    )


def _findings(say: Say) -> table.Panel:
    return listing(
        say("Findings that stand", "未消除的发现"),
        say("What speaks against devices of the site, heaviest first.", "该节点设备的淘汰依据，按权重由高到低。"),
        sql(FINDINGS, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("rule", ("rule", "规则")),
            Column("weight", ("weight", "权重"), units.Short),
            Column("opened_at", ("since", "开始时间"), TIME),
        ),
        say,
        span=HALF,
        nothing=AFTER_THE_DAY,
    )
