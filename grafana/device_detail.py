"""The dashboard "Device detail / 设备详情": what a device is, whether it is heard, what it says, what became of it.

Where more than one is chosen, lists begin with the first of them and lines are those of the first twenty.
"""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.emptiness import AFTER_THE_DAY, NO_DAY, NO_DAYS, NO_DEVICE, NOT_HEARD, NOT_SCORED
from grafana.links import to_console, to_site
from grafana.look import (
    HALF,
    HEIGHT,
    SIXTH,
    THIRD,
    TWO_THIRDS,
    at_least,
    at_most,
    default_limit,
    named,
    none_wanted,
    series,
    stacked_bars,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, kind_column, listing, site_column
from grafana.tiles import tile
from grafana.words import CASE_STATES, CHECKS, OWNERS, REASONS, STATES, STREAMS, Say

SCORE: Final = "SELECT round(avg(score)) AS score FROM grafana_health WHERE @devices"
LAST_HEARD: Final = """
SELECT extract(epoch FROM now() - max(last_heard_at))::double precision AS seconds
FROM grafana_device_cards WHERE @devices
"""
OPERATION: Final = """
SELECT sum(online_slots)::double precision / nullif(sum(expected_slots), 0) AS share
FROM grafana_device_days WHERE @days AND @devices
"""
RECORDS: Final = "SELECT sum(records) AS records FROM grafana_device_days WHERE @days AND @devices"
COMPLETE: Final = """
SELECT 1 - sum(missing)::double precision / nullif(sum(records + missing), 0) AS share
FROM grafana_device_days WHERE @days AND @devices
"""
REFUSED: Final = "SELECT sum(dead_lettered + conflicts) AS records FROM grafana_device_days WHERE @days AND @devices"
CARDS: Final = """
SELECT device_no, kind, model_no, vendor, factory_no, asset_no, firmware, site_no, site_@lang AS site, stall_no, state,
       state_since, owner_type, holder, acquired_on::text AS acquired_on, installed_on::text AS installed_on,
       warranty_until::text AS warranty_until, verified_until::text AS verified_until, last_heard_at
FROM grafana_device_cards WHERE @devices ORDER BY device_no LIMIT 20
"""
REASONS_OF_HEALTH: Final = """
SELECT device_no, reason, number, threshold, unit, span, points
FROM grafana_health_reasons WHERE @devices ORDER BY points DESC, device_no, place LIMIT 50
"""
SLOTS: Final = """
SELECT bucket_at AS time, device_no AS metric, sum(slots) AS slots
FROM grafana_presence_1h
WHERE @up_to_a_day AND @days AND $__timeFilter(bucket_at) AND @devices
  AND device_no IN (SELECT d.device_no FROM grafana_devices AS d WHERE @devices ORDER BY d.device_no LIMIT 20)
GROUP BY bucket_at, device_no
UNION ALL
SELECT bucket_at, device_no, heard_slots
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND @devices
  AND device_no IN (SELECT d.device_no FROM grafana_devices AS d WHERE @devices ORDER BY d.device_no LIMIT 20)
ORDER BY 1, 2
"""
SIGNAL: Final = """
SELECT $__timeGroup(at, $__interval) AS time, device_no AS metric, avg(rssi_dbm) AS dbm
FROM grafana_status
WHERE @up_to_a_day AND $__timeFilter(at) AND rssi_dbm IS NOT NULL AND @devices
  AND device_no IN (SELECT d.device_no FROM grafana_devices AS d WHERE @devices ORDER BY d.device_no LIMIT 20)
GROUP BY 1, 2
UNION ALL
SELECT extract(epoch FROM bucket_at)::numeric, device_no, rssi_dbm
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND rssi_dbm IS NOT NULL AND @devices
  AND device_no IN (SELECT d.device_no FROM grafana_devices AS d WHERE @devices ORDER BY d.device_no LIMIT 20)
ORDER BY 1, 2
"""
BATTERY: Final = """
WITH shown AS MATERIALIZED (
    SELECT device_no FROM grafana_batteries WHERE @devices ORDER BY device_no LIMIT 20
)
SELECT bucket_at AS time, device_no AS metric, battery_pct AS battery
FROM grafana_device_days
WHERE @days AND battery_pct IS NOT NULL AND device_no IN (SELECT s.device_no FROM shown AS s)
ORDER BY 1, 2
"""
TEMPERATURES: Final = """
WITH shown AS MATERIALIZED (
    SELECT DISTINCT device_no FROM grafana_coldchain_latest WHERE @devices ORDER BY device_no LIMIT 20
)
SELECT bucket_at AS time, device_no || CASE probe WHEN '' THEN '' ELSE ' ' || probe END AS metric,
       temperature_c_avg AS celsius
FROM grafana_coldchain_5m
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND device_no IN (SELECT s.device_no FROM shown AS s)
UNION ALL
SELECT bucket_at, device_no || CASE probe WHEN '' THEN '' ELSE ' ' || probe END, temperature_c_max
FROM grafana_coldchain_days
WHERE @beyond_a_day AND @days AND device_no IN (SELECT s.device_no FROM shown AS s)
ORDER BY 1, 2
"""
WORK: Final = """
SELECT bucket_at AS time, sum(sales + returns + voids) AS trades, NULL::bigint AS scans
FROM grafana_trades_1h WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices GROUP BY bucket_at
UNION ALL
SELECT bucket_at, NULL, sum(scans)
FROM grafana_scans_1h WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(trades), sum(scans)
FROM grafana_device_days WHERE @beyond_a_day AND @days AND @devices GROUP BY bucket_at
ORDER BY 1
"""
DAYS: Final = """
SELECT day::text AS day, device_no, records, missing, late, dead_lettered, conflicts, restarts,
       online_slots::double precision / nullif(expected_slots, 0) AS online,
       array_to_string(error_codes, ', ') AS errors
FROM grafana_device_days WHERE @days AND @devices
ORDER BY day DESC, missing + dead_lettered + conflicts DESC, device_no LIMIT 62
"""
DEAD_LETTERS: Final = """
SELECT received_at, device_no, reason, stream, records, replayed_at
FROM grafana_device_dead_letters WHERE $__timeFilter(received_at) AND @devices
ORDER BY received_at DESC LIMIT 50
"""
FINDINGS: Final = """
SELECT device_no, rule_@lang AS rule, weight, opened_at, cleared_at
FROM grafana_findings WHERE @devices ORDER BY cleared_at IS NULL DESC, opened_at DESC, device_no LIMIT 50
"""
CASES: Final = """
SELECT device_no, case_no, state, state_since, due_on::text AS due_on
FROM grafana_cases WHERE @devices ORDER BY is_open DESC, state_since DESC, case_no LIMIT 50
"""
HISTORY: Final = """
SELECT at, device_no, from_state, to_state FROM grafana_lifecycle WHERE @devices ORDER BY at DESC, device_no LIMIT 50
"""
WORKS: Final = {"trades": ("trades", "交易"), "scans": ("scans", "扫码")}


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: what it is and how, what it says, what is missing, what happened to it."""
    yield Section(None, (*_tiles(say), _cards(say), _reasons(say), _slots(say)))
    yield Section(("What it says", "设备数据"), (_temperatures(say), _work(say), _signal(say), _battery(say)))
    yield Section(("What is missing or refused", "缺失与拒收"), (_days(say), _dead_letters(say)))
    yield Section(("What happened to it", "设备经历"), (_findings(say), _cases(say), _history(say)))


def _whole_days(say: Say) -> str:
    return say("Of the whole days that the range touches.", "按所选时段涉及的整日统计。")


def _first(say: Say) -> str:
    return say("The first 20 devices chosen.", "仅显示所选的前 20 台。")


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Health score", "健康分"),
        say(
            "0 to 100, of several devices their mean; the reasons are below. A device is judged once something was "
            f"expected of it. {default_limit(say)}",
            f"0 至 100，多台时取平均；原因见下。有应在线时段后才评分。{default_limit(say)}",
        ),
        sql(SCORE, say),
        TIMESCALE,
        limits=at_least(80, 60),
        span=SIXTH,
        nothing=say(*NOT_SCORED),
    )
    yield tile(
        say("Last heard", "最近在线"),
        say(
            f"Since when nothing live came, of several devices the one heard last. {default_limit(say)}",
            f"距最近一次实时数据的时长，多台时取最近者。{default_limit(say)}",
        ),
        sql(LAST_HEARD, say),
        TIMESCALE,
        unit=units.Seconds,
        limits=at_most(1200, 86400),
        span=SIXTH,
        nothing=say("never heard", "从未上线"),
    )
    yield tile(
        say("Operation", "运行率"),
        say(f"Slots heard among those expected. {_whole_days(say)}", f"在线时隙占应在线时隙的比例。{_whole_days(say)}"),
        sql(OPERATION, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(0.95, 0.8),
        span=SIXTH,
        nothing=say("none expected yet", "尚无应在线时隙"),
    )
    yield tile(
        say("Records", "记录数"),
        say(
            f"Records of all streams that were stored. {_whole_days(say)}", f"各数据流已入库的记录。{_whole_days(say)}"
        ),
        sql(RECORDS, say),
        TIMESCALE,
        span=SIXTH,
        nothing=say(*NO_DAY),
    )
    yield tile(
        say("Completeness", "完整率"),
        say(
            f"Sequence numbers that came among those that were given. {_whole_days(say)}",
            f"到达的序号占已发序号的比例。{_whole_days(say)}",
        ),
        sql(COMPLETE, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(0.99, 0.95),
        span=SIXTH,
        nothing=say("no records yet", "尚无记录"),
    )
    yield tile(
        say("Refused or contradicting", "拒收或冲突"),
        say(f"Dead letters and conflicts. {_whole_days(say)}", f"死信与冲突记录。{_whole_days(say)}"),
        sql(REFUSED, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH,
        nothing=say(*NO_DAY),
    )


def _cards(say: Say) -> table.Panel:
    return listing(
        say("From the ledger", "台账信息"),
        say(
            "Identity, place, state and who has it in custody, an office or a firm; persons are in the console alone. "
            "The first 20 devices chosen.",
            "标识、位置、状态与保管单位；个人信息仅在管理台中。仅显示所选的前 20 台。",
        ),
        sql(CARDS, say),
        (
            device_column(to_console(say)),
            kind_column(),
            Column("model_no", ("model", "型号")),
            Column("vendor", ("vendor", "厂家")),
            Column("factory_no", ("factory number", "出厂编号")),
            Column("asset_no", ("asset number", "资产编号")),
            Column("firmware", ("firmware", "固件")),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("stall_no", ("stall", "摊位")),
            Column("state", ("state", "状态"), words=STATES),
            Column("state_since", ("since", "开始时间"), TIME),
            Column("owner_type", ("owner", "产权"), words=OWNERS),
            Column("holder", ("custody", "保管单位")),
            Column("acquired_on", ("acquired", "购置日期")),
            Column("installed_on", ("installed", "安装日期")),
            Column("warranty_until", ("warranty until", "保修至")),
            Column("verified_until", ("verified until", "检定有效期至")),
            Column("last_heard_at", ("last heard", "最近在线"), TIME),
        ),
        say,
        height=HEIGHT,
        nothing=NO_DEVICE,
    )


def _reasons(say: Say) -> table.Panel:
    return listing(
        say("What lowers its health", "扣分原因"),
        say(
            "Each reason with its number, its limit and its window, heaviest first. Limits are defaults, configurable.",
            "各扣分原因及其数值、界限与窗口，由重到轻。界限为默认值，可配置。",
        ),
        sql(REASONS_OF_HEALTH, say),
        (
            device_column(),
            Column("reason", ("reason", "原因"), words=CHECKS),
            Column("number", ("number", "数值")),
            Column("threshold", ("limit", "界限")),
            Column("unit", ("unit", "单位"), width=80),
            Column("span", ("window", "窗口"), width=80),
            Column("points", ("points", "扣分"), units.Short, width=80),
        ),
        say,
        span=HALF,
        nothing=("nothing lowers it, or it is not judged yet", "没有扣分原因，或尚未评分"),
    )


def _slots(say: Say) -> timeseries.Panel:
    panel = series(
        say("5-minute slots heard", "在线时隙数"),
        say(
            "A device counts once in each 5 minutes in which it was heard live: at most 12 an hour, or 288 a day where "
            f"the range is longer than one. Backlogs count nothing. {_first(say)}",
            "设备在每个 5 分钟时隙内有实时数据即计 1：每小时最多 12；所选范围超过一天时按日统计，最多 288。"
            f"补传数据不计。{_first(say)}",
        ),
        units.Short,
        span=HALF,
        nothing=say(*NOT_HEARD),
    ).datasource(TIMESCALE)
    return stacked_bars(panel).interval("1h").with_target(sql_series(SLOTS, say))


def _temperatures(say: Say) -> timeseries.Panel:
    panel = series(
        say("Temperature", "温度"),
        say(
            f"The mean of each five minutes; the warmest of each day where the range is longer than one. {_first(say)}",
            f"每 5 分钟平均值；所选范围超过一天时取每日最高值。{_first(say)}",
        ),
        units.Celsius,
        span=HALF,
        starts_at_zero=False,
        nothing=say(
            "no temperature in this range: not a logger, or it told none", "所选时段无温度：非温湿度记录仪，或未上报"
        ),
    ).datasource(TIMESCALE)
    return panel.interval("5m").with_target(sql_series(TEMPERATURES, say))


def _work(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades and scans", "交易与扫码"),
        say(
            "By the hour; by the day, sales alone, where the range is longer than one.",
            "按小时统计；所选范围超过一天时按日统计，仅含销售。",
        ),
        units.Short,
        span=HALF,
        nothing=say(
            "no trades or scans in this range: not a market's device, or not used",
            "所选时段无交易和扫码：非交易类设备，或未使用",
        ),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, WORKS, say)).interval("1h").with_target(sql_series(WORK, say))


def _signal(say: Say) -> timeseries.Panel:
    panel = series(
        say("Signal", "信号强度"),
        say(
            f"As it reports it; the last of each day where the range is longer than one. {_first(say)}",
            f"设备自报的信号强度；所选范围超过一天时取每日最后值。{_first(say)}",
        ),
        units.DecibelMilliWatt,
        span=HALF,
        starts_at_zero=False,
        nothing=say("no signal in this range: the device has not reported any", "所选时段无信号强度：设备未上报"),
    ).datasource(TIMESCALE)
    return panel.interval("5m").with_target(sql_series(SIGNAL, say))


def _battery(say: Say) -> timeseries.Panel:
    panel = series(
        say("Battery", "电量"),
        say(f"The last of each day, of devices that have one. {_first(say)}", f"有电池设备的每日最后值。{_first(say)}"),
        units.Percent,
        span=HALF,
        nothing=say(
            "no battery in this range: the device has none, or has not reported it",
            "所选时段无电量：设备无电池，或未上报",
        ),
    ).datasource(TIMESCALE)
    return panel.max(100).interval("1d").with_target(sql_series(BATTERY, say))


def _days(say: Say) -> table.Panel:
    return listing(
        say("Days, with what is missing", "逐日数据与缺口"),
        say(
            "Missing: sequence numbers that never came. Late: more than five minutes. Today is so far.",
            "缺号：从未到达的序号。迟到：超过 5 分钟。当日为截至目前。",
        ),
        sql(DAYS, say),
        (
            Column("day", ("day", "日期")),
            device_column(),
            Column("records", ("records", "记录数"), units.Short),
            Column("missing", ("missing", "缺号"), units.Short, limits=none_wanted()),
            Column("late", ("late", "迟到"), units.Short),
            Column("dead_lettered", ("dead letters", "死信"), units.Short, limits=none_wanted()),
            Column("conflicts", ("conflicts", "冲突"), units.Short, limits=none_wanted()),
            Column("restarts", ("restarts", "重启"), units.Short),
            Column("online", ("operation", "运行率"), units.PercentUnit, limits=at_least(0.95, 0.8)),
            Column("errors", ("error codes", "错误码")),
        ),
        say,
        span=TWO_THIRDS,
        nothing=NO_DAYS,
    )


def _dead_letters(say: Say) -> table.Panel:
    return listing(
        say("Dead letters", "死信"),
        say(
            "What was refused of it, newest first; the bytes are in the console.",
            "被拒收的消息，由新到旧；原文在管理台中。",
        ),
        sql(DEAD_LETTERS, say),
        (
            Column("received_at", ("came", "收到时间"), TIME),
            device_column(),
            Column("reason", ("reason", "原因"), words=REASONS),
            Column("stream", ("stream", "数据流"), words=STREAMS),
            Column("records", ("records", "记录数"), units.Short),
            Column("replayed_at", ("replayed", "重放时间"), TIME),
        ),
        say,
        span=THIRD,
        nothing=("nothing of it was refused in this range", "所选时段没有被拒收的消息"),
    )


def _findings(say: Say) -> table.Panel:
    return listing(
        say("Findings", "淘汰依据"),
        say("By the rules of obsolescence; those that stand come first.", "按淘汰规则得出；未消除的在前。"),
        sql(FINDINGS, say),
        (
            device_column(),
            Column("rule", ("rule", "规则")),
            Column("weight", ("weight", "权重"), units.Short, width=80),
            Column("opened_at", ("since", "开始时间"), TIME),
            Column("cleared_at", ("cleared", "消除时间"), TIME),
        ),
        say,
        span=THIRD,
        nothing=AFTER_THE_DAY,
    )


def _cases(say: Say) -> table.Panel:
    return listing(
        say("Cases", "处置案件"),
        say("Of its retirement; open ones come first.", "该设备的处置案件；未结的在前。"),
        sql(CASES, say),
        (
            device_column(),
            Column("case_no", ("case", "案件号")),
            Column("state", ("state", "状态"), words=CASE_STATES),
            Column("state_since", ("since", "开始时间"), TIME),
            Column("due_on", ("due", "期限")),
        ),
        say,
        span=THIRD,
        nothing=("no case of it was ever opened", "从未立案"),
    )


def _history(say: Say) -> table.Panel:
    return listing(
        say("Steps of its life", "状态变化"),
        say(
            "Whatever the range, newest first; who took them is in the console.", "不限时段，由新到旧；经办人见管理台。"
        ),
        sql(HISTORY, say),
        (
            Column("at", ("at", "时间"), TIME),
            device_column(),
            Column("from_state", ("from", "原状态"), words=STATES),
            Column("to_state", ("to", "新状态"), words=STATES),
        ),
        say,
        span=THIRD,
        nothing=("no step since it was entered", "登记后状态无变化"),
    )
