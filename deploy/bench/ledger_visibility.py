"""How soon a registration counts: from its commit until ingest admits the device, with the whole ledger to be read."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from psycopg import Connection

from deploy.bench.ledger_seed import ACTOR
from deploy.bench.report import distribution_ms
from fleet.acting import acting
from fleet.keys import Keys
from ingest.refusal import Refused
from ingest.registry import Registry
from store.database import connect_once
from store.errors import TracefleetError

NAME: Final = "tracefleet bench ledger"
WITHIN_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.002

REGISTER: Final = """
INSERT INTO devices (device_no, model_id, site_id)
SELECT %(device_no)s, (SELECT min(model_id) FROM models), (SELECT min(site_id) FROM sites)
"""


async def measure_visibility(url: str, keys: Keys, *, rounds: int) -> dict[str, Any]:
    """Milliseconds until ingest's registry admits a device that was just registered, *rounds* times.

    The registry is ingest's own, in this process. Registrations come at uneven times: right after another, a change
    waits for the load that the two share.
    """
    registry = Registry()
    follow = asyncio.create_task(registry.follow(url))
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            await registry.loaded.wait()
        seconds = []
        for number in range(rounds):
            # Between nothing and more than a load takes.
            await asyncio.sleep(number * 0.37 % 1.5)
            seconds.append(await _until_seen(url, keys, f"BENCH-{number}", partial(_admits, registry)))
    finally:
        follow.cancel()
        await asyncio.wait({follow})
    return {"registrations": rounds, "latency_ms": distribution_ms(seconds)}


async def _until_seen(url: str, keys: Keys, device_no: str, is_seen: Callable[[str], bool]) -> float:
    await asyncio.to_thread(_register, url, keys, device_no)
    committed = time.perf_counter()
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not is_seen(device_no):  # noqa: ASYNC110 - the snapshot is replaced, nothing is signalled
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise TracefleetError(f"a registered device was not admitted within {WITHIN_SECONDS:g} s") from None
    return time.perf_counter() - committed


def _register(url: str, keys: Keys, device_no: str) -> None:
    with connect_once(url, application_name=NAME) as connection:
        _insert(connection, keys, device_no)


def _insert(connection: Connection[Any], keys: Keys, device_no: str) -> None:
    with acting(connection, ACTOR, keys=keys, reason="benchmark"):
        connection.execute(REGISTER, {"device_no": device_no})


def _admits(registry: Registry, device_no: str) -> bool:
    try:
        registry.admit(device_no, "status")
    except Refused:
        return False
    return True
