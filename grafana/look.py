"""How panels look, decided once: sizes, legends, thresholds, bars, names."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle, LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from grafana.words import Say, Words

HEIGHT: Final = 8
THIRD: Final = 8
HALF: Final = 12
WHOLE: Final = 24


def thresholds(base: str, *steps: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colour *base*, and from each value on its colour."""
    levels = [Threshold(value=None, color=base)] + [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(levels)


def series(title: str, description: str, unit: str, *, span: int = THIRD) -> timeseries.Panel:
    """A panel of lines over time that start at zero, with their latest values below."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .height(HEIGHT)
        .span(span)
        .fill_opacity(10)
        .legend(legend)
    )


def stacked_bars(panel: timeseries.Panel) -> timeseries.Panel:
    """The panel with its series as bars upon each other: for counts that make a whole."""
    return (
        panel.draw_style(GraphDrawStyle.BARS)
        .fill_opacity(70)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    )


def default_limit(say: Say) -> str:
    """The remark that a threshold is ours and not anybody's rule."""
    return say("Colour limits are defaults, configurable.", "颜色界限为默认值，可配置。")


def renamed(words: Words, say: Say) -> Iterator[tuple[str, list[DynamicConfigValue]]]:
    """For each word a query answers with as the name of a series: that name, and the override that shows its text."""
    for word, texts in words.items():
        yield word, [DynamicConfigValue(id_val="displayName", value=say(*texts))]


def listed(words: Words, say: Say) -> str:
    """Each word a query answers with and its text, in one line, for a description."""
    separator = say(", ", "、")
    return separator.join(f"{word} ({say(*texts)})" for word, texts in words.items())


def mapped(words: Words, say: Say) -> list[ValueMapping]:
    """The mapping that shows the text of each word a query answers with as a value."""
    results = {word: ValueMappingResult(text=say(*texts)) for word, texts in words.items()}
    return [ValueMap(options=results)]
