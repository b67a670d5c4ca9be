"""How panels look, decided once: sizes, colours, limits, legends, names.

Red is for what somebody has to act on, orange for what may become so, green for what is as it should be; what is
neither good nor bad has no colour of a limit.
"""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from grafana.words import Say, Words

# Of the grid of 24 columns; a row of it is about 30 pixels high.
TILE_HEIGHT: Final = 4
HEIGHT: Final = 8
EIGHTH: Final = 3
SIXTH: Final = 4
QUARTER: Final = 6
THIRD: Final = 8
HALF: Final = 12
TWO_THIRDS: Final = 16
WHOLE: Final = 24

GOOD: Final = "green"
WATCH: Final = "orange"
ACT: Final = "red"
PLAIN: Final = "text"


def thresholds(base: str, *steps: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colour *base*, and from each value on its colour."""
    levels = [Threshold(value=None, color=base)] + [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(levels)


def no_limit() -> dashboard.ThresholdsConfig:
    """For what is neither good nor bad, however much it is."""
    return thresholds(PLAIN)


def at_least(good: float, watch: float) -> dashboard.ThresholdsConfig:
    """For what ought to be high: green from *good* on, orange from *watch* on, red below."""
    return thresholds(ACT, (watch, WATCH), (good, GOOD))


def at_most(watch: float, act: float) -> dashboard.ThresholdsConfig:
    """For what ought to be low: orange from *watch* on, red from *act* on."""
    return thresholds(GOOD, (watch, WATCH), (act, ACT))


def none_wanted() -> dashboard.ThresholdsConfig:
    """For what somebody has to see to as soon as there is one."""
    return thresholds(GOOD, (1, ACT))


def some_tolerated(act: float) -> dashboard.ThresholdsConfig:
    """For what happens every day and is trouble only from *act* on."""
    return thresholds(PLAIN, (1, WATCH), (act, ACT))


def watched() -> dashboard.ThresholdsConfig:
    """For what is there every day, and where another number says when it is too much."""
    return thresholds(PLAIN, (1, WATCH))


def series(
    title: str, description: str, unit: str, *, nothing: str, span: int = THIRD, starts_at_zero: bool = True
) -> timeseries.Panel:
    """A panel of lines over time, with their latest values below; one of temperatures does not start at zero.

    *nothing*: what it says where it has no line.
    """
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .height(HEIGHT)
        .span(span)
        .fill_opacity(10)
        .thresholds(no_limit())
        .legend(legend)
        .no_value(nothing)
        .override_by_field_type(*dashed())
    )
    return panel.min(0) if starts_at_zero else panel


def dashed() -> tuple[str, list[DynamicConfigValue]]:
    """The override that shows a number which is missing as a dash: else it would say what the empty panel says."""
    return "number", [DynamicConfigValue(id_val="noValue", value="–")]


def limited(panel: timeseries.Panel, limits: dashboard.ThresholdsConfig) -> timeseries.Panel:
    """The panel with its limits drawn as dashed lines: the lines keep the colours of their series."""
    return panel.thresholds(limits).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
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


def named(panel: timeseries.Panel, words: Words, say: Say) -> timeseries.Panel:
    """The panel with each series that a word names shown by its text."""
    for name, override in renamed(words, say):
        panel.override_by_name(name, override)
    return panel


def coloured(name: str, colour: str) -> tuple[str, list[DynamicConfigValue]]:
    """The override that gives the series of that name its colour."""
    return name, [
        DynamicConfigValue(id_val="color", value={"mode": FieldColorModeId.FIXED.value, "fixedColor": colour})
    ]


def listed(words: Words, say: Say) -> str:
    """Each word a query answers with and its text, in one line, for a description."""
    separator = say(", ", "、")
    return separator.join(f"{word} ({say(*texts)})" for word, texts in words.items())


def mapped(words: Words, say: Say, *, colours: dict[str, str] | None = None) -> list[ValueMapping]:
    """The mapping that shows the text of each word a query answers with as a value, in its colour of *colours*."""
    results = {
        word: ValueMappingResult(text=say(*texts), color=(colours or {}).get(word)) for word, texts in words.items()
    }
    return [ValueMap(options=results)]
