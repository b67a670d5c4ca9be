"""The dashboard "Scales and scanners / 追溯秤与扫码": whether what was bought is used, and what it says is right."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.emptiness import NO_ERRORS, NO_SALES, NO_TRADES
from grafana.links import to_console, to_device, to_site
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
    series,
    stacked_bars,
    watched,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, kind_column, listing, site_column
from grafana.tiles import bars, tile
from grafana.words import DATA_ERRORS, KINDS, RESULTS, TRADES, Say

SALES: Final = "SELECT sum(sales) AS sales FROM grafana_weighing_days WHERE @days AND @devices"
AMOUNT: Final = "SELECT sum(amount_fen) / 100.0 AS yuan FROM grafana_weighing_days WHERE @days AND @devices"
WEIGHT: Final = "SELECT sum(net_g) / 1000.0 AS kg FROM grafana_weighing_days WHERE @days AND @devices"
RECEIPTS: Final = """
SELECT sum(printed)::double precision / nullif(sum(printed + unprinted), 0) AS share
FROM grafana_weighing_days WHERE @days AND @devices
"""
SCAN_ERRORS: Final = """
SELECT sum(scan_errors)::double precision / nullif(sum(scans), 0) AS share
FROM grafana_device_days WHERE @days AND @devices
"""
# In service, and no trade, scan or look-up in thirty days of which at least twenty had something expected of it.
DORMANT: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE used = 0) END AS devices FROM (
    SELECT sum(trades + scans) AS used FROM grafana_device_days
    WHERE day > @today - 30 AND kind IN ('trace_scale', 'kiosk', 'handheld', 'scanner', 'card_reader') AND @devices
      AND device_no IN (SELECT e.device_no FROM grafana_devices AS e WHERE e.state = 'in_service')
    GROUP BY device_no
    HAVING count(*) FILTER (WHERE expected_slots > 0) >= 20
) AS known
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
VOLUME_IN_TIME: Final = """
SELECT bucket_at AS time, sum(amount_fen) / 100.0 AS amount
FROM grafana_trades_1h
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices
GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(amount_fen) / 100.0
FROM grafana_weighing_days
WHERE @beyond_a_day AND @days AND @devices
GROUP BY bucket_at
ORDER BY 1
"""
SCANS_IN_TIME: Final = """
SELECT bucket_at AS time, sum(scans - unknown - errors) AS ok, sum(unknown) AS unknown, sum(errors) AS errors
FROM grafana_scans_1h
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices
GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(scans - scan_errors), NULL, sum(scan_errors)
FROM grafana_device_days
WHERE @beyond_a_day AND @days AND @devices
GROUP BY bucket_at
ORDER BY 1
"""
RECEIPTS_IN_TIME: Final = """
SELECT bucket_at AS time, sum(printed)::double precision / nullif(sum(printed + unprinted), 0) AS share
FROM grafana_weighing_days WHERE @days AND @devices
GROUP BY bucket_at HAVING sum(printed + unprinted) > 0 ORDER BY bucket_at
"""
RECEIPTS_BY_SITE: Final = """
SELECT site_no, site_@lang AS site, count(DISTINCT device_no) AS scales, sum(sales) AS sales,
       sum(amount_fen) / 100.0 AS yuan, sum(net_g) / 1000.0 AS kg, sum(unprinted) AS unprinted,
       sum(printed)::double precision / nullif(sum(printed + unprinted), 0) AS share
