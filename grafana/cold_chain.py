"""The dashboard "Cold chain / 冷链": temperatures, worst first."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import units

from grafana.links import to_console, to_device, to_site
from grafana.look import HEIGHT, default_limit, thresholds
from grafana.page import Section
from grafana.sources import sql
from grafana.tables import TIME, Column, device_column, listing, site_column
from grafana.words import YES_NO, Say

LATEST: Final = """
SELECT device_no, site_no, site_@lang AS site, probe, at, temperature_c, fault, humidity_pct, door_open, battery_pct
FROM grafana_coldchain_latest
WHERE @devices
ORDER BY temperature_c DESC NULLS FIRST, device_no, probe
LIMIT 100
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order."""
    yield Section(None, (_latest(say),))


def _latest(say: Say) -> table.Panel:
    celsius = thresholds("blue", (0, "green"), (4, "orange"), (10, "red"))
    return listing(
        say("Cold chain, worst first", "冷链最新温度（由差到好）"),
        say(
            f"The newest reading of each probe in service: faults first, then the warmest. {default_limit(say)}",
            f"每个在用探头的最新读数：故障在前，其后按温度由高到低。{default_limit(say)}",
        ),
        sql(LATEST, say),
        (
            device_column(to_device(say), to_console(say)),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("probe", ("probe", "探头")),
            Column("at", ("at", "时间"), TIME),
            Column("temperature_c", ("temperature", "温度"), units.Celsius, limits=celsius),
            Column("fault", ("fault", "故障")),
            Column("humidity_pct", ("humidity", "湿度"), units.Percent),
            Column("door_open", ("door open", "门开启"), words=YES_NO),
            Column("battery_pct", ("battery", "电量"), units.Percent),
        ),
        say,
        height=HEIGHT + 4,
    )
