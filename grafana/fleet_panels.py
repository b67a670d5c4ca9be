"""The panels of the fleet: where its devices stand, whether they are heard, and what they report."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import barchart, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import StackingMode, TableColorTextCellOptions
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, Panel

from grafana.look import HALF, HEIGHT, WHOLE, default_limit, mapped, renamed, series, stacked_bars, thresholds
from grafana.sources import PROMETHEUS, TIMESCALE, SqlQuery, promql
from grafana.words import KINDS, STATES, TRADES, Say

ONLINE_SHARE: Final = (
    'sum by (kind) (tracefleet_fleet_devices_online{kind=~"$kind"})'
    ' / (sum by (kind) (tracefleet_fleet_devices{kind=~"$kind", state="in_service"}) > 0)'
)
BY_STATE: Final = """
SELECT kind, state, count(*) AS devices
FROM grafana_devices
WHERE kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY kind, state ORDER BY kind, state
"""
# The day is what an index knows; one more at each end, since a day here begins 8 hours before the UTC one.
SLOTS: Final = """
SELECT bucket_at AS time, kind AS metric, sum(slots) AS slots
FROM grafana_presence_1h
WHERE day BETWEEN $__timeFrom()::timestamptz::date - 1 AND $__timeTo()::timestamptz::date + 1
  AND $__timeFilter(bucket_at) AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY bucket_at, kind ORDER BY bucket_at, kind
"""
COLDCHAIN: Final = """
SELECT device_no, site_zh, site_en, probe, at, temperature_c, fault, humidity_pct, door_open, battery_pct
FROM grafana_coldchain_latest
WHERE kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
ORDER BY temperature_c DESC NULLS FIRST, device_no, probe
LIMIT 100
"""
TRADES_PER_HOUR: Final = """
SELECT bucket_at AS time, sum(sales) AS sales, sum(returns) AS returns, sum(voids) AS voids
FROM grafana_trades_1h
WHERE $__timeFilter(bucket_at) AND kind IN (${kind:sqlstring}) AND site_no IN (${site:sqlstring})
GROUP BY bucket_at ORDER BY bucket_at
"""


def panels(say: Say) -> Iterator[Builder[Panel]]:
    """The panels, in reading order."""
    yield _by_state(say)
    yield _online_share(say)
    yield _slots(say)
    yield _trades(say)
    yield _coldchain(say)


def _by_state(say: Say) -> barchart.Panel:
    matrix = DataTransformerConfig(
        id_val="groupingToMatrix",
        options={"rowField": "kind", "columnField": "state", "valueField": "devices", "emptyValue": "null"},
    )
    panel = (
        barchart.Panel()
        .title(say("Fleet by kind and state", "各类设备的状态"))
        .description(
            say(
                "Every device of the ledger, by kind and lifecycle state.",
                "台账中的全部设备，按类别与生命周期状态统计。",
            )
        )
        .datasource(TIMESCALE)
        .unit(units.Short)
        .height(HEIGHT)
        .span(HALF)
        .stacking(StackingMode.NORMAL)
        .fill_opacity(80)
        .mappings(mapped(KINDS, say))
        .with_transformation(matrix)
        .with_target(SqlQuery(BY_STATE))
    )
    for name, override in renamed(STATES, say):
        panel.override_by_name(name, override)
    return panel


def _online_share(say: Say) -> timeseries.Panel:
    panel = series(
        say("Online share", "在线率"),
        say(
            f"Devices online among those in service, by kind. All sites. {default_limit(say)}",
            f"在用设备中在线设备所占比例，按类别，含全部节点。{default_limit(say)}",
        ),
        units.PercentUnit,
        span=HALF,
    ).datasource(PROMETHEUS)
    for name, override in renamed(KINDS, say):
        panel.override_by_name(name, override)
    return (
        panel.max(1)
        .thresholds(thresholds("red", (0.8, "orange"), (0.95, "green")))
        .with_target(promql(ONLINE_SHARE, legend="{{kind}}"))
    )


def _slots(say: Say) -> timeseries.Panel:
    panel = series(
        say("5-minute slots heard per hour", "每小时在线时隙数"),
        say(
            "A device counts once in each 5 minutes in which it was heard live, at most 12 an hour. "
            "Backlogs count nothing; the hour that runs is not full yet.",
            "设备在每个 5 分钟时隙内有实时数据即计 1，每小时最多 12。补传数据不计；当前小时尚未满。",
        ),
        units.Short,
        span=HALF,
    ).datasource(TIMESCALE)
    for name, override in renamed(KINDS, say):
        panel.override_by_name(name, override)
    return stacked_bars(panel).interval("1h").with_target(SqlQuery(SLOTS, "time_series"))


def _trades(say: Say) -> timeseries.Panel:
    panel = series(
        say("Trades per hour", "每小时交易笔数"),
        say(
            "Lines weighed on trace scales, from the hourly roll-up. A late record counts in the hour it belongs to.",
            "追溯秤的交易行，取自小时汇总。迟到的记录计入其所属小时。",
        ),
        units.Short,
        span=HALF,
    ).datasource(TIMESCALE)
    for name, override in renamed(TRADES, say):
        panel.override_by_name(name, override)
    return stacked_bars(panel).interval("1h").with_target(SqlQuery(TRADES_PER_HOUR, "time_series"))


def _coldchain(say: Say) -> table.Panel:
    other_language = say("site_zh", "site_en")
    panel = (
        table.Panel()
        .title(say("Cold chain, worst first", "冷链最新温度（由差到好）"))
        .description(
            say(
                f"The newest reading of each probe in service: faults first, then the warmest. {default_limit(say)}",
                f"每个在用探头的最新读数：故障在前，其后按温度由高到低。{default_limit(say)}",
            )
        )
        .datasource(TIMESCALE)
        .unit(units.Short)
        .height(HEIGHT + 2)
        .span(WHOLE)
        .thresholds(thresholds("blue", (0, "green"), (4, "orange"), (10, "red")))
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": {other_language: True}})
        )
        .with_target(SqlQuery(COLDCHAIN))
    )
    for name, title, unit in _coldchain_columns(say):
        shown = [DynamicConfigValue(id_val="displayName", value=title)]
        if unit:
            shown.append(DynamicConfigValue(id_val="unit", value=unit))
        if unit == units.Celsius:
            shown.append(DynamicConfigValue(id_val="custom.cellOptions", value=TableColorTextCellOptions()))
        panel.override_by_name(name, shown)
    return panel


def _coldchain_columns(say: Say) -> Iterator[tuple[str, str, str]]:
    yield "device_no", say("device", "设备"), ""
    yield "site_zh", say("site", "节点企业"), ""
    yield "site_en", say("site", "节点企业"), ""
    yield "probe", say("probe", "探头"), ""
    yield "at", say("at", "时间"), units.DatetimeISONotToday
    yield "temperature_c", say("temperature", "温度"), units.Celsius
    yield "fault", say("fault", "故障"), ""
    yield "humidity_pct", say("humidity", "湿度"), units.Percent
    yield "door_open", say("door open", "门开启"), units.BoolYesNo
    yield "battery_pct", say("battery", "电量"), units.Percent
