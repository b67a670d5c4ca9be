"""The dashboard "Fleet health / 设备健康": which devices are not well, why, and what falls due."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import barchart, stat, table, timeseries
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import VizOrientation

from grafana.emptiness import NO_DEVICE, NO_HEALTH, NO_SCORES, NO_VERIFICATION, NONE_EXPECTED, NOT_EVALUATED, NOT_SCORED
from grafana.links import to_console, to_device, to_site
from grafana.look import (
    HALF,
    HEIGHT,
    PLAIN,
    QUARTER,
    WHOLE,
    at_least,
    coloured,
    default_limit,
    named,
    none_wanted,
    renamed,
    series,
    stacked_bars,
    thresholds,
    watched,
)
from grafana.page import Section
from grafana.sources import PROMETHEUS, TIMESCALE, promql, sql, sql_series
from grafana.tables import TIME, Column, device_column, kind_column, listing, site_column
from grafana.tiles import bars, tile
from grafana.words import BANDS, CHECKS, DEVICES, KINDS, METROLOGIES, PRESENCES, STATES, Say

# Of those of which something is expected now.
HEARD: Final = """
SELECT count(*) FILTER (WHERE presence IN ('online', 'late'))::double precision / nullif(count(*), 0) AS share
FROM grafana_health WHERE excused_by IS NULL AND @devices
"""
SILENT: Final = """
SELECT CASE WHEN count(*) > 0
            THEN count(*) FILTER (WHERE excused_by IS NULL AND presence IN ('silent', 'never_seen')) END AS devices
FROM grafana_health WHERE @devices
"""
POOR: Final = """
SELECT CASE WHEN count(score) > 0 THEN count(*) FILTER (WHERE score < 60) END AS devices
FROM grafana_health WHERE @devices
"""
# Of devices whose verification nobody entered it says nothing.
UNVERIFIED: Final = """
SELECT CASE WHEN count(*) > 0
            THEN count(*) FILTER (WHERE metrology IN ('overdue', 'failed', 'withdrawn')) END AS devices
