"""The dashboard "Site detail / 节点详情": a site, its devices first."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import units

from grafana.links import to_console, to_device
from grafana.look import HEIGHT, at_least
from grafana.page import Section
from grafana.sources import sql
from grafana.tables import TIME, Column, device_column, kind_column, listing
from grafana.words import CHECKS, PRESENCES, STATES, Say

DEVICES: Final = """
SELECT device_no, kind, state, presence, presence_since, score, worst_reason
FROM grafana_health
WHERE @devices
ORDER BY score NULLS LAST, device_no
LIMIT 200
"""


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order."""
    yield Section(None, (_devices(say),))


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
            Column("score", ("health", "健康分"), units.Short, limits=at_least(80, 60)),
            Column("worst_reason", ("worst reason", "主要原因"), words=CHECKS),
        ),
        say,
        height=HEIGHT + 4,
    )
