"""A page: a dashboard with all that is the same on each of them, around the sections that a module gives it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardCursorSync, Panel

from grafana.annotations import annotations
from grafana.catalogue import Entry, Texts
from grafana.links import navigation
from grafana.variables import CONSOLE, console, variable
from grafana.words import LANGUAGES, Say

TAG: Final = "tracefleet"


@dataclass(frozen=True, slots=True)
class Section:
    """Panels that belong together. The first of a page has no title: it is what is seen without scrolling.

    One that is collapsed asks the database nothing until somebody opens it.
    """

    title: Texts | None
    panels: tuple[Builder[Panel], ...]
    is_collapsed: bool = False


# What a module of a dashboard gives: its sections in a language, in reading order.
Sections = Callable[[Say], Iterator[Section]]


def page(entry: Entry, language: str, sections: Sections, *, address: str = CONSOLE) -> Dashboard:
    """The dashboard in a language of LANGUAGES. *address* is the console's."""
    say = LANGUAGES[language]
    made = (
        dashboard.Dashboard(say(*entry.title))
        .uid(entry.uid(language))
        .description(say(*entry.description))
        .tags([TAG, language])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for name in entry.variables:
        made.with_variable(variable(name, say))
    made.with_variable(console(address))
    for marks in annotations(entry, say):
        made.annotation(marks)
    for link in navigation(entry, say):
        made.link(link)
    numbers = iter(range(1, 1000))
    for section in sections(say):
        _add(made, section, say, numbers)
    return made.build()


def _add(made: dashboard.Dashboard, section: Section, say: Say, numbers: Iterator[int]) -> None:
    heading = None if section.title is None else dashboard.Row(say(*section.title)).id(next(numbers))
    for panel in section.panels:
        panel.build().id_val = next(numbers)
    if heading is not None and section.is_collapsed:
        for panel in section.panels:
            heading.with_panel(panel)
        made.with_row(heading)
        return
    if heading is not None:
        made.with_row(heading)
    for panel in section.panels:
        made.with_panel(panel)
