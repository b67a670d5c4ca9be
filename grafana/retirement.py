"""The dashboard "Retirement / 设备淘汰": what ought to go, how far it is on its way, what is gone and still speaks."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.emptiness import AFTER_THE_DAY, NO_CASE, NO_DAY_JUDGED, NONE_SPEAKS
from grafana.links import to_console, to_device, to_site
from grafana.look import (
    HALF,
    SIXTH,
    coloured,
    default_limit,
    named,
    none_wanted,
    series,
    stacked_bars,
    thresholds,
    watched,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, kind_column, listing
from grafana.tiles import bars, tile
from grafana.words import AGES, CASE_STATES, CHANNELS, KINDS, Say

SPEAKING: Final = "SELECT count(*) AS devices FROM grafana_security_events WHERE settled_at IS NULL AND @devices"
OVERDUE: Final = "SELECT count(*) AS cases FROM grafana_cases WHERE is_overdue AND @devices"
# Each day is judged when it is over: before that, nobody has looked.
WAITING: Final = """
SELECT CASE WHEN count(*) > 0
                 OR EXISTS (SELECT FROM grafana_device_days WHERE day BETWEEN @today - 7 AND @today - 1 AND @devices)
            THEN count(*) END AS devices
FROM grafana_flags
WHERE ended_at IS NULL AND @devices AND device_no NOT IN (SELECT device_no FROM grafana_cases WHERE is_open)
"""
OPEN: Final = "SELECT count(*) AS cases FROM grafana_cases WHERE is_open AND @devices"
BEHIND: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE ended_on IS NULL AND remaining > even) END AS programmes
FROM (
    SELECT DISTINCT ON (programme_no) ended_on, remaining, even
    FROM grafana_programme_days WHERE @programmes ORDER BY programme_no, day DESC
) AS newest
"""
SECURITY: Final = """
SELECT device_no, kind, site_no, channel, attempts, first_at, last_at
FROM grafana_security_events
WHERE settled_at IS NULL AND @devices
ORDER BY last_at DESC LIMIT 100
"""
LATE_CASES: Final = """
SELECT case_no, device_no, kind, site_no, state, due_on::text AS due_on, @today - due_on AS days_over
FROM grafana_cases
WHERE is_open AND due_on IS NOT NULL AND @devices
ORDER BY days_over DESC, case_no LIMIT 50
"""
CASES: Final = """
SELECT state, CASE WHEN age <= 7 THEN '7' WHEN age <= 30 THEN '30' WHEN age <= 90 THEN '90' ELSE 'more' END AS age,
       count(*) AS cases
FROM (
    SELECT state, extract(epoch FROM now() - state_since) / 86400 AS age FROM grafana_cases WHERE is_open AND @devices
) AS c
GROUP BY 1, 2 ORDER BY 1, 2
"""
STEPS: Final = """
SELECT date_trunc('day', at, 'Asia/Shanghai') AS time, to_state AS metric, count(*) AS cases
FROM grafana_case_steps
WHERE $__timeFilter(at) AND @kinds
GROUP BY 1, 2 ORDER BY 1, 2
"""
FINDINGS: Final = """
SELECT rule_@lang AS rule, kind, count(*) AS devices, max(opened_at) AS last_at
FROM grafana_findings
WHERE cleared_at IS NULL AND @devices
GROUP BY 1, 2 ORDER BY devices DESC, rule, kind LIMIT 100
"""
FLAGS: Final = """
SELECT coalesce(r.name_@lang, f.region) AS region, f.kind, sum(f.devices) AS devices
FROM (
    SELECT left(region_code, 4) || '00' AS region, kind, count(*) AS devices
    FROM grafana_flags WHERE ended_at IS NULL AND @devices GROUP BY 1, 2
) AS f LEFT JOIN grafana_regions AS r ON r.region_code = f.region
GROUP BY f.region, r.name_@lang, f.kind ORDER BY f.region, f.kind
"""
PROGRAMMES: Final = """
SELECT programme_no, name_@lang AS name, due_on::text AS due_on, target, retired, remaining, rate
FROM grafana_programmes WHERE @programmes
ORDER BY due_on, programme_no
"""
BURN_DOWN: Final = """
SELECT bucket_at AS time, programme_no || ' ' || line.name AS metric, line.devices
FROM grafana_programme_days CROSS JOIN LATERAL (
    VALUES ('{remaining}', remaining::double precision), ('{even}', even)
) AS line (name, devices)
WHERE @days AND @programmes
ORDER BY 1, 2
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: what must not wait, campaigns, cases on their way, and what comes next."""
    yield Section(None, (*_tiles(say), _late_cases(say), _security(say)))
    yield Section(("Campaigns", "淘汰任务"), (_programmes(say), _burn_down(say)))
    yield Section(("Cases", "处置案件"), (_cases(say), _steps(say)))
    yield Section(("What ought to go", "应淘汰设备"), (_findings(say), _flags(say)))


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Retired and still speaking", "已注销仍在访问"),
        say(
            "Retired identities that tried to log in or to send, and nobody has settled it yet.",
            "已注销的设备仍尝试登录或上报，且尚未处理。",
        ),
        sql(SPEAKING, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH + 1,
        nothing=say(*NONE_SPEAKS),
    )
    yield tile(
        say("Cases overdue", "超期案件"),
        say("Cases that stay in a state beyond its day.", "超过当前环节期限的案件。"),
        sql(OVERDUE, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH + 1,
        nothing=say(*NO_CASE),
    )
    yield tile(
        say("Campaigns behind", "落后的任务"),
        say(
            "Campaigns with more left than the same number each day would leave.",
            "未完成数多于按每日等量完成应剩余数的任务。",
        ),
        sql(BEHIND, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH + 1,
        nothing=say("no campaign yet", "尚无淘汰任务"),
    )
    yield tile(
        say("Flagged, no case yet", "已标记未立案"),
        say(
            f"Devices that ought to go and about which nobody has opened a case. {default_limit(say)}",
            f"已标记应淘汰但尚未立案的设备。{default_limit(say)}",
        ),
        sql(WAITING, say),
        TIMESCALE,
        limits=watched(),
        span=SIXTH + 1,
        nothing=say(*NO_DAY_JUDGED),
    )
    yield tile(
        say("Open cases", "在办案件"),
        say("Disposal cases under way.", "正在办理的处置案件。"),
        sql(OPEN, say),
        TIMESCALE,
        nothing=say(*NO_CASE),
    )


def _late_cases(say: Say) -> table.Panel:
    return listing(
        say("Cases by deadline", "案件期限（由急到缓）"),
        say(
            "Open cases, the longest overdue first: who may do what next stands in the console.",
            "在办案件，超期最久者在前；下一步由谁办理见管理台。",
        ),
        sql(LATE_CASES, say),
        (
            Column("case_no", ("case", "案件编号")),
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site", "节点企业"), links=(to_site(say),)),
            Column("state", ("state", "状态"), words=CASE_STATES),
            Column("due_on", ("due on", "期限")),
            Column(
                "days_over",
                ("days over", "超期天数"),
                units.Short,
                limits=thresholds("text", (-2, "orange"), (1, "red")),
            ),
        ),
        say,
        span=HALF,
        nothing=NO_CASE,
    )


def _security(say: Say) -> table.Panel:
    return listing(
        say("Retired identities that speak", "已注销设备的访问"),
        say(
            "All of it was refused. Find the thing and take its power, then settle the event.",
            "均已被拒绝。请找到实物并断电，然后处理该事件。",
        ),
        sql(SECURITY, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site", "节点企业"), links=(to_site(say),)),
            Column("channel", ("where", "途径"), words=CHANNELS),
            Column("attempts", ("attempts", "次数"), units.Short),
            Column("first_at", ("first", "首次时间"), TIME),
            Column("last_at", ("last", "最近时间"), TIME),
        ),
        say,
        span=HALF,
        nothing=("no retired identity speaks", "没有已注销设备在访问"),
    )


def _programmes(say: Say) -> table.Panel:
    return listing(
        say("Programmes", "淘汰任务进度"),
        say("As they are today, or were at their end.", "截至今日；已结束的任务以结束日为准。"),
        sql(PROGRAMMES, say),
        (
            Column("programme_no", ("number", "任务编号")),
            Column("name", ("programme", "淘汰任务")),
            Column("due_on", ("due on", "截止日期")),
            Column("target", ("target", "目标（台）"), units.Short),
            Column("retired", ("retired", "已淘汰（台）"), units.Short),
            Column("remaining", ("remaining", "未完成（台）"), units.Short),
            Column("rate", ("completed", "淘汰完成率"), units.PercentUnit),
        ),
        say,
        span=HALF,
        nothing=("no campaign", "无淘汰任务"),
    )


def _burn_down(say: Say) -> timeseries.Panel:
    return (
        series(
            say("Burn-down", "任务燃尽图"),
            say(
                "What is left of each programme, and what would be if the same number went each day. "
                "Always the last 90 days.",
                "各任务的未完成数，以及每日等量完成时应剩余的数量。固定显示最近 90 天。",
            ),
            units.Short,
            span=HALF,
            nothing=say("no campaign in these days", "此期间无淘汰任务"),
        )
        .datasource(TIMESCALE)
        .time_from("90d")
        .interval("1d")
        .with_target(sql_series(BURN_DOWN.format(remaining=say("left", "未完成"), even=say("even", "匀速")), say))
    )


def _cases(say: Say) -> barchart.Panel:
    panel = bars(
        say("Cases by step and age", "各环节案件及停留时间"),
        say(
            "Open cases by the state they are in, and how long they have been in it.",
            "在办案件所处的环节，以及在该环节停留的时间。",
        ),
        sql(CASES, say),
        say,
        names=AGES,
        rows=CASE_STATES,
        matrix=("state", "age", "cases"),
        nothing=NO_CASE,
    )
    for name, colour in (("7", "green"), ("30", "yellow"), ("90", "orange"), ("more", "red")):
        panel.override_by_name(*coloured(name, colour))
    return panel


def _steps(say: Say) -> timeseries.Panel:
    panel = series(
        say("Steps of cases per day", "每日案件进展"),
        say(
            "How many cases came into each state. Always the last 90 days.",
            "每日进入各状态的案件数。固定显示最近 90 天。",
        ),
        units.Short,
        span=HALF,
        nothing=say("no case moved in these days", "此期间案件无进展"),
    ).datasource(TIMESCALE)
    return (
        stacked_bars(named(panel, CASE_STATES, say)).time_from("90d").interval("1d").with_target(sql_series(STEPS, say))
    )


def _findings(say: Say) -> table.Panel:
    return listing(
        say("Findings by rule", "各规则的发现"),
        say("Devices with an open finding, by rule and kind.", "存在未消除发现的设备数，按规则与类别统计。"),
        sql(FINDINGS, say),
        (
            Column("rule", ("rule", "规则")),
            kind_column(),
            Column("devices", ("devices", "设备数"), units.Short),
            Column("last_at", ("newest", "最近发现"), TIME),
        ),
        say,
        span=HALF,
        nothing=AFTER_THE_DAY,
    )


def _flags(say: Say) -> barchart.Panel:
    return bars(
        say("Flagged devices by region", "各区域待淘汰设备"),
        say(
            "Devices that ought to go, by prefecture and kind; counties count with their prefecture.",
            "已标记应淘汰的设备，按地市与类别统计，县级计入所属地市。",
        ),
        sql(FLAGS, say),
        say,
        names=KINDS,
        matrix=("region", "kind", "devices"),
        nothing=AFTER_THE_DAY,
    )
