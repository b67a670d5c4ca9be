"""The panels of health and retirement: how well devices are, which ought to go, and how far they are on their way."""

from collections.abc import Iterator, Sequence
from typing import Final

from grafana_foundation_sdk.builders import barchart, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, Panel

from grafana.look import HALF, HEIGHT, WHOLE, mapped, renamed, series, stacked_bars
from grafana.sources import TIMESCALE, SqlQuery
from grafana.words import BANDS, CASE_STATES, CHANNELS, KINDS, PRESENCES, SCOPES, Say, Words

BY_PRESENCE: Final = """
SELECT kind, CASE WHEN excused_by IS NULL THEN presence ELSE 'excused' END AS presence, count(*) AS devices
FROM grafana_health
WHERE kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY 1, 2 ORDER BY 1, 2
"""
BY_BAND: Final = """
SELECT kind, CASE WHEN score >= 90 THEN '90' WHEN score >= 80 THEN '80' WHEN score >= 60 THEN '60'
                  WHEN score >= 0 THEN '0' ELSE 'none' END AS band, count(*) AS devices
FROM grafana_health
WHERE kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY 1, 2 ORDER BY 1, 2
"""
# The day is what an index knows; one more at each end, since a day here begins 8 hours before the UTC one.
SCORES: Final = """
SELECT day::timestamp AT TIME ZONE 'Asia/Shanghai' AS time, kind AS metric, avg(score)::double precision AS score
FROM grafana_health_days
WHERE day BETWEEN $__timeFrom()::timestamptz::date - 1 AND $__timeTo()::timestamptz::date + 1
  AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY day, kind ORDER BY day, kind
"""
WORST: Final = """
SELECT device_no, kind, site_no, score, worst_reason, presence, presence_since
FROM grafana_health
WHERE score IS NOT NULL AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
ORDER BY score, device_no
LIMIT 50
"""
OUTAGES: Final = """
SELECT scope, site_no, site_zh, site_en, began_at, reason
FROM grafana_outages
WHERE ended_at IS NULL AND (site_no IS NULL OR site_no IN (${site:sqlstring}))
ORDER BY began_at, outage_id
LIMIT 100
"""
FINDINGS: Final = """
SELECT rule_zh, rule_en, kind, count(*) AS devices
FROM grafana_findings
WHERE cleared_at IS NULL AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY rule_zh, rule_en, kind ORDER BY devices DESC, rule_en, kind
"""
FLAGS: Final = """
SELECT region_code, kind, count(*) AS devices
FROM grafana_flags
WHERE ended_at IS NULL AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY region_code, kind ORDER BY region_code, kind
"""
CASES: Final = """
SELECT state, count(*) FILTER (WHERE NOT is_overdue) AS in_time, count(*) FILTER (WHERE is_overdue) AS overdue
FROM grafana_cases
WHERE is_open AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY state ORDER BY min(state_since)
"""
STEPS: Final = """
SELECT date_trunc('day', at, 'Asia/Shanghai') AS time, to_state AS metric, count(*) AS cases
FROM grafana_case_steps
WHERE $__timeFilter(at) AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY 1, 2 ORDER BY 1, 2
"""
PROGRAMMES: Final = """
SELECT programme_no, name_zh, name_en, due_on, target, retired, remaining, rate
FROM grafana_programmes
WHERE programme_no IN (${programme:sqlstring})
ORDER BY due_on, programme_no
"""
BURN_DOWN: Final = """
SELECT bucket_at AS time, programme_no AS metric, remaining, even
FROM grafana_programme_days
WHERE day BETWEEN $__timeFrom()::timestamptz::date - 1 AND $__timeTo()::timestamptz::date + 1
  AND programme_no IN (${programme:sqlstring})
ORDER BY bucket_at, programme_no
"""
SECURITY: Final = """
SELECT device_no, kind, site_no, channel, attempts, first_at, last_at
FROM grafana_security_events
WHERE settled_at IS NULL AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
ORDER BY last_at DESC
LIMIT 100
"""
IN_TIME: Final[Words] = {"in_time": ("in time", "按期"), "overdue": ("overdue", "超期")}

# Columns of a table: the name, its title, its unit, and the words of its values.
Columns = Sequence[tuple[str, tuple[str, str], str, Words]]
_DEVICE: Final[Columns] = (
    ("device_no", ("device", "设备"), "", {}),
    ("kind", ("kind", "类别"), "", KINDS),
    ("site_no", ("site", "节点企业"), "", {}),
)


