"""How soon a registration counts: from its commit until ingest and the door know the device, in a whole ledger."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from psycopg import Connection

from deploy.bench.ledger_seed import ACTOR
from deploy.bench.report import distribution_ms
from fleet.acting import acting
from fleet.identity.snapshot import Identities
from fleet.keys import Keys
from ingest.refusal import Refused
from ingest.registry import Registry
from ingest.topic import ROOT
from store.database import connect_once
from store.errors import TracefleetError

NAME: Final = "tracefleet bench ledger"
WITHIN_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.002

REGISTER: Final = """
INSERT INTO devices (device_no, model_id, site_id)
SELECT %(device_no)s, (SELECT min(model_id) FROM models), (SELECT min(site_id) FROM sites)
"""


async def measure_visibility(url: str, keys: Keys, *, rounds: int) -> dict[str, dict[str, Any]]:
    """Milliseconds until a device just registered is known to `ingest` and to `identities`, who judge logins.

    Both are the product's own, in this process. Registrations come at uneven times: right after another, a change waits
    for the load that the two share.
    """
    registry, identities = Registry(), Identities()
    following = {asyncio.create_task(registry.follow(url)), asyncio.create_task(identities.follow(url))}
    seen: dict[str, Callable[[str], bool]] = {
        "ingest": partial(_admits, registry),
        "identities": lambda device_no: identities.get(device_no) is not None,
    }
    seconds: dict[str, list[float]] = {name: [] for name in seen}
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            await registry.loaded.wait()
            await identities.loaded.wait()
        for number in range(rounds):
            # Between nothing and more than a load takes.
            await asyncio.sleep(number * 0.37 % 1.5)
            device_no = f"BENCH-{number}"
            await asyncio.to_thread(_register, url, keys, device_no)
            taken = await asyncio.gather(*(_until(partial(is_seen, device_no)) for is_seen in seen.values()))
            for name, each in zip(seen, taken, strict=True):
                seconds[name].append(each)
    finally:
        for follow in following:
            follow.cancel()
        await asyncio.wait(following)
    return {name: {"registrations": rounds, "latency_ms": distribution_ms(taken)} for name, taken in seconds.items()}


async def _until(is_seen: Callable[[], bool]) -> float:
    committed = time.perf_counter()
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not is_seen():  # noqa: ASYNC110 - the snapshot is replaced, nothing is signalled
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise TracefleetError(f"a registered device was not known within {WITHIN_SECONDS:g} s") from None
    return time.perf_counter() - committed


def _register(url: str, keys: Keys, device_no: str) -> None:
    with connect_once(url, application_name=NAME) as connection:
        _insert(connection, keys, device_no)


def _insert(connection: Connection[Any], keys: Keys, device_no: str) -> None:
    with acting(connection, ACTOR, keys=keys, reason="benchmark"):
        connection.execute(REGISTER, {"device_no": device_no})


def _admits(registry: Registry, device_no: str) -> bool:
    try:
        registry.route(f"{ROOT}/{device_no}/status")
    except Refused:
        return False
    return True
