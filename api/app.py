"""The application: routes, problems, metrics and the pool, put together in one place.

request → Rim (measure, headers, 500) → routing → parameters (422) → route → Database (503, 504) → answer
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import (
    database,
    dead_letters,
    devices,
    health,
    ingest_stats,
    ledger_desk,
    lineage,
    moves,
    openapi,
    pages,
    purges,
    records,
    refusals,
    replays,
    sites,
    telemetry,
    writers,
)
from api.body import Bodies
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
        ):
            app.state.database = connected
            yield

    # No redirects for a slash too many: they would be built from the caller's Host header.
    app = FastAPI(
        title="tracefleet",
        version=release(),
        lifespan=lifespan,
        openapi_url=openapi.PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.bodies = Bodies()
    for module in (
        devices,
        moves,
        lineage,
        records,
        sites,
        telemetry,
        dead_letters,
        replays,
        purges,
        ingest_stats,
        health,
        pages,
    ):
        app.include_router(module.router)
    openapi.install(app)
    refusals.install(app)
    app.add_middleware(Rim, metrics=app.state.metrics)
    return app
