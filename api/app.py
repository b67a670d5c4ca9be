"""The application: routes, problems, metrics and the pool, put together in one place.

request → Rim (measure, headers; pages of other sites 403, too often 429; 500) → routing → parameters (422) → route
        → Database (503, 504) → answer
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import (
    database,
    doorkeeper,
    enrolments,
    imports,
    keyring,
    ledger_desk,
    ledger_sheets,
    openapi,
    password_checks,
    permissions,
    refusals,
    routes,
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
        routes=list(routes.all_of_them()),
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
    permissions.check(app)
    app.state.metrics = Metrics(routes.templates())
    openapi.install(app)
    refusals.install(app)
    app.add_middleware(Rim, metrics=app.state.metrics, settings=settings)
    return app