def panels(say: Say) -> Iterator[Builder[Panel]]:
    """The panels, in reading order."""
    yield _by_presence(say)
    yield _by_band(say)
    yield _scores(say)
    yield _worst(say)
    yield _outages(say)
    yield _findings(say)
    yield _flags(say)
    yield _cases(say)
    yield _steps(say)
    yield _programmes(say)
    yield _burn_down(say)
    yield _security(say)


def _by_presence(say: Say) -> barchart.Panel:
    panel = _bars(
        say("Devices by presence", "设备在线状态"),
        say(
            "As fleet judged them last. Nothing is expected of what is closed, out of service or in an outage.",
            "以最近一次评估为准。停业、非在用或处于中断期间的设备免计。",
        ),
        SqlQuery(BY_PRESENCE),
        matrix=("kind", "presence", "devices"),
    )
    return _named(panel, PRESENCES, say).mappings(mapped(KINDS, say))


def _by_band(say: Say) -> barchart.Panel:
    panel = _bars(
        say("Devices by health", "设备健康分段"),
        say("Scores of the last evaluation, 0 to 100, by kind.", "最近一次评估的健康分（0 至 100），按类别统计。"),
        SqlQuery(BY_BAND),
        matrix=("kind", "band", "devices"),
    )
    return _named(panel, BANDS, say).mappings(mapped(KINDS, say))


def _scores(say: Say) -> timeseries.Panel:
    panel = series(
        say("Mean health by day", "每日平均健康分"),
        say("The last score of each day, the mean of each kind.", "每日最后一次评分，按类别取平均。"),
        units.Short,
        span=WHOLE,
    ).datasource(TIMESCALE)
    for name, override in renamed(KINDS, say):
        panel.override_by_name(name, override)
    return panel.max(100).with_target(SqlQuery(SCORES, "time_series"))


def _worst(say: Say) -> table.Panel:
    columns: Columns = (
        *_DEVICE,
        ("score", ("score", "健康分"), "", {}),
        ("worst_reason", ("worst reason", "主要原因"), "", {}),
        ("presence", ("presence", "在线状态"), "", PRESENCES),
        ("presence_since", ("since", "开始时间"), units.DatetimeISONotToday, {}),
    )
    return _table(
        say("Worst devices", "健康分最低的设备"),
        say("The 50 with the lowest scores.", "健康分最低的 50 台设备。"),
        SqlQuery(WORST),
        columns,
        say,
    )


def _outages(say: Say) -> table.Panel:
    columns: Columns = (
        ("scope", ("scope", "范围"), "", SCOPES),
        ("site_no", ("site number", "节点编号"), "", {}),
        ("site_zh", ("site", "节点企业"), "", {}),
        ("site_en", ("site", "节点企业"), "", {}),
        ("began_at", ("began at", "开始时间"), units.DatetimeISONotToday, {}),
        ("reason", ("reason", "原因"), "", {}),
    )
    return _table(
        say("Open outages", "当前中断"),
        say(
            "Of ours or of a whole site: nobody's devices are blamed for them.",
            "平台或整个节点的中断，期间不计设备失联。",
        ),
        SqlQuery(OUTAGES),
        columns,
        say,
        hidden=say("site_zh", "site_en"),
        span=HALF,
    )


def _findings(say: Say) -> table.Panel:
    columns: Columns = (
        ("rule_zh", ("rule", "规则"), "", {}),
        ("rule_en", ("rule", "规则"), "", {}),
        ("kind", ("kind", "类别"), "", KINDS),
        ("devices", ("devices", "设备数"), "", {}),
    )
    return _table(
        say("Findings by rule", "各规则的发现"),
        say("Devices with an open finding, by rule and kind.", "存在未消除发现的设备数，按规则与类别统计。"),
        SqlQuery(FINDINGS),
        columns,
        say,
        hidden=say("rule_zh", "rule_en"),
        span=HALF,
    )


def _flags(say: Say) -> barchart.Panel:
    panel = _bars(
        say("Flagged devices by region", "各区域待淘汰设备"),
        say("Devices that ought to go, by region code and kind.", "已标记应淘汰的设备，按行政区划代码与类别统计。"),
        SqlQuery(FLAGS),
        matrix=("region_code", "kind", "devices"),
    )
    return _named(panel, KINDS, say)


