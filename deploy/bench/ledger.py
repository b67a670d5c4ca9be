"""The benchmark of the ledger put together: a server of its own, each measure with its target, one report."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.bench import database, ledger_list, machine
from deploy.bench.database import Database
from deploy.bench.ledger_list import measure_list
from deploy.bench.ledger_seed import seed
from deploy.bench.ledger_visibility import measure_visibility
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from fleet.keys import Keys
from store.database import connect_once

LIST_P95_MS: Final = 50.0
VISIBLE_MS: Final = 2000.0
HOW: Final = {
    "list": "one keep-alive connection, one request after the other, each filter as often as any other; 50 rows a page",
    "visibility": "from the return of the commit until ingest's registry, in this process, admits the device",
    "ledger": "seeded under audit and sealed; ANALYZE and VACUUM before anything is measured",
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    devices: int
    list_rounds: int
    registrations: int


def effort(devices: int, *, quick: bool) -> Effort:
    """The full effort for so many devices, or one that ends soon."""
    return Effort(devices, list_rounds=3 if quick else 30, registrations=2 if quick else 12)


@dataclass(frozen=True, slots=True)
class Rig:
    """What the measures need."""

    folder: Path
    database: Database
    keys: Keys
    effort: Effort


Measured = dict[str, Any]
Measure = Callable[[Rig], Iterator[Measured]]


def run(chosen: Effort, *, database_url: str | None) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or a part of the benchmark cannot run.
    """
    measures: list[tuple[str, Measure]] = [("the list", _lists), ("registrations", _visibility)]
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(measures) + 1))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", database_url))
        keys = Keys(folder / "key")
        with connect_once(served.url, application_name=database.NAME) as connection:
            settings = machine.server(connection, served)
            for complaint in machine.complaints(about, settings):
                bar.say(f"not durable: {complaint}")
            bar.begin(f"registering {chosen.devices:,} devices")
            seed(connection, chosen.devices, keys)
            bar.end_scenario()
        rig = Rig(folder, served, keys, chosen)
        told: list[Measured] = []
        for what, measure in measures:
            bar.begin(what)
            for one in measure(rig):
                told.append(one)
                bar.say(sentence(one))
            bar.end_scenario()
    return {
        "machine": about,
        "settings": settings | {"devices": chosen.devices, "method": HOW},
        "measures": told,
    }


def judged(name: str, target: str, value: float, limit: float, more: Measured) -> Measured:
    """A measure with its target and whether it was met: *value* below *limit*. Pure."""
    return {"name": name, "target": target, "measured": round(value, 2), "met": value < limit, **more}


def sentence(told: Measured) -> str:
    """A measure in one line for people. Pure."""
    return f"{told['name']}: {told['measured']:,g} ({told['target']}: {'met' if told['met'] else 'not met'})"


def _lists(rig: Rig) -> Iterator[Measured]:
    with ledger_list.serve(rig.database, rig.folder) as port:
        for name, counting in (("list_with_total", "count"), ("list_with_facets", "facets")):
            more = measure_list(port, counting=counting, rounds=rig.effort.list_rounds)
            yield judged(name, f"p95 < {LIST_P95_MS:g} ms", more["latency_ms"]["p95"], LIST_P95_MS, more)


def _visibility(rig: Rig) -> Iterator[Measured]:
    more = asyncio.run(measure_visibility(rig.database.url, rig.keys, rounds=rig.effort.registrations))
    yield judged("registration_to_ingest", f"max < {VISIBLE_MS:g} ms", more["latency_ms"]["max"], VISIBLE_MS, more)
