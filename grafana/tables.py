"""Tables: rows to be gone through from the top, each with a way to what it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import TableColorTextCellOptions
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana.catalogue import Texts
from grafana.links import Link, as_option
from grafana.look import HEIGHT, WHOLE, mapped, no_limit
from grafana.sources import TIMESCALE, SqlQuery
from grafana.words import KINDS, Say, Words

# A number that is a name, such as 410100002, would be shown as 410 million under any other unit.
TEXT: Final = "string"
TIME: Final = units.DatetimeISONotToday


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its *name* in the query, and how it is shown."""

    name: str
    title: Texts
    unit: str = TEXT
    words: Words = field(default_factory=dict)
    # By the words of its values, where these say whether all is well.
    colours: dict[str, str] = field(default_factory=dict)
    # By its number.
    limits: dashboard.ThresholdsConfig | None = None
    links: tuple[Link, ...] = ()
    width: int | None = None


def listing(
    title: str,
    description: str,
    query: SqlQuery,
    columns: Sequence[Column],
    say: Say,
    *,
    span: int = WHOLE,
    height: int = HEIGHT,
    nothing: Texts,
) -> table.Panel:
    """A table with the columns of the query in its order. *nothing*: what an empty one says."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(TIMESCALE)
        .unit(units.Short)
        .height(height)
        .span(span)
        .thresholds(no_limit())
        .no_value(say(*nothing))
        .with_target(query)
    )
    for column in columns:
        panel.override_by_name(column.name, list(_shown(column, say)))
    return panel


def device_column(*links: Link) -> Column:
    """The column of a device's number."""
    return Column("device_no", ("device", "设备"), links=links, width=210)


def kind_column() -> Column:
    """The column of a device's kind."""
    return Column("kind", ("kind", "类别"), words=KINDS)


def site_column(*links: Link) -> Column:
    """The column of a site's name, in a query that answers site_no as well: the link needs it."""
    return Column("site", ("site", "节点企业"), links=links)


def _shown(column: Column, say: Say) -> Sequence[DynamicConfigValue]:
    # A cell without a value would say what an empty table says.
    settings: list[tuple[str, object]] = [
        ("displayName", say(*column.title)),
        ("unit", column.unit),
        ("noValue", "–"),
    ]
    if column.words:
        settings.append(("mappings", mapped(column.words, say, colours=column.colours)))
    if column.limits is not None:
        settings.append(("thresholds", column.limits.build()))
    if column.limits is not None or column.colours:
        settings.append(("custom.cellOptions", TableColorTextCellOptions()))
    if column.links:
        settings.append(("links", [as_option(link) for link in column.links]))
    if column.width is not None:
        settings.append(("custom.width", column.width))
    return [DynamicConfigValue(id_val=name, value=value) for name, value in settings]