FROM grafana_weighing_days WHERE @days AND @devices
GROUP BY 1, 2 ORDER BY share NULLS LAST, site_no LIMIT 100
"""
ERRORS: Final = """
SELECT rule, sum(records)::bigint AS records FROM (
    SELECT unnest('{amount,weight,unstable}'::text[]) AS rule,
           unnest(ARRAY[amount_wrong, weight_wrong, unstable]) AS records
    FROM grafana_weighing_days WHERE @days AND @devices
    UNION ALL
    SELECT unnest('{scan,conflict,dead_letter}'::text[]), unnest(ARRAY[scan_errors, conflicts, dead_lettered])
    FROM grafana_device_days
    WHERE @days AND kind IN ('trace_scale', 'kiosk', 'handheld', 'scanner', 'card_reader') AND @devices
) AS found GROUP BY rule HAVING sum(records) > 0 ORDER BY records DESC
"""
WORST: Final = """
SELECT device_no, min(kind) AS kind, min(site_no) AS site_no, min(site) AS site, sum(amount) AS amount,
       sum(weight) AS weight, sum(unstable) AS unstable, sum(scan) AS scan, sum(refused) AS refused
FROM (
    SELECT device_no, kind, site_no, site_@lang AS site, amount_wrong AS amount, weight_wrong AS weight,
           unstable, 0 AS scan, 0 AS refused
    FROM grafana_weighing_days WHERE @days AND @devices
    UNION ALL
    SELECT device_no, kind, site_no, NULL, 0, 0, 0, scan_errors, dead_lettered + conflicts
    FROM grafana_device_days
    WHERE @days AND kind IN ('trace_scale', 'kiosk', 'handheld', 'scanner', 'card_reader') AND @devices
) AS found
GROUP BY device_no HAVING sum(amount + weight + unstable + scan + refused) > 0
ORDER BY sum(amount + weight + unstable + scan + refused) DESC, device_no LIMIT 50
"""
UNUSED: Final = """
SELECT u.device_no, h.kind, h.site_no, h.site_@lang AS site, u.last_used, u.quiet_days, h.presence_since, h.score
FROM (
    SELECT device_no, max(day) FILTER (WHERE trades + scans > 0)::text AS last_used,
           count(*) FILTER (WHERE expected_slots > 0 AND trades + scans = 0) AS quiet_days, sum(trades + scans) AS used
    FROM grafana_device_days
    WHERE day > @today - 60 AND kind IN ('trace_scale', 'kiosk', 'handheld', 'scanner', 'card_reader') AND @devices
    GROUP BY device_no
) AS u JOIN grafana_health AS h USING (device_no)
WHERE h.state = 'in_service' AND u.quiet_days > 0
ORDER BY u.last_used NULLS FIRST, u.quiet_days DESC, u.device_no LIMIT 50
"""
USE_BY_KIND: Final = """
SELECT kind, count(*) FILTER (WHERE used > 0) AS used, count(*) FILTER (WHERE used = 0) AS unused
FROM (
    SELECT device_no, kind, sum(trades + scans) AS used FROM grafana_device_days
    WHERE @days AND kind IN ('trace_scale', 'kiosk', 'handheld', 'scanner', 'card_reader') AND @devices
    GROUP BY device_no, kind
) AS devices GROUP BY kind ORDER BY kind
"""
USES: Final = {"used": ("used", "有使用"), "unused": ("not used", "未使用")}
RECEIPT_LIMITS: Final = (0.9, 0.7)


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: how much, how it goes, what is wrong, what sleeps."""
    yield Section(None, (*_tiles(say), _trades(say), _volume(say)))
    yield Section(("Receipts and look-ups", "打单与查询"), (_receipts_by_site(say), _receipts(say), _scans(say)))
    yield Section(("What is wrong", "差错"), (_errors(say), _worst(say)))
    yield Section(("What is not used", "沉睡设备"), (_use_by_kind(say), _unused(say)))


