"""The simulator, composed: a city, its ledger into the store, its devices onto the broker, and the account of it all.

    city ─ ledger ─ import ─▶ store          schedule ─▶ machine ─▶ outbox ─▶ line ─▶ mqtt ─▶ broker
      └──────────▶ machines ─────────────────────┘         faults ──────────────┘        └──▶ tally

Devices know the broker alone. The store is only touched before the first message, the way an operator would.
"""

import asyncio
import resource
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import time as TimeOfDay  # noqa: N812 - a class; the module of that name is needed as well
from pathlib import Path
from typing import Final

from deploy.mqtt_probe import refusal_of
from deploy.simulator import city as cities
from deploy.simulator import seeding
from deploy.simulator.city import City
from deploy.simulator.clocks import rfc3339
from deploy.simulator.credentials import issue, wait_until_known
from deploy.simulator.dice import Dice
from deploy.simulator.faults import Level
from deploy.simulator.fleet import Fleet
from deploy.simulator.hours import CityClock
from deploy.simulator.machine import World
from deploy.simulator.mqtt import Broker, late_writers_ignored
from deploy.simulator.rhythm import WARM_UP_SECONDS
from deploy.simulator.tally import Tally
from fleet.acting import Actor
from fleet.keys import Keys
from store.errors import TracefleetError
from store.settings import Settings

MOST_CONNECTIONS: Final = 1000
# A large fleet takes its time to come up: so many devices a second.
BIRTHS_PER_SECOND: Final = 400
PEAK: Final = TimeOfDay(7, 30)
# The run's end waits so long for acknowledgements; `tracefleet up` gives the whole command two seconds.
DRAIN_SECONDS: Final = 1.5
# Ingest hears of the new devices at once and then reads them; what came before would be quarantined as unknown.
REGISTRY_SECONDS: Final = 1.0
REGISTRY_SECONDS_PER_DEVICE: Final = 0.0001

SIMULATOR: Final = Actor("tracefleet simulate", "simulator")

Watcher = Callable[[Tally, int], None]


async def run(
    settings: Settings,
    *,
    devices: int,
    rate: float = 0.0,
    seed: int = 1,
    seconds: float | None = None,
    city_time: TimeOfDay | None = PEAK,
    faults: Level = "some",
    bad_share: float = 0.0,
    strangers: int = 0,
    connections: int | None = None,
    seed_store: bool | None = None,
    credentials: bool | None = None,
    tally_file: Path | None = None,
    stop: asyncio.Event | None = None,
    watch: Watcher = lambda _tally, _online: None,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Tally:
    """Run the devices until *stop* is set, *seconds* are over or it is cancelled; the account of what was acknowledged.

    However it ends, outstanding acknowledgements are waited for (1.5 s at most) and *tally_file* is written; it is also
    renewed every second, when *watch* is called with the account and the number of devices online.
    *city_time* None is the real time of day. *seed_store* None imports the city's ledger where there is none yet, False
    never; *say* is told what became of it. *credentials* None lets devices with a connection of their own prove who
    they are where the broker asks fleet, which TRACEFLEET_NATS_URL tells.
    Raises TracefleetError when the broker or the database cannot be used.
    """
    broker = Broker.at(settings.broker_url.get_secret_value())
    city = cities.build(devices, seed, strangers=strangers)
    lines = min(connections or MOST_CONNECTIONS, devices + strangers)
    _require_open_files(lines)
    await _require_broker(settings)
    if seed_store is not False:
        city = city.without(await _seed(settings, city, is_wanted=seed_store, say=say))
    now = time.time()
    tally = Tally(devices, seed, rate, run=secrets.token_hex(8), started_at=rfc3339(now))
    world = World(
        Dice(seed),
        tally.run,
        CityClock.starting_at(city_time, now) if city_time is not None else CityClock(),
        bad_share,
        warm_up_seconds=max(WARM_UP_SECONDS, devices / BIRTHS_PER_SECOND),
    )
    fleet = Fleet(city, world, faults, broker=broker, rate=rate, connections=lines, tally=tally)
    if settings.nats_url is not None if credentials is None else credentials:
        await _equip(settings, fleet)
    try:
        with late_writers_ignored():
            await _run(fleet, tally, seconds, stop or asyncio.Event(), tally_file, watch)
    finally:
        tally.ended_at = rfc3339(time.time())
        if tally_file is not None:
            tally.write(tally_file)
    return tally


async def _run(
    fleet: Fleet, tally: Tally, seconds: float | None, stop: asyncio.Event, tally_file: Path | None, watch: Watcher
) -> None:
    async with asyncio.TaskGroup() as group:
        connecting = group.create_task(fleet.connect(), name="lines")
        speaking = group.create_task(fleet.speak(), name="devices")
        keeping = group.create_task(_keep_account(fleet, tally, tally_file, watch), name="account")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
            await fleet.finish(seconds=DRAIN_SECONDS)
            connecting.cancel()
            keeping.cancel()


async def _keep_account(fleet: Fleet, tally: Tally, tally_file: Path | None, watch: Watcher) -> None:
    while True:
        if tally_file is not None:
            tally.write(tally_file)
        watch(tally, fleet.online)
        await asyncio.sleep(1)


async def _require_broker(settings: Settings) -> None:
    url = settings.broker_url.get_secret_value()
    refusal = await asyncio.to_thread(refusal_of, url)
    if refusal is not None:
        broker = Broker.at(url)
        raise TracefleetError(
            f"the broker at {broker.host}:{broker.port} cannot be used: {refusal}. "
            f"Check TRACEFLEET_BROKER_URL and that the broker runs, or start the embedded system with `tracefleet up`."
        )


async def _seed(
    settings: Settings, city: City, *, is_wanted: bool | None, say: Callable[[str], None]
) -> frozenset[str]:
    """See that the ledger has *city*; the numbers of its devices that are retired."""
    done = await asyncio.to_thread(
        seeding.seed, settings.require_database_url(), city, keys=Keys.of(settings), is_wanted=is_wanted
    )
    say(done.sentence)
    if done.has_written:
        await asyncio.sleep(REGISTRY_SECONDS + REGISTRY_SECONDS_PER_DEVICE * len(city.devices))
    return done.retired


async def _equip(settings: Settings, fleet: Fleet) -> None:
    equipment = await asyncio.to_thread(issue, settings, fleet.alone, SIMULATOR)
    fleet.equip(equipment.secrets)
    if settings.nats_url is not None:
        await wait_until_known(settings.nats_url.get_secret_value(), equipment.newest_credential_id)


def _require_open_files(lines: int) -> None:
    wanted = lines + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise TracefleetError(
                f"{lines} connections need {wanted} open files, and this user may have {hard}. "
                f"Raise the limit (ulimit -n) or pass --connections {max(1, hard - 200)}."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