def _cases(say: Say) -> barchart.Panel:
    panel = _bars(
        say("Open cases by state", "在办案件状态"),
        say("Disposal cases under way, in time and overdue.", "在办处置案件，分按期与超期。"),
        SqlQuery(CASES),
    )
    return _named(panel, IN_TIME, say).mappings(mapped(CASE_STATES, say))


def _steps(say: Say) -> timeseries.Panel:
    panel = series(
        say("Steps of cases per day", "每日案件进展"),
        say("How many cases came into each state.", "每日进入各状态的案件数。"),
        units.Short,
        span=WHOLE,
    ).datasource(TIMESCALE)
    for name, override in renamed(CASE_STATES, say):
        panel.override_by_name(name, override)
    return stacked_bars(panel).interval("1d").with_target(SqlQuery(STEPS, "time_series"))


def _programmes(say: Say) -> table.Panel:
    columns: Columns = (
        ("programme_no", ("number", "任务编号"), "", {}),
        ("name_zh", ("programme", "淘汰任务"), "", {}),
        ("name_en", ("programme", "淘汰任务"), "", {}),
        ("due_on", ("due on", "截止日期"), "", {}),
        ("target", ("target", "目标（台）"), "", {}),
        ("retired", ("retired", "已淘汰（台）"), "", {}),
        ("remaining", ("remaining", "未完成（台）"), "", {}),
        ("rate", ("completed", "淘汰完成率"), units.PercentUnit, {}),
    )
    return _table(
        say("Programmes", "淘汰任务"),
        say("As they are today, or were at their end.", "截至今日；已结束的任务以结束日为准。"),
        SqlQuery(PROGRAMMES),
        columns,
        say,
        hidden=say("name_zh", "name_en"),
        span=HALF,
    )


def _burn_down(say: Say) -> timeseries.Panel:
    return (
        series(
            say("Burn-down", "任务燃尽图"),
            say(
                "What remains of each programme (remaining), and what would if the same number went each day (even).",
                "各任务的未完成数（remaining），以及每日等量完成时应剩余的数量（even）。",
            ),
            units.Short,
            span=HALF,
        )
        .datasource(TIMESCALE)
        .interval("1d")
        .with_target(SqlQuery(BURN_DOWN, "time_series"))
    )


def _security(say: Say) -> table.Panel:
    columns: Columns = (
        *_DEVICE,
        ("channel", ("where", "途径"), "", CHANNELS),
        ("attempts", ("attempts", "次数"), "", {}),
        ("first_at", ("first", "首次时间"), units.DatetimeISONotToday, {}),
        ("last_at", ("last", "最近时间"), units.DatetimeISONotToday, {}),
    )
    return _table(
        say("Retired identities that speak", "已注销设备的访问"),
        say("Security events that nobody has settled yet.", "尚未处理的安全事件。"),
        SqlQuery(SECURITY),
        columns,
        say,
    )


def _bars(
    title: str, description: str, query: SqlQuery, *, matrix: tuple[str, str, str] | None = None
) -> barchart.Panel:
    """Bars upon each other. *matrix*: the columns of the rows, the bars and the values, where a row is of one bar."""
    panel = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(TIMESCALE)
        .unit(units.Short)
        .height(HEIGHT)
        .span(HALF)
        .stacking(StackingMode.NORMAL)
        .fill_opacity(80)
        .with_target(query)
    )
    if matrix is not None:
        options = dict(zip(("rowField", "columnField", "valueField"), matrix, strict=True)) | {"emptyValue": "null"}
        panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=options))
    return panel


def _named(panel: barchart.Panel, words: Words, say: Say) -> barchart.Panel:
    for name, override in renamed(words, say):
        panel.override_by_name(name, override)
    return panel


def _table(
    title: str,
    description: str,
    query: SqlQuery,
    columns: Columns,
    say: Say,
    *,
    hidden: str | None = None,
    span: int = WHOLE,
) -> table.Panel:
    """A table. *hidden*: the column in the other language."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(TIMESCALE)
        .unit(units.Short)
        .height(HEIGHT)
        .span(span)
        .with_target(query)
    )
    if hidden is not None:
        panel.with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": {hidden: True}}))
    for name, texts, unit, words in columns:
        shown = [DynamicConfigValue(id_val="displayName", value=say(*texts))]
        if unit:
            shown.append(DynamicConfigValue(id_val="unit", value=unit))
        if words:
            shown.append(DynamicConfigValue(id_val="mappings", value=mapped(words, say)))
        panel.override_by_name(name, shown)
    return panel
