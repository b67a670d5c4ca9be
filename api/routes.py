"""Which routes the API has, and in which order."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from fastapi import APIRouter, Depends
from starlette.routing import BaseRoute

from api import (
    audit,
    broker,
    callers,
    case_rules,
    cases,
    catalogues,
    coldchain_bands,
    credentials,
    dead_letters,
    device,
    device_health,
    devices,
    enrol_page,
    enrolments,
    events,
    findings,
    health,
    holds,
    imports,
    ingest_stats,
    keys,
    labels,
    ledger_entries,
    ledger_sheets,
    lifecycle,
    lineage,
    login_page,
    merchants,
    moves,
    outages,
    outsiders,
    pages,
    parties,
    personal,
    presence_thresholds,
    programme_files,
    programmes,
    purges,
    records,
    registration,
    replays,
    retired_numbers,
    rules,
    runbook,
    security_events,
    sessions,
    site_lookups,
    sites,
    telemetry,
    users,
    what_ifs,
)

_OF_DEVICES: Final = (devices, labels, device, lifecycle, moves, lineage, holds, retired_numbers)
_OF_THE_LEDGER: Final = (*_OF_DEVICES, sites, merchants, parties, personal, catalogues, audit, outsiders)
_OF_SHEETS: Final = (ledger_sheets, imports, ledger_entries, registration)
_OF_TELEMETRY: Final = (records, telemetry, dead_letters, replays, purges, ingest_stats)
# What-if before the rules: its name is no rule's.
_OF_OBSOLESCENCE: Final = (what_ifs, rules, findings, cases, case_rules, security_events)
_OF_CAMPAIGNS: Final = (programmes, programme_files, site_lookups, events)
_OF_THE_FLEET: Final = (outages, presence_thresholds, coldchain_bands, device_health, *_OF_OBSOLESCENCE, *_OF_CAMPAIGNS)
_OF_THE_DOOR: Final = (credentials, enrolments, broker)
_OF_ACCOUNTS: Final = (sessions, users, keys)
_OF_DATA: Final = (*_OF_THE_LEDGER, *_OF_SHEETS, *_OF_TELEMETRY, *_OF_THE_FLEET, *_OF_THE_DOOR, *_OF_ACCOUNTS)
_KNOWN: Final = [module.router for module in _OF_DATA]
_FREE: Final = [module.router for module in (health, pages, enrol_page, login_page, runbook)] + [labels.pages]


@cache
def all_of_them() -> Sequence[BaseRoute]:
    """Made once a process, for they are the same for every application and take a quarter of a second."""
    whole = APIRouter()
    for router in _KNOWN:
        # A key that is shown has to be a good one on every address, whether it is needed there or not.
        whole.include_router(router, dependencies=[Depends(callers.identify)])
    for router in _FREE:
        whole.include_router(router)
    return whole.routes


def templates() -> Iterator[str]:
    """Their paths, with the names of what varies in braces."""
    return (route.path for router in (*_KNOWN, *_FREE) for route in router.routes)
