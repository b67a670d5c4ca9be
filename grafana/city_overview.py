"""The dashboard "City overview / 城市总览": what needs somebody now, where, and whether the day goes as days do."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.account import account
from grafana.catalogue import CITY_OVERVIEW, COLD_CHAIN, FLEET_HEALTH, INGEST_PIPELINE, RETIREMENT, SCALES_AND_SCANNERS
from grafana.emptiness import (
    NO_HEALTH,
    NO_OUTAGE,
    NO_OUTAGES,
    NO_PROBE,
    NO_PROBES,
    NO_SCALE,
    NO_TRADES,
    NO_VERIFICATION,
    NONE_EXPECTED,
    NONE_SPEAKS,
    NOT_HEARD,
    NOTHING_CAME,
)
from grafana.links import to, to_console, to_device, to_region, to_site
from grafana.look import (
    EIGHTH,
    HALF,
    HEIGHT,
    THIRD,
    TWO_THIRDS,
    at_least,
    at_most,
    default_limit,
    named,
    none_wanted,
    renamed,
    series,
    some_tolerated,
    stacked_bars,
    thresholds,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, listing, site_column
from grafana.tiles import tile
from grafana.words import SCOPES, TRADES, YES_NO, Say

OUTAGES_NOW: Final = """
SELECT count(*) AS outages FROM grafana_outages WHERE ended_at IS NULL AND (site_no IS NULL OR @sites)
"""
# Faults, and what is warmer than any cold chain allows; the bands of each store are on the page of the cold chain.
NOT_WELL: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE standing <> 'inside') END AS probes
FROM grafana_coldchain_probes WHERE @kinds
"""
HEARD: Final = """
SELECT count(*) FILTER (WHERE presence IN ('online', 'late'))::double precision / nullif(count(*), 0) AS share
FROM grafana_health WHERE excused_by IS NULL AND @kinds
"""
SPEAKING: Final = "SELECT count(*) AS devices FROM grafana_security_events WHERE settled_at IS NULL AND @kinds"
# Of devices whose verification nobody entered it says nothing.
UNVERIFIED: Final = """
SELECT CASE WHEN count(*) > 0
            THEN count(*) FILTER (WHERE metrology IN ('overdue', 'failed', 'withdrawn')) END AS devices
FROM grafana_devices
WHERE state = 'in_service' AND metrology NOT IN ('not_applicable', 'unknown') AND @kinds
"""
# Of a worker that has died nobody knows the lag: it counts with the time since it was heard.
LAG: Final = """
SELECT max(greatest(lag_seconds, CASE WHEN heartbeat_age_seconds > 60 THEN heartbeat_age_seconds ELSE 0 END)) AS lag
FROM grafana_workers WHERE stopped_at IS NULL
"""
REFUSED: Final = """
SELECT sum(dead_lettered)::double precision / nullif(sum(received), 0) AS share
FROM grafana_ingest_minutes WHERE bucket_at > now() - INTERVAL '1 hour'
"""
TRADES_TODAY: Final = """
SELECT sum(trades) AS trades FROM grafana_device_days WHERE day = @today AND kind = 'trace_scale' AND @kinds
"""
SITES: Final = """
SELECT site_no, site_@lang AS site, region_code, count(*) AS devices,
       count(*) FILTER (WHERE excused_by IS NULL AND presence IN ('silent', 'never_seen')) AS silent,
       CASE WHEN count(score) > 0 THEN count(*) FILTER (WHERE score < 60) END AS poor,
       round(avg(score))::integer AS score, bool_or(excused_by = 'site_outage') AS outage
FROM grafana_health
WHERE @kinds
GROUP BY 1, 2, 3
ORDER BY outage DESC, silent DESC, poor DESC NULLS LAST, score NULLS LAST, site_no
LIMIT 50
"""
OUTAGES: Final = """
SELECT scope, site_no, site_@lang AS site, began_at, ended_at, reason
FROM grafana_outages
WHERE began_at <= $__timeTo()::timestamptz AND coalesce(ended_at, now()) >= $__timeFrom()::timestamptz
  AND (site_no IS NULL OR @sites)
ORDER BY ended_at IS NULL DESC, began_at DESC
LIMIT 50
"""
WARMEST: Final = """
SELECT device_no, site_no, site_@lang AS site, probe, temperature_c, fault, at
FROM grafana_coldchain_latest
WHERE @kinds
ORDER BY temperature_c DESC NULLS FIRST, device_no, probe
LIMIT 20
"""
REGIONS: Final = """
SELECT h.region_code, coalesce(r.name_@lang, h.region_code) AS region, h.sites, h.devices, h.share, h.score
FROM (
    SELECT left(region_code, 4) || '00' AS region_code, count(DISTINCT site_no) AS sites, count(*) AS devices,
           count(*) FILTER (WHERE excused_by IS NULL AND presence IN ('online', 'late'))::double precision
               / nullif(count(*) FILTER (WHERE excused_by IS NULL), 0) AS share,
           round(avg(score))::integer AS score
    FROM grafana_health WHERE @kinds GROUP BY 1
) AS h LEFT JOIN grafana_regions AS r USING (region_code)
ORDER BY h.share NULLS LAST, h.region_code
"""
# Up to a day by the hour, from telemetry; beyond it by the day, from what fleet has rolled up.
TRADES_IN_TIME: Final = """
SELECT bucket_at AS time, sum(sales) AS sales, sum(returns) AS returns, sum(voids) AS voids
FROM grafana_trades_1h
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @kinds
GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(trades), NULL, NULL
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND @kinds
GROUP BY bucket_at
ORDER BY 1
"""
HEARD_IN_TIME: Final = """
SELECT hours.at AS time, count(*) FILTER (WHERE bit_count(substring(heard FROM hours.slot FOR 12)) > 0) AS heard
FROM (
    SELECT at, (at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           extract(hour FROM at AT TIME ZONE 'Asia/Shanghai')::integer * 12 + 1 AS slot
    FROM generate_series(date_trunc('hour', $__timeFrom()::timestamptz), $__timeTo()::timestamptz, '1 hour') AS at
) AS hours JOIN grafana_presence_days USING (day)
WHERE @up_to_a_day AND @days AND @kinds
GROUP BY hours.at
UNION ALL
SELECT bucket_at, count(*) FILTER (WHERE heard_slots > 0)
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND @kinds
GROUP BY bucket_at
ORDER BY 1
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: tiles that turn red, the sites behind them, then the day as it goes."""
    yield Section(None, (*_tiles(say), _sites(say), _outages(say)))
    yield Section(
        ("The day so far", "当日运行"),
        (
            _heard_in_time(say),
            _trades(say),
            _account(say),
            _warmest(say),
            _regions(say),
        ),
    )


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Outages now", "当前中断"),
        say("Of ours or of whole sites, that last.", "平台或整个节点正在发生的中断。"),
        sql(OUTAGES_NOW, say),
        TIMESCALE,
        limits=none_wanted(),
        link=to(FLEET_HEALTH, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NO_OUTAGE),
    )
    yield tile(
        say("Probes not well", "异常探头"),
        say(
            "Outside their band, with a fault, or without a reading.",
            "超出温度带、故障或无读数的探头。",
        ),
        sql(NOT_WELL, say),
        TIMESCALE,
        limits=none_wanted(),
        link=to(COLD_CHAIN, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NO_PROBE),
    )
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
        link=to(FLEET_HEALTH, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NONE_EXPECTED),
    )
    yield tile(
        say("Ingest behind", "接入滞后"),
        say(
            f"The largest lag that a worker tells; of one that fell silent, since when. {default_limit(say)}",
            f"各接入进程自报的最大延迟；无消息的进程按静默时长计。{default_limit(say)}",
        ),
        sql(LAG, say),
        TIMESCALE,
        unit=units.Seconds,
        limits=at_most(60, 900),
        link=to(INGEST_PIPELINE, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say("no worker", "无接入进程"),
    )
    yield tile(
        say("Refused, last hour", "近一小时拒收率"),
        say(
            f"Dead letters among all records of the last hour. {default_limit(say)}",
            f"最近一小时全部记录中死信所占比例。{default_limit(say)}",
        ),
        sql(REFUSED, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_most(0.01, 0.05),
        link=to(INGEST_PIPELINE, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NOTHING_CAME),
    )
    yield tile(
        say("Retired and speaking", "已注销仍访问"),
        say("Retired identities that speak, not settled yet.", "已注销设备的访问，尚未处理。"),
        sql(SPEAKING, say),
        TIMESCALE,
        limits=none_wanted(),
        link=to(RETIREMENT, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NONE_SPEAKS),
    )
    yield tile(
        say("May not be traded on", "不得用于交易"),
        say(
            "In service with a verification that is overdue, failed or withdrawn.",
            "在用但检定超期、不合格或被撤销的设备。",
        ),
        sql(UNVERIFIED, say),
        TIMESCALE,
        limits=none_wanted(),
        link=to(FLEET_HEALTH, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NO_VERIFICATION),
    )
    yield tile(
        say("Trades today", "今日交易"),
        say(
            "Sales weighed since midnight, brought up to date every ten minutes.", "零时以来的销售笔数，每十分钟更新。"
        ),
        sql(TRADES_TODAY, say),
        TIMESCALE,
        link=to(SCALES_AND_SCANNERS, CITY_OVERVIEW, say),
        span=EIGHTH,
        nothing=say(*NO_SCALE),
    )


def _sites(say: Say) -> table.Panel:
    return listing(
        say("Sites, worst first", "节点企业（由差到好）"),
        say(
            "Those in an outage first, then by silent devices and by devices with a health below 60.",
            "处于中断的在前，其后按失联设备数、健康分低于 60 的设备数排列。",
        ),
        sql(SITES, say),
        (
            Column("site_no", ("site number", "节点编号"), width=120),
            site_column(to_site(say)),
            Column("region_code", ("region", "行政区划"), links=(to_region(say),), width=100),
            Column("devices", ("devices", "设备数"), units.Short, width=90),
            Column("silent", ("silent", "失联"), units.Short, limits=some_tolerated(5), width=90),
            Column("poor", ("below 60", "低于 60 分"), units.Short, limits=some_tolerated(5), width=100),
            Column("score", ("mean health", "平均健康分"), units.Short, limits=at_least(80, 60), width=110),
            Column("outage", ("outage", "中断"), words=YES_NO, colours={"true": "red"}, width=80),
        ),
        say,
        span=TWO_THIRDS,
        height=HEIGHT + 3,
        nothing=NO_HEALTH,
    )


def _outages(say: Say) -> table.Panel:
    return listing(
        say("Outages", "中断"),
        say(
            "Of ours or of a whole site in this range, those that last first. Nobody's devices are blamed for them.",
            "所选范围内平台或整个节点的中断，正在发生的在前。期间不计设备失联。",
        ),
        sql(OUTAGES, say),
        (
            Column("scope", ("scope", "范围"), words=SCOPES, width=70),
            Column("site_no", ("site number", "节点编号"), width=110),
            site_column(to_site(say)),
            Column("began_at", ("began", "开始时间"), TIME),
            Column("ended_at", ("ended", "结束时间"), TIME),
            Column("reason", ("reason", "原因")),
        ),
        say,
        span=THIRD,
        height=HEIGHT + 3,
        nothing=NO_OUTAGES,
    )


def _heard_in_time(say: Say) -> timeseries.Panel:
    return (
        series(
            say("Devices heard", "有数据的设备数"),
            say(
                "Devices heard live in each hour; in each day where the range is longer than one.",
                "每小时有实时数据的设备数；所选范围超过一天时按日统计。",
            ),
            units.Short,
            nothing=say(*NOT_HEARD),
        )
        .datasource(TIMESCALE)
        .interval("1h")
        .override_by_name("heard", [*dict(renamed({"heard": ("devices heard", "有数据的设备")}, say))["heard"]])
        .with_target(sql_series(HEARD_IN_TIME, say))
    )


def _trades(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades", "交易笔数"),
        say(
            "Lines weighed on trace scales, by the hour; by the day where the range is longer than one. "
            "A late record counts in the hour it belongs to.",
            "追溯秤的交易行，按小时统计；所选范围超过一天时按日统计。迟到的记录计入其所属小时。",
        ),
        units.Short,
        nothing=say(*NO_TRADES),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, TRADES, say)).interval("1h").with_target(sql_series(TRADES_IN_TIME, say))


def _account(say: Say) -> timeseries.Panel:
    return account(say("Records per minute", "每分钟记录数"), say)


def _warmest(say: Say) -> table.Panel:
    return listing(
        say("Cold chain, worst first", "冷链最新温度（由差到好）"),
        say(
            f"The newest reading of each probe: faults first, then the warmest. {default_limit(say)}",
            f"每个探头的最新读数：故障在前，其后按温度由高到低。{default_limit(say)}",
        ),
        sql(WARMEST, say),
        (
            device_column(to_device(say), to_console(say)),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("probe", ("probe", "探头")),
            Column(
                "temperature_c",
                ("temperature", "温度"),
                units.Celsius,
                limits=thresholds("blue", (0, "green"), (4, "orange"), (10, "red")),
            ),
            Column("fault", ("fault", "故障")),
            Column("at", ("at", "时间"), TIME),
        ),
        say,
        span=HALF,
        nothing=NO_PROBES,
    )


def _regions(say: Say) -> table.Panel:
    return listing(
        say("Regions, worst first", "各区域（由差到好）"),
        say(
            "Prefectures with their counties, by the share of devices heard among those that should be.",
            "各地市（含所属县），按应在线设备的在线率排列。",
        ),
        sql(REGIONS, say),
        (
            Column("region_code", ("code", "代码"), links=(to_region(say),)),
            Column("region", ("region", "行政区划")),
            Column("sites", ("sites", "节点数"), units.Short),
            Column("devices", ("devices", "设备数"), units.Short),
            Column("share", ("heard", "在线率"), units.PercentUnit, limits=at_least(0.95, 0.8)),
            Column("score", ("mean health", "平均健康分"), units.Short, limits=at_least(80, 60)),
        ),
        say,
        span=HALF,
        nothing=NO_HEALTH,
    )