def _days(say: Say) -> str:
    return say("Of the whole days that the range touches.", "按所选时段涉及的整日统计。")


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Sales", "销售笔数"),
        say(f"Lines sold on trace scales. {_days(say)}", f"追溯秤的销售笔数。{_days(say)}"),
        sql(SALES, say),
        TIMESCALE,
        span=SIXTH,
        nothing=say(*NO_SALES),
    )
    yield tile(
        say("Sold for, in yuan", "销售金额（元）"),
        say(f"The amounts of the sales. {_days(say)}", f"销售的金额合计。{_days(say)}"),
        sql(AMOUNT, say),
        TIMESCALE,
        unit=units.Short,
        span=SIXTH,
        nothing=say(*NO_SALES),
    )
    yield tile(
        say("Sold weight", "销售重量"),
        say(f"The net weights of the sales, in kg. {_days(say)}", f"销售的净重合计，单位为千克。{_days(say)}"),
        sql(WEIGHT, say),
        TIMESCALE,
        unit=units.Kilogram,
        span=SIXTH,
        nothing=say(*NO_SALES),
    )
    yield tile(
        say("Receipt rate", "打单率"),
        say(
            f"Sales with a receipt among those that tell. {_days(say)} {default_limit(say)}",
            f"已打单的销售占注明是否打单的销售的比例。{_days(say)}{default_limit(say)}",
        ),
        sql(RECEIPTS, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(*RECEIPT_LIMITS),
        span=SIXTH,
        nothing=say("no sale tells", "均未注明打单"),
    )
    yield tile(
        say("Scans that failed", "扫码出错率"),
        say(
            f"Among all scans. {_days(say)} {default_limit(say)}", f"占全部扫码的比例。{_days(say)}{default_limit(say)}"
        ),
        sql(SCAN_ERRORS, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_most(0.05, 0.1),
        span=SIXTH,
        nothing=say("no scans", "无扫码"),
    )
    yield tile(
        say("Asleep for 30 days", "沉睡 30 天"),
        say(
            "In service without a trade or a scan in 30 days, on at least 20 of which something was expected. "
            f"{default_limit(say)}",
            f"在用但 30 天内（其中至少 20 天应在线）没有交易或扫码。{default_limit(say)}",
        ),
        sql(DORMANT, say),
        TIMESCALE,
        limits=watched(),
        span=SIXTH,
        nothing=say("not 20 days of history", "历史不足 20 天"),
    )


def _by_hour(say: Say) -> str:
    return say(
        "By the hour; by the day where the range is longer than one. A late record counts where it belongs.",
        "按小时统计；所选范围超过一天时按日统计。迟到的记录计入其所属时段。",
    )


def _trades(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades", "交易笔数"),
        say(f"Lines weighed on trace scales. {_by_hour(say)}", f"追溯秤的交易行。{_by_hour(say)}"),
        units.Short,
        span=HALF,
        nothing=say(*NO_TRADES),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, TRADES, say)).interval("1h").with_target(sql_series(TRADES_IN_TIME, say))


def _volume(say: Say) -> timeseries.Panel:
    panel = series(
        say("Sold for, in time, in yuan", "销售金额走势（元）"),
        say(f"The amounts of the sales. {_by_hour(say)}", f"销售的金额。{_by_hour(say)}"),
        units.Short,
        span=HALF,
        nothing=say(*NO_TRADES),
    ).datasource(TIMESCALE)
    return (
        stacked_bars(named(panel, {"amount": ("yuan", "金额（元）")}, say))
        .interval("1h")
        .with_target(sql_series(VOLUME_IN_TIME, say))
    )


def _receipts_by_site(say: Say) -> table.Panel:
    return listing(
        say("Sites by receipt rate, lowest first", "节点打单率（由低到高）"),
        say(f"Trade of each site on its scales. {_days(say)}", f"各节点企业追溯秤的交易。{_days(say)}"),
        sql(RECEIPTS_BY_SITE, say),
        (
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("scales", ("scales", "秤数"), units.Short),
            Column("sales", ("sales", "销售"), units.Short),
            Column("yuan", ("yuan", "金额（元）"), units.Short),
            Column("kg", ("weight", "重量"), units.Kilogram),
            Column("unprinted", ("without a receipt", "未打单"), units.Short),
            Column("share", ("receipt rate", "打单率"), units.PercentUnit, limits=at_least(*RECEIPT_LIMITS)),
        ),
        say,
        nothing=(
            "no sales in this range, or none is reckoned yet: today's figures come within ten minutes",
            "所选时段无销售，或尚无日统计：当日统计在十分钟内得出",
        ),
    )


def _receipts(say: Say) -> timeseries.Panel:
    panel = series(
        say("Receipt rate by the day", "每日打单率"),
        say("Today's is so far.", "当日为截至目前。"),
        units.PercentUnit,
        span=HALF,
        nothing=say("no sale in this range tells whether it had a receipt", "所选时段的销售均未注明是否打单"),
    ).datasource(TIMESCALE)
    return (
        named(panel, {"share": ("receipt rate", "打单率")}, say)
        .max(1)
        .interval("1d")
        .with_target(sql_series(RECEIPTS_IN_TIME, say))
    )


def _scans(say: Say) -> timeseries.Panel:
    panel = series(
        say("Scans and look-ups", "扫码与查询"),
        say(
            f"By their result; beyond a day unknown codes are among those found. {_by_hour(say)}",
            f"按结果统计；超过一天时无此码计入成功。{_by_hour(say)}",
        ),
        units.Short,
        span=HALF,
        nothing=say(
            "no scans in this range: no scanner, handheld or kiosk here, or none used",
            "所选时段无扫码与查询：此处无相应设备，或未使用",
        ),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, RESULTS, say)).interval("1h").with_target(sql_series(SCANS_IN_TIME, say))


