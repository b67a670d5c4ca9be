"""The end of a worker that will not come back: what the broker keeps for it is stored, and then its session is no more.

Without that the broker would keep the worker's share of a group for it, for as long as it keeps a session.
"""

import asyncio
from typing import Final

import psycopg

from ingest.aiomqtt_session import end_session
from ingest.roster import NAME, Worker, forget, read_by_others, workers_of
from ingest.service import Service
from ingest.subscription import EVERYTHING, Subscription
from store.database import connect_service
from store.errors import TracefleetError
from store.peer import peer_of
from store.settings import Settings

# Nothing new is kept for it any more, so a queue that is not empty shows itself sooner than that.
QUIET_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.1


async def leave(settings: Settings, name: str, stop: asyncio.Event, *, anyway: bool) -> None:
    """Store what the broker keeps for the worker *name*, end its session, and remove it from the roster.

    *settings* are those of an ingest, whatever worker they name. Until it returns, nothing is lost by ending it.
    Raises TracefleetError when there is no such worker, when it runs, when it is another broker's, and unless *anyway*
    when nobody else reads what it read.
    """
    database_url = settings.require_database_url()
    found = [worker for worker in await workers_of(database_url) if worker.worker == name]
    if not found:
        raise TracefleetError(f"There is no worker {name}. `tracefleet workers list` shows them.")
    is_running = found[0].state in ("reading", "waiting")
    if not found[0].was_subscribed and not is_running:  # no broker knows it
        async with await connect_service(database_url, application_name=NAME) as connection:
            await forget(connection, name)
        return
    await _require_replaced(settings, found[0], anyway=anyway)
    if is_running:
        raise TracefleetError(f"{name} runs: stop it first.")
    subscription = Subscription((), set(found[0].filters or [EVERYTHING]), reads=())
    service = Service(settings.model_copy(update={"ingest_worker": name}), subscription)
    drained = asyncio.create_task(_drained(service, stop))
    try:
        await service.run(stop)
    finally:
        drained.cancel()
        await asyncio.wait({drained})
    if drained.cancelled():
        raise TracefleetError(f"{name} is not drained. Nothing is lost: run the same command again.")
    try:
        await end_session(peer_of(settings.broker_url.get_secret_value()), name)
        async with await connect_service(database_url, application_name=NAME) as connection:
            await forget(connection, name)
    except (psycopg.Error, OSError) as error:
        raise TracefleetError(f"{name} is drained, but not removed: {error}. Run the same command again.") from error


async def _require_replaced(settings: Settings, worker: Worker, *, anyway: bool) -> None:
    broker = peer_of(settings.broker_url.get_secret_value()).name
    if worker.broker not in (None, broker):
        raise TracefleetError(f"{worker.worker} has its session at {worker.broker}: set TRACEFLEET_BROKER_URL to that.")
    async with await connect_service(settings.require_database_url(), application_name=NAME) as connection:
        others = await read_by_others(connection, worker=worker.worker, broker=broker)
    unread = [stream for stream in worker.reads if stream not in others]
    if unread and not anyway:
        raise TracefleetError(
            f"No other worker at {broker} reads {', '.join(unread)}: what devices publish there would be kept for "
            f"nobody. Start one that does first; --anyway forgets {worker.worker} all the same."
        )


async def _drained(service: Service, stop: asyncio.Event) -> None:
    quiet_looks = 0
    while quiet_looks * LOOK_SECONDS < QUIET_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
        quiet_looks = quiet_looks + 1 if service.is_drained else 0
    stop.set()
