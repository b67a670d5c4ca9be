"""The application: routes, problems, metrics and the pool, put together in one place.

request → Rim (measure, headers; pages of other sites 403, too often 429; 500) → routing → parameters (422) → route
        → Database (503, 504) → answer
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from api import (
    audit,
    broker,
    callers,
    case_rules,
    cases,
    catalogues,
    credentials,
    database,
    dead_letters,
    device,
    device_health,
    devices,
    doorkeeper,
    enrol_page,
    enrolments,
    events,
    findings,
    health,
    holds,
    imports,
    ingest_stats,
    keyring,
    keys,
    labels,
    ledger_desk,
    ledger_entries,
    ledger_sheets,
    lifecycle,
    lineage,
    login_page,
    merchants,
    moves,
    openapi,
    outages,
    outsiders,
    pages,
    parties,
    password_checks,
    permissions,
    personal,
    presence_thresholds,
    programme_files,
    programmes,
    purges,
    records,
    refusals,
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
    visits,
    what_ifs,
    writers,
)
from api.body import Bodies
from api.feed import Feed
from api.metrics import Metrics, release
from api.rim import Rim
from store.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The HTTP API of *settings*. It opens its pool when it starts, and starts whether the database is there or not.

    Starting it raises SettingsError when no database is set.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            database.connect(settings) as connected,
            writers.connect(settings.require_database_url(), app.state.metrics.ingest) as app.state.writers,
            ledger_desk.connect(settings) as app.state.desk,
            keyring.connect(connected, app.state.desk.note_key_use) as app.state.keyring,
            visits.connect(connected, app.state.desk.note_visit, settings) as app.state.visits,
            doorkeeper.connect(settings) as app.state.doorkeeper,
        ):
            app.state.database = connected
            yield

    # No redirects for a slash too many: they would be built from the caller's Host header.
    app = FastAPI(
        title="tracefleet",
        version=release(),
        lifespan=lifespan,
        # Among our own routes, where it says that anybody may.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.bodies = Bodies()
    app.state.feed = Feed(settings)
    app.state.exports = ledger_sheets.slots()
    app.state.imports = imports.slots()
    app.state.what_ifs = what_ifs.slots()
    app.state.enrolments = enrolments.Enrolments()
    app.state.password_checks = password_checks.PasswordChecks()
    of_devices = (devices, labels, device, lifecycle, moves, lineage, holds, retired_numbers)
    of_the_ledger = (*of_devices, sites, merchants, parties, personal, catalogues, audit, outsiders)
    of_sheets = (ledger_sheets, imports, ledger_entries, registration)
    of_telemetry = (records, telemetry, dead_letters, replays, purges, ingest_stats)
    # What-if before the rules: its name is no rule's.
    of_obsolescence = (what_ifs, rules, findings, cases, case_rules, security_events)
    of_campaigns = (programmes, programme_files, site_lookups, events)
    of_the_fleet = (outages, presence_thresholds, device_health, *of_obsolescence, *of_campaigns)
    of_the_door = (credentials, enrolments, broker)
    of_accounts = (sessions, users, keys)
    of_data = (*of_the_ledger, *of_sheets, *of_telemetry, *of_the_fleet, *of_the_door, *of_accounts)
    known = [module.router for module in of_data]
    free = [module.router for module in (health, pages, enrol_page, login_page, runbook)] + [labels.pages]
    for router in known:
        # A key that is shown has to be a good one on every address, whether it is needed there or not.
        app.include_router(router, dependencies=[Depends(callers.identify)])
    for router in free:
        app.include_router(router)
    permissions.check(app)
    app.state.metrics = Metrics(route.path for router in (*known, *free) for route in router.routes)
    openapi.install(app)
    refusals.install(app)
    app.add_middleware(Rim, metrics=app.state.metrics, settings=settings)
    return app
