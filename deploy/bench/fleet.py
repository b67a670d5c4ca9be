"""The benchmark of what judges the fleet put together: a server of its own, each measure with its target, one report.

A further measure is a module with a function from the rig to what it found, and a line in ``MEASURES``.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.bench import database, machine
from deploy.bench.database import Database
from deploy.bench.fleet_health import measure_health
from deploy.bench.fleet_seed import DAYS, seed
from deploy.bench.ledger import Measured, judged, sentence
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from fleet.keys import Keys
from store.database import connect_once

HEALTH_SECONDS: Final = 5.0
HOW: Final = {
    "health_sweep": "the first round, which writes every row, and others a minute apart, on one connection",
    "fleet": f"every device placed, {DAYS} days of each and today; ANALYZE and VACUUM before anything is measured",
}


@dataclass(frozen=True, slots=True)
class Rig:
    """What the measures need; *now* is when the seeded days end."""

    folder: Path
    database: Database
    keys: Keys
    devices: int
    rounds: int
    now: datetime


def _health(rig: Rig) -> Iterator[Measured]:
    with connect_once(rig.database.url, application_name=database.NAME) as connection:
        more = measure_health(connection, now=rig.now, rounds=rig.rounds)
    slowest = max(more["first_seconds"], *more["steady_seconds"])
    yield judged("health_sweep", f"max < {HEALTH_SECONDS:g} s", slowest, more, met=slowest < HEALTH_SECONDS)


Measure = Callable[[Rig], Iterator[Measured]]
MEASURES: Final[tuple[tuple[str, Measure], ...]] = (("the health sweep", _health),)


def run(devices: int, *, quick: bool, database_url: str | None) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or a part of the benchmark cannot run.
    """
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(MEASURES) + 1))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", database_url))
        rig = Rig(folder, served, Keys(folder / "key"), devices, 2 if quick else 10, datetime.now(UTC))
        with connect_once(served.url, application_name=database.NAME) as connection:
            settings = machine.server(connection, served)
            for complaint in machine.complaints(about, settings):
                bar.say(f"not durable: {complaint}")
            bar.begin(f"{DAYS} days of {devices:,} devices")
            seed(connection, devices, rig.keys, now=rig.now)
            bar.end_scenario()
        told: list[Measured] = []
        for what, measure in MEASURES:
            bar.begin(what)
            for one in measure(rig):
                told.append(one)
                bar.say(sentence(one))
            bar.end_scenario()
    return {"machine": about, "settings": settings | {"devices": devices, "method": HOW}, "measures": told}
