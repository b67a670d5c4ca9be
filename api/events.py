"""``GET /api/v1/events``: what changes in the fleet, as server-sent events (事件推送).

after, or Last-Event-ID ──▶ what is kept since ──▶ what comes, as it comes ──▶ a comment every 15 s
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from api.callers import MAY_READ, CallerDep
from api.database import Database, DatabaseDep
from api.feed import READ_AT_ONCE, Feed, Watcher, frame
from api.problems import TOO_MANY_WATCHERS, ProblemError, documented
from api.tenure import Tenure
from fleet.event_order import BOUNDS, READ, Told

router = APIRouter(prefix="/api/v1/events", tags=["Events"], dependencies=MAY_READ)

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
# A client that takes nothing for so long, though there is something, is gone or hangs.
STALL_SECONDS: Final = 30.0
RETRY_MILLISECONDS: Final = 3000
ID_MAX: Final = 2**63 - 1
_HEARTBEAT: Final = b": \n\n"

EventId = Annotated[int, Field(ge=0, le=ID_MAX)]
Prefix = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}$")]


class EventsQuery(BaseModel):
    """Which events, and from where on."""

    model_config = ConfigDict(extra="forbid")

    after: EventId | None = Field(
        None, description="number of the last event seen; 0: all that are kept; left out: those to come"
    )
    kind: list[Prefix] = Field(
        [], max_length=10, description="only kinds that begin with one of these", examples=[["case.", "finding.opened"]]
    )


class EventStream(StreamingResponse):
    """Server-sent events. A client that hangs is left, and its watcher with it."""

    def __init__(self, feed: Feed, kinds: Sequence[str], tell: Callable[[Watcher], AsyncIterator[bytes]]) -> None:
        # What is told needs the watcher. Some proxies gather an answer before they pass it on, unless told.
        super().__init__(iter(()), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._feed, self._kinds, self._tell = feed, kinds, tell

    async def stream_response(self, send: Send) -> None:
        """Send what comes until it ends, the client leaves, or it takes nothing any more."""

        async def within_limits(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        with self._feed.watching(self._kinds) as watcher:
            self.body_iterator = self._tell(watcher)
            try:
                await super().stream_response(within_limits)
            except TimeoutError:
                # Not completed: the server closes the connection, which is all that such a client can be told.
                return


@router.get(
    "",
    summary="Follow what changes",
    response_class=Response,
    responses={
        200: {"description": "Events as they come.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
        **documented(TOO_MANY_WATCHERS),
    },
)
async def events(
    request: Request,
    database: DatabaseDep,
    caller: CallerDep,
    query: Annotated[EventsQuery, Query()],
    last_event_id: Annotated[
        EventId | None, Header(alias="Last-Event-ID", description="As `after`, and stronger: browsers send it.")
    ] = None,
) -> EventStream:
    """Each event has `id`, `event` (its kind) and `data`: `{"at", "kind", "subject", "data"}`.

    In the order of their numbers, none left out: come back with the last `id` and go on. Events are kept for a week;
    `event: gap` says that some since `after` are gone already, `event: dropped` that this client did not keep up and
    has to come back. A comment comes every 15 s. It ends when what was shown opens it no more, or not as before.
    """
    feed: Feed = request.app.state.feed
    if feed.is_full:
        raise ProblemError(TOO_MANY_WATCHERS, "The server has as many watchers as it takes.")
    after = query.after if last_event_id is None else last_event_id
    bounds = await database.fetch_one(BOUNDS) or {}
    gap = gap_of(after, **bounds)
    tenure = Tenure(request, caller)
    return EventStream(feed, query.kind, lambda watcher: _stream(feed, watcher, database, tenure, after, gap))


def gap_of(after: int | None, *, oldest: int | None, newest: int, taken: int) -> dict[str, int | None] | None:
    """What to tell of a resume point that is no longer kept, or was never there: a database may have been restored."""
    if not after or (oldest is None and after == taken):
        return None
    if after > max(taken, newest) or oldest is None or after < oldest - 1:
        return {"after": after, "oldest": oldest}
    return None


async def _stream(
    feed: Feed,
    watcher: Watcher,
    database: Database,
    tenure: Tenure,
    after: int | None,
    gap: dict[str, int | None] | None,
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n: events of tracefleet\n\n" % RETRY_MILLISECONDS
    if gap is not None:
        yield _notice("gap", gap)
    while not await feed.begin(watcher, within_seconds=HEARTBEAT_SECONDS):
        if watcher.has_ended():
            return
        yield _HEARTBEAT
    if after is None:
        # No event, but from here on a client knows what to come back with, though nothing came.
        yield b"id: %d\n\n" % watcher.head
        after = watcher.head
    try:
        async for told in _kept(watcher, database, after):
            yield told
    except ProblemError as problem:
        yield _notice("dropped", {"because": f"{problem.detail} Come back with the last id."})
        return
    async for told in _live(watcher, tenure):
        yield told


async def _live(watcher: Watcher, tenure: Tenure) -> AsyncIterator[bytes]:
    """Events as they come, a comment where none did, and in the end why it is one."""
    while not watcher.has_ended():
        told = await watcher.take(within_seconds=HEARTBEAT_SECONDS)
        if not await tenure.lasts():
            yield b": what was shown does not open this any more, or not as before: come back\n\n"
            return
        if told:
            yield told
        elif not watcher.has_ended():
            yield _HEARTBEAT
    if watcher.ending == "slow":
        yield _notice("dropped", {"because": "The client did not keep up. Come back with the last id."})
    else:
        yield b": the server stops, come back\n\n"


async def _kept(watcher: Watcher, database: Database, after: int) -> AsyncIterator[bytes]:
    """Events after *after* up to those that come by themselves; no number up to the head is still to come."""
    while after < watcher.head and not watcher.has_ended():
        rows = await database.fetch(READ, {"after": after, "rows": READ_AT_ONCE})
        page = [Told(**row) for row in rows if row["event_id"] <= watcher.head]
        yield b"".join(frame(event) for event in page if watcher.wants(event.kind))
        if len(page) < READ_AT_ONCE:
            return
        after = page[-1].event_id


def _notice(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
