"""The variables of the dashboards, each defined once: what it offers, what All means, and which one narrows it.

All is never a list: it stands in SQL as the column itself, so that a fleet of thousands costs a query nothing. Only the
kinds are listed, which are few: their All has to work in PromQL as well.
"""

from collections.abc import Callable, Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableModel, VariableOption, VariableRefresh

from grafana.macros import expanded
from grafana.sources import PROMETHEUS, TIMESCALE
from grafana.words import Say

ALL: Final = "$__all"
# Where the console answers, unless the dashboards are generated for another address (`--console`). A constant: an
# address that a link could bring along would lead whoever trusts this page anywhere.
CONSOLE: Final = "http://127.0.0.1:8000"

REGIONS: Final = """
SELECT name_@lang || ' ' || region_code AS __text, region_code AS __value FROM grafana_regions ORDER BY region_code
"""
SITES: Final = """
SELECT name_@lang || ' ' || site_no AS __text, site_no AS __value FROM grafana_sites WHERE @region ORDER BY site_no
"""
KINDS: Final = "SELECT name_@lang AS __text, kind AS __value FROM grafana_kinds ORDER BY kind"
# The first thousand, and those that match what is typed: Grafana puts it in the place of $__searchFilter.
DEVICES: Final = """
SELECT device_no AS __text, device_no AS __value FROM grafana_devices
WHERE @kinds AND device_no ILIKE '%$__searchFilter' ORDER BY device_no LIMIT 1000
"""
PROGRAMMES: Final = """
SELECT programme_no || ' ' || name_@lang AS __text, programme_no AS __value FROM grafana_programmes
ORDER BY programme_no
"""
INSTANCES: Final = "label_values(tracefleet_ingest_connected, instance)"


def variable(name: str, say: Say) -> Builder[VariableModel]:
    """The variable of that name."""
    return _VARIABLES[name](say)


def console(address: str) -> Builder[VariableModel]:
    """The console's address, which links use and nobody sees."""
    made = dashboard.ConstantVariable("console").value(address)
    built = made.build()
    built.hide = VariableHide.HIDE_VARIABLE
    built.skip_url_sync = True
    return made


def _region(say: Say) -> dashboard.QueryVariable:
    return _of_the_ledger("region", say("Region", "行政区划"), REGIONS, say).all_value("region_code")


def _site(say: Say) -> dashboard.QueryVariable:
    return _of_the_ledger("site", say("Site", "节点企业"), SITES, say).all_value("site_no")


def _kind(say: Say) -> dashboard.QueryVariable:
    return _of_the_ledger("kind", say("Kind", "设备类别"), KINDS, say)


def _device(say: Say) -> dashboard.QueryVariable:
    return _of_the_ledger("device", say("Device", "设备"), DEVICES, say).all_value("device_no")


def _programme(say: Say) -> dashboard.QueryVariable:
    return _of_the_ledger("programme", say("Programme", "淘汰任务"), PROGRAMMES, say).all_value("programme_no")


def _instance(say: Say) -> dashboard.QueryVariable:
    return (
        _choice("instance", say("Worker", "接入进程"), say)
        .datasource(PROMETHEUS)
        .query({"query": INSTANCES, "refId": "instance"})
        # Workers come and go with the time that is looked at.
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .all_value(".+")
    )


def _of_the_ledger(name: str, label: str, query: str, say: Say) -> dashboard.QueryVariable:
    """A choice that the ledger lists, whatever the range: asked for when the page is opened, not at every refresh."""
    return (
        _choice(name, label, say)
        .datasource(TIMESCALE)
        .query(expanded(query, say).strip())
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
    )


def _choice(name: str, label: str, say: Say) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .multi(True)
        .include_all(True)
        .current(VariableOption(selected=True, text=[say("All", "全部")], value=[ALL]))
    )


_VARIABLES: Final[Mapping[str, Callable[[Say], Builder[VariableModel]]]] = {
    "region": _region,
    "site": _site,
    "kind": _kind,
    "device": _device,
    "programme": _programme,
    "instance": _instance,
}