FROM grafana_devices
WHERE state = 'in_service' AND metrology NOT IN ('not_applicable', 'unknown') AND @devices
"""
EXHAUSTED: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE battery_pct <= 10) END AS devices
FROM grafana_batteries WHERE @devices
"""
WORST: Final = """
SELECT device_no, kind, site_no, site_@lang AS site, score, worst_reason, reasons,
       CASE WHEN excused_by IS NULL THEN presence ELSE 'excused' END AS presence, presence_since
FROM grafana_health
WHERE score IS NOT NULL AND @devices
ORDER BY score, device_no
LIMIT 50
"""
BY_REASON: Final = """
SELECT worst_reason, count(*) AS devices FROM grafana_health
WHERE worst_reason IS NOT NULL AND @devices
GROUP BY 1 ORDER BY devices DESC, worst_reason LIMIT 12
"""
BY_STATE: Final = """
SELECT kind, state, count(*) AS devices FROM grafana_devices WHERE @devices GROUP BY kind, state ORDER BY kind, state
"""
# Prefectures, the counties below them included: a province has more counties than a panel has room for.
STATE_BY_REGION: Final = """
SELECT coalesce(r.name_@lang, d.region) AS region, d.state, sum(d.devices) AS devices
FROM (
    SELECT left(region_code, 4) || '00' AS region, state, count(*) AS devices
    FROM grafana_devices WHERE @devices GROUP BY 1, 2
) AS d LEFT JOIN grafana_regions AS r ON r.region_code = d.region
GROUP BY d.region, r.name_@lang, d.state ORDER BY d.region, d.state
"""
BY_PRESENCE: Final = """
SELECT kind, CASE WHEN excused_by IS NULL THEN presence ELSE 'excused' END AS presence, count(*) AS devices
FROM grafana_health WHERE @devices GROUP BY 1, 2 ORDER BY 1, 2
"""
BY_BAND: Final = """
SELECT kind, CASE WHEN score >= 90 THEN '90' WHEN score >= 80 THEN '80' WHEN score >= 60 THEN '60'
                  WHEN score >= 0 THEN '0' ELSE 'none' END AS band, count(*) AS devices
FROM grafana_health WHERE @devices GROUP BY 1, 2 ORDER BY 1, 2
"""
BATTERIES: Final = """
SELECT device_no, kind, site_no, site_@lang AS site, battery_pct, at
FROM grafana_batteries WHERE @devices
ORDER BY battery_pct, device_no LIMIT 30
"""
VERIFICATIONS: Final = """
SELECT device_no, site_no, site_@lang AS site, metrology, verified_until::text AS verified_until, verified_days_left
FROM grafana_devices
WHERE state = 'in_service' AND metrology IN ('failed', 'withdrawn', 'overdue', 'due_soon', 'unknown') AND @devices
ORDER BY array_position(ARRAY['failed', 'withdrawn', 'overdue', 'due_soon', 'unknown'], metrology),
         verified_days_left, device_no
LIMIT 50
"""
SCORES: Final = """
SELECT day::timestamp AT TIME ZONE 'Asia/Shanghai' AS time, kind AS metric, avg(score)::double precision AS score
FROM grafana_health_days WHERE @days AND day < @today AND @devices
GROUP BY day, kind
UNION ALL
SELECT @today::timestamp AT TIME ZONE 'Asia/Shanghai', kind, avg(score)::double precision
FROM grafana_health WHERE score IS NOT NULL AND @devices
GROUP BY kind
ORDER BY 1, 2
"""
OPERATION: Final = """
SELECT bucket_at AS time, kind AS metric, sum(online_slots)::double precision / nullif(sum(expected_slots), 0) AS share
FROM grafana_device_days WHERE @days AND @devices
GROUP BY bucket_at, kind HAVING sum(expected_slots) > 0 ORDER BY bucket_at, kind
"""
PRESENCE_IN_TIME: Final = 'sum by (presence) (tracefleet_fleet_presence{kind=~"$kind"})'
PRESENCE_COLOURS: Final = {
    "online": "green",
    "late": "yellow",
    "silent": "red",
    "never_seen": "purple",
    "excused": "gray",
}
METROLOGY_COLOURS: Final = {
    "unknown": "orange",
    "valid": "green",
    "due_soon": "orange",
    "overdue": "red",
    "failed": "red",
    "withdrawn": "red",
}


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: how many need somebody, which, why, what falls due, and how it came to be."""
    yield Section(None, (*_tiles(say), _worst(say), _reasons(say)))
    yield Section(("What falls due", "即将到期"), (_verifications(say), _batteries(say)))
    yield Section(
        ("Where the fleet stands", "设备现状"),
        (_by_state(say), _state_by_region(say), _by_presence(say), _by_band(say)),
    )
    # A month of a large fleet takes seconds to sum up: whoever wants it opens it.
    yield Section(
        ("How it came to be", "变化趋势"),
        (_presence_in_time(say), _operation(say), _scores(say)),
        is_collapsed=True,
    )


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Heard as expected", "在线率"),
        say(
            "Devices heard among those of which something is expected now: in service, open, no outage. "
            f"{default_limit(say)}",
            f"应在线设备（在用、营业中、无中断）中有数据的比例。{default_limit(say)}",
        ),
        sql(HEARD, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(0.95, 0.8),
        span=QUARTER,
        nothing=say(*NONE_EXPECTED),
    )
    yield tile(
        say("Silent devices", "失联设备"),
        say(
            f"Silent beyond their limit or never heard, and nothing excuses it. {default_limit(say)}",
            f"超过时限无数据或从未上线，且无停业、中断等原因。{default_limit(say)}",
        ),
        sql(SILENT, say),
        TIMESCALE,
        limits=watched(),
        nothing=say(*NOT_EVALUATED),
    )
    yield tile(
        say("Health below 60", "健康分低于 60"),
        say("Somebody should go and look: the table below begins with them.", "需派人现场查看，见下表前列。"),
        sql(POOR, say),
        TIMESCALE,
        limits=watched(),
        nothing=say(*NOT_SCORED),
    )
    yield tile(
        say("May not be traded on", "不得用于交易"),
        say(
            "In service with a verification that is overdue, failed or withdrawn: to trade on them is against the law.",
            "在用但检定超期、不合格或被撤销。依法不得用于贸易结算。",
        ),
        sql(UNVERIFIED, say),
        TIMESCALE,
        limits=none_wanted(),
        span=QUARTER - 1,
        nothing=say(*NO_VERIFICATION),
    )
    yield tile(
        say("Batteries at 10 % or less", "电量不高于 10%"),
        say("They fall silent within days.", "数日内将失联。"),
        sql(EXHAUSTED, say),
        TIMESCALE,
        limits=none_wanted(),
        span=QUARTER - 1,
        nothing=say("no battery told", "无电量上报"),
    )


def _worst(say: Say) -> table.Panel:
    return listing(
        say("Worst first", "由差到好"),
        say(
            "The 50 devices with the lowest health, 0 to 100, and what lowers it most.",
            "健康分（0 至 100）最低的 50 台设备及其主要原因。",
        ),
        sql(WORST, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("score", ("health", "健康分"), units.Short, limits=at_least(80, 60), width=90),
            Column("worst_reason", ("worst reason", "主要原因"), words=CHECKS),
            Column("reasons", ("reasons", "原因数"), units.Short, width=90),
            Column("presence", ("presence", "在线状态"), words=PRESENCES, colours=PRESENCE_COLOURS),
            Column("presence_since", ("since", "开始时间"), TIME),
        ),
        say,
        span=WHOLE - QUARTER,
        height=HEIGHT + 4,
        nothing=NO_SCORES,
    )


def _reasons(say: Say) -> barchart.Panel:
    return bars(
        say("Why", "主要原因"),
        say("Devices by what lowers their health most.", "按健康分的主要扣分原因统计的设备数。"),
        sql(BY_REASON, say),
        say,
        names=DEVICES,
        rows=CHECKS,
        span=QUARTER,
        height=HEIGHT + 4,
        nothing=("nothing lowers a score, or no device is judged yet", "没有扣分原因，或设备尚未评分"),
    ).orientation(VizOrientation.HORIZONTAL)


def _verifications(say: Say) -> table.Panel:
    return listing(
        say("Verification due", "检定到期"),
        say(
            "Failed and withdrawn first, then the longest overdue, what ends within 30 days, and what nobody entered.",
            "不合格与撤销在前，其后依次为超期最久、30 天内到期、未录入。",
        ),
        sql(VERIFICATIONS, say),
        (
            device_column(to_device(say), to_console(say)),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("metrology", ("verification", "检定"), words=METROLOGIES, colours=METROLOGY_COLOURS),
            Column("verified_until", ("holds until", "有效期至")),
            Column(
                "verified_days_left",
                ("days left", "剩余天数"),
                units.Short,
                limits=thresholds("red", (0, "orange"), (31, PLAIN)),
            ),
        ),
        say,
        span=HALF,
        nothing=(
            "none is due: what is in service is verified, or needs no verification",
            "无到期：在用设备的检定均有效，或无需检定",
        ),
    )


def _batteries(say: Say) -> table.Panel:
    return listing(
        say("Batteries, lowest first", "电量（由低到高）"),
        say(
            f"As each told it last. {default_limit(say)}",
            f"以设备最近一次自报为准。{default_limit(say)}",
        ),
        sql(BATTERIES, say),
        (
            device_column(to_device(say), to_console(say)),
            kind_column(),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("battery_pct", ("battery", "电量"), units.Percent, limits=at_least(20, 10.1)),
            Column("at", ("told at", "上报时间"), TIME),
        ),
        say,
        span=HALF,
        nothing=("no device in service has told its battery", "没有在用设备上报过电量"),
    )


def _by_state(say: Say) -> barchart.Panel:
    return bars(
        say("State by kind", "各类设备的状态"),
        say("Every device of the ledger, by kind and lifecycle state.", "台账中的全部设备，按类别与生命周期状态统计。"),
        sql(BY_STATE, say),
        say,
        names=STATES,
        rows=KINDS,
        matrix=("kind", "state", "devices"),
        nothing=NO_DEVICE,
    )


def _state_by_region(say: Say) -> barchart.Panel:
    return bars(
        say("State by region", "各区域设备的状态"),
        say(
            "Every device of the ledger, by prefecture and lifecycle state; counties count with their prefecture.",
            "台账中的全部设备，按地市与生命周期状态统计，县级计入所属地市。",
        ),
        sql(STATE_BY_REGION, say),
        say,
        names=STATES,
        matrix=("region", "state", "devices"),
        nothing=NO_DEVICE,
    )


def _by_presence(say: Say) -> barchart.Panel:
    panel = bars(
        say("Presence by kind", "各类设备的在线状态"),
        say(
            "As fleet judged them last. Nothing is expected of what is closed, out of service or in an outage.",
            "以最近一次评估为准。停业、非在用或处于中断期间的设备免计。",
        ),
        sql(BY_PRESENCE, say),
        say,
        names=PRESENCES,
        rows=KINDS,
        matrix=("kind", "presence", "devices"),
        nothing=NO_HEALTH,
    )
    for name, colour in PRESENCE_COLOURS.items():
        panel.override_by_name(*coloured(name, colour))
    return panel


def _by_band(say: Say) -> barchart.Panel:
    panel = bars(
        say("Health by kind", "各类设备的健康分段"),
        say("Scores of the last evaluation, 0 to 100, by kind.", "最近一次评估的健康分（0 至 100），按类别统计。"),
        sql(BY_BAND, say),
        say,
        names=BANDS,
        rows=KINDS,
        matrix=("kind", "band", "devices"),
        nothing=NO_HEALTH,
    )
    for name, colour in (("90", "green"), ("80", "semi-dark-green"), ("60", "orange"), ("0", "red"), ("none", "gray")):
        panel.override_by_name(*coloured(name, colour))
    return panel


def _presence_in_time(say: Say) -> timeseries.Panel:
    panel = series(
        say("Presence", "在线状态变化"),
        say("Devices in places, by how they are heard. All sites.", "在场设备按在线状态统计，含全部节点。"),
        units.Short,
        nothing=say("fleet was not measured in this range", "所选时段未采集到设备管理进程的指标"),
    ).datasource(PROMETHEUS)
    for name, override in renamed(PRESENCES, say):
        panel.override_by_name(name, override)
    for name, colour in PRESENCE_COLOURS.items():
        panel.override_by_name(*coloured(name, colour))
    return stacked_bars(panel).with_target(promql(PRESENCE_IN_TIME, legend="{{presence}}"))


def _operation(say: Say) -> timeseries.Panel:
    panel = series(
        say("Operation by day", "每日正常运行率"),
        say(
            "5-minute slots in which devices were heard among those in which they were expected, by kind (R1). "
            "Always the last 30 days.",
            "应在线的 5 分钟时隙中实际在线的比例，按类别（正常运行率）。固定显示最近 30 天。",
        ),
        units.PercentUnit,
        nothing=say(
            "nothing was expected on these days, or none is reckoned yet: today's figures come within ten minutes",
            "此期间没有应在线设备，或尚无日统计：当日统计在十分钟内得出",
        ),
    ).datasource(TIMESCALE)
    return named(panel, KINDS, say).max(1).time_from("30d").interval("1d").with_target(sql_series(OPERATION, say))


def _scores(say: Say) -> timeseries.Panel:
    panel = series(
        say("Mean health by day", "每日平均健康分"),
        say(
            "The last score of each day, today's as it is now; the mean of each kind. Always the last 30 days.",
            "每日最后一次评分（当日为最新），按类别取平均。固定显示最近 30 天。",
        ),
        units.Short,
        nothing=say(*NO_SCORES),
    ).datasource(TIMESCALE)
    return named(panel, KINDS, say).max(100).time_from("30d").interval("1d").with_target(sql_series(SCORES, say))
