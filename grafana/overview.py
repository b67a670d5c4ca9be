"""The dashboard "City overview / 城市总览": the whole system on one page."""

from itertools import chain
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLinkType, VariableOption, VariableRefresh

from grafana import fleet_panels, ingest_panels
from grafana.sources import TIMESCALE
from grafana.words import Say, chinese, english

# By the name of the file.
LANGUAGES: Final[dict[str, Say]] = {"en": english, "zh": chinese}
ALL: Final = "$__all"
KINDS: Final = "SELECT {name} AS __text, kind AS __value FROM grafana_kinds ORDER BY kind"
SITES: Final = "SELECT {name} || ' ' || site_no AS __text, site_no AS __value FROM grafana_sites ORDER BY site_no"
# Stands where a list of sites would: an installation without sites has an empty list, which is no SQL.
EVERY_SITE: Final = "SELECT site_no FROM grafana_sites"


def overview(language: str) -> Dashboard:
    """The dashboard in a language of LANGUAGES; panels and queries are the same in each."""
    say = LANGUAGES[language]
    page = (
        dashboard.Dashboard(say("City overview", "城市总览"))
        .uid(f"tracefleet-city-{language}")
        .description(
            say("Ingest, fleet, cold chain and trades of a city on one page.", "一页看全市的接入、设备、冷链与交易。")
        )
        .tags(["tracefleet", language])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .readonly()
        .link(
            dashboard.DashboardLink(say("Other language", "其他语言"))
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["tracefleet"])
            .keep_time(True)
            .include_vars(True)
        )
    )
    page.with_variable(variable("site", say("Site", "节点企业"), say("All", "全部"), SITES, say).all_value(EVERY_SITE))
    page.with_variable(variable("kind", say("Kind", "设备类别"), say("All", "全部"), KINDS, say))
    for number, panel in enumerate(chain(ingest_panels.panels(say), fleet_panels.panels(say)), start=1):
        panel.build().id_val = number
        page.with_panel(panel)
    return page.build()


def variable(name: str, label: str, every: str, query: str, say: Say) -> dashboard.QueryVariable:
    """A choice of several, or of all, which *query* lists; its `{name}` is the column with the text in the language."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(TIMESCALE)
        .query(query.format(name=say("name_en", "name_zh")))
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .multi(True)
        .include_all(True)
        .current(VariableOption(selected=True, text=[every], value=[ALL]))
    )
