"""The dashboard "Health and retirement / 健康与淘汰": how well the fleet is, and what goes."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLinkType

from grafana import retirement_panels
from grafana.overview import EVERY_SITE, KINDS, LANGUAGES, SITES, variable

PROGRAMMES: Final = (
    "SELECT programme_no || ' ' || {name} AS __text, programme_no AS __value FROM grafana_programmes"
    " ORDER BY programme_no"
)
# As for sites: an empty list is no SQL.
EVERY_PROGRAMME: Final = "SELECT programme_no FROM grafana_programmes"


def retirement(language: str) -> Dashboard:
    """The dashboard in a language of LANGUAGES; panels and queries are the same in each."""
    say = LANGUAGES[language]
    page = (
        dashboard.Dashboard(say("Health and retirement", "健康与淘汰"))
        .uid(f"tracefleet-retirement-{language}")
        .description(
            say(
                "How well devices are, which ought to go, and how far their disposal is.",
                "设备健康状况、应淘汰设备，以及处置与淘汰任务的进展。",
            )
        )
        .tags(["tracefleet", language])
        .timezone("browser")
        .time("now-90d", "now")
        .refresh("5m")
        .readonly()
        .link(
            dashboard.DashboardLink(say("Other dashboards", "其他仪表板"))
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["tracefleet"])
            .keep_time(False)
            .include_vars(True)
        )
    )
    every = say("All", "全部")
    page.with_variable(variable("site", say("Site", "节点企业"), every, SITES, say).all_value(EVERY_SITE))
    page.with_variable(variable("kind", say("Kind", "设备类别"), every, KINDS, say))
    page.with_variable(
        variable("programme", say("Programme", "淘汰任务"), every, PROGRAMMES, say).all_value(EVERY_PROGRAMME)
    )
    for number, panel in enumerate(retirement_panels.panels(say), start=1):
        panel.build().id_val = number
        page.with_panel(panel)
    return page.build()
