"""Tiles and bars: one number with its colour, and numbers side by side."""

from grafana_foundation_sdk.builders import barchart, bargauge, common, dashboard, stat
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana.catalogue import Texts
from grafana.links import Link
from grafana.look import HALF, HEIGHT, PLAIN, SIXTH, TILE_HEIGHT, dashed, mapped, no_limit, renamed
from grafana.sources import TIMESCALE, SqlQuery
from grafana.words import Say, Words


def tile(
    title: str,
    description: str,
    query: Builder[Dataquery],
    source: DataSourceRef,
    *,
    unit: str = units.Short,
    limits: dashboard.ThresholdsConfig | None = None,
    link: Link | None = None,
    span: int = SIXTH,
    nothing: str,
) -> stat.Panel:
    """One number in the colour of its limits. *link*: where a click leads. *nothing*: what is shown without data.

    A query answers NULL, and not 0, where nobody has looked yet: 0 would be good news.
    """
    shown = no_limit() if limits is None else limits
    if limits is not None:
        for step in shown.build().steps:
            # What is neither good nor bad has no background; as one, the colour of text would be the brightest of all.
            step.color = "transparent" if step.color == PLAIN else step.color
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(source)
        .unit(unit)
        .height(TILE_HEIGHT)
        .span(span)
        .thresholds(shown)
        .color_mode(BigValueColorMode.VALUE if limits is None else BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(nothing)
        .with_target(query)
    )
    return panel if link is None else panel.data_links([link])


def bars(
    title: str,
    description: str,
    query: SqlQuery,
    say: Say,
    *,
    names: Words,
    rows: Words | None = None,
    matrix: tuple[str, str, str] | None = None,
    unit: str = units.Short,
    span: int = HALF,
    height: int = HEIGHT,
    nothing: Texts,
) -> barchart.Panel:
    """Bars upon each other. *names* of the bars' parts, and of the *rows*, which are the query's first column.

    *matrix*: the columns of the rows, the parts and the values, where the query answers one part a row. *nothing*: what
    is shown where there is none.
    """
    panel = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(TIMESCALE)
        .unit(unit)
        .min(0)
        .height(height)
        .span(span)
        .thresholds(no_limit())
        .stacking(StackingMode.NORMAL)
        .fill_opacity(80)
        .no_value(say(*nothing))
        .override_by_field_type(*dashed())
        .with_target(query)
    )
    if matrix is not None:
        options = dict(zip(("rowField", "columnField", "valueField"), matrix, strict=True)) | {"emptyValue": "null"}
        panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=options))
    for name, override in renamed(names, say):
        panel.override_by_name(name, override)
    return panel.mappings(mapped(rows, say)) if rows else panel


def ranking(
    title: str,
    description: str,
    query: Builder[Dataquery],
    source: DataSourceRef,
    *,
    unit: str = units.Short,
    limits: dashboard.ThresholdsConfig | None = None,
    span: int = HALF,
    height: int = HEIGHT,
    nothing: str,
) -> bargauge.Panel:
    """A horizontal bar for each row or series of the query, each with its number."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(source)
        .unit(unit)
        .min(0)
        .height(height)
        .span(span)
        .thresholds(no_limit() if limits is None else limits)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(source is TIMESCALE))
        .no_value(nothing)
        .with_target(query)
    )