def _errors(say: Say) -> barchart.Panel:
    return bars(
        say("Errors by rule", "差错分类"),
        say(
            f"Records that break a rule. An amount may differ by one fen from price × weight. {_days(say)}",
            f"违反规则的记录数。金额与单价×重量允许相差 1 分。{_days(say)}",
        ),
        sql(ERRORS, say),
        say,
        names={"records": ("records", "记录数")},
        rows=DATA_ERRORS,
        span=THIRD,
        nothing=NO_ERRORS,
    )


def _worst(say: Say) -> table.Panel:
    return listing(
        say("Devices with most errors", "差错最多的设备"),
        say(
            f"The 50 devices with most records that break a rule. {_days(say)}",
            f"违规记录最多的 50 台设备。{_days(say)}",
        ),
        sql(WORST, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("amount", ("amount", "金额不符"), units.Short),
            Column("weight", ("weight", "重量不符"), units.Short),
            Column("unstable", ("unstable", "未稳定"), units.Short),
            Column("scan", ("scans failed", "扫码出错"), units.Short),
            Column("refused", ("refused or contradicting", "拒收或冲突"), units.Short),
        ),
        say,
        span=TWO_THIRDS,
        nothing=NO_ERRORS,
    )


def _use_by_kind(say: Say) -> barchart.Panel:
    return bars(
        say("Use by kind", "使用情况"),
        say(
            f"Devices with at least one trade, scan or look-up, and those without. {_days(say)}",
            f"至少有一次交易、扫码或查询的设备数及其余设备数。{_days(say)}",
        ),
        sql(USE_BY_KIND, say),
        say,
        names=USES,
        rows=KINDS,
        span=THIRD,
        nothing=(
            "no scale, kiosk or scanner here, or none is reckoned yet: today's figures come within ten minutes",
            "此处无追溯秤、查询机和扫码设备，或尚无日统计：当日统计在十分钟内得出",
        ),
    )


def _unused(say: Say) -> table.Panel:
    return listing(
        say("Longest asleep first", "沉睡设备（由久到近）"),
        say(
            "In service and not used on days on which something was expected: of the last 60 days, whatever the range.",
            "在用且在应在线的日子没有使用：取最近 60 天，与所选时段无关。",
        ),
        sql(UNUSED, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("last_used", ("last used", "最近使用")),
            Column("quiet_days", ("days not used", "未使用天数"), units.Short, limits=at_most(7, 30)),
            Column("presence_since", ("presence since", "在线状态始于"), TIME),
            Column("score", ("health", "健康分"), units.Short, limits=at_least(80, 60)),
        ),
        say,
        span=TWO_THIRDS,
        height=HEIGHT,
        nothing=("none asleep on the days that are reckoned so far", "已统计的日期内无沉睡设备"),
    )
