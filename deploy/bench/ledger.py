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
from deploy.bench.ledger_audit import measure_audit
from deploy.bench.ledger_import import measure_import
from deploy.bench.ledger_list import measure_list
from deploy.bench.ledger_logins import measure_logins
from deploy.bench.ledger_seed import seed
from deploy.bench.ledger_visibility import measure_visibility
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from fleet.keys import Keys
from store.database import connect_once

LIST_P95_MS: Final = 50.0
VISIBLE_MS: Final = 2000.0
IMPORT_SECONDS: Final = 30.0
AUDIT_SECONDS: Final = 60.0
LOGINS_PER_SECOND: Final = 2000.0
# A ledger that lives for years has ten changes and more for each device.
AUDIT_ROWS_OF_A_DEVICE: Final = 10
HOW: Final = {
    "list": "one keep-alive connection, one request after the other, each filter as often as any other; 50 rows a page",
    "registrations": "from the return of the commit until ingest's registry, and fleet's identities, know the device",
    "logins": "each device once, with a secret of its own, to nats-server over MQTT; fleet, a process, answers, and "
    "has had its first rounds",
    "import": "a sheet with every kind of column into an empty ledger: reading, checks, audit, seals and commit",
    "audit": "a chain of rows as large as a device's, every seal reckoned again",
    "ledger": "seeded under audit and sealed; ANALYZE and VACUUM before anything is measured",
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    devices: int
    list_rounds: int
    registrations: int
    logins: int
    import_rows: int
    audit_rows: int


def effort(devices: int, *, quick: bool) -> Effort:
    """The full effort for so many devices, or a tenth of it; the ledger is as large either way."""
    share = 10 if quick else 1
    return Effort(
        devices,
        list_rounds=30 // share,
        registrations=2 if quick else 12,
        logins=devices // 5 // share,
        import_rows=devices // share,
        audit_rows=devices * AUDIT_ROWS_OF_A_DEVICE // share,
    )


@dataclass(frozen=True, slots=True)
class Rig:
    """What the measures need."""

    folder: Path
    database: Database
    keys: Keys
    key_file: Path
    effort: Effort


Measured = dict[str, Any]
Measure = Callable[[Rig], Iterator[Measured]]


def run(chosen: Effort, *, database_url: str | None) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or a part of the benchmark cannot run.
    """
    measures: list[tuple[str, Measure]] = [
        ("the list", _lists),
        ("registrations", _registrations),
        ("logins", _logins),
        ("the import", _import),
        ("the audit", _audit),
    ]
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(measures) + 1))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", database_url))
        key_file = folder / "key"
        keys = Keys(key_file)
        with connect_once(served.url, application_name=database.NAME) as connection:
            settings = machine.server(connection, served)
            for complaint in machine.complaints(about, settings):
                bar.say(f"not durable: {complaint}")
            bar.begin(f"registering {chosen.devices:,} devices")
            seed(connection, chosen.devices, keys)
            bar.end_scenario()
        rig = Rig(folder, served, keys, key_file, chosen)
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


def judged(name: str, target: str, value: float, more: Measured, *, met: bool) -> Measured:
    """A measure with its target and whether that was met. Pure."""
    return {"name": name, "target": target, "measured": round(value, 2), "met": met, **more}


def sentence(told: Measured) -> str:
    """A measure in one line for people. Pure."""
    return f"{told['name']}: {told['measured']:,g} ({told['target']}: {'met' if told['met'] else 'not met'})"


def _lists(rig: Rig) -> Iterator[Measured]:
    with ledger_list.serve(rig.database, rig.folder) as port:
        for name, counting in (("list_with_total", "count"), ("list_with_facets", "facets")):
            more = measure_list(port, counting=counting, rounds=rig.effort.list_rounds)
            p95 = more["latency_ms"]["p95"]
            yield judged(name, f"p95 < {LIST_P95_MS:g} ms", p95, more, met=p95 < LIST_P95_MS)


def _registrations(rig: Rig) -> Iterator[Measured]:
    found = asyncio.run(measure_visibility(rig.database.url, rig.keys, rounds=rig.effort.registrations))
    for whom, more in found.items():
        longest = more["latency_ms"]["max"]
        yield judged(f"registration_to_{whom}", f"max < {VISIBLE_MS:g} ms", longest, more, met=longest < VISIBLE_MS)


def _logins(rig: Rig) -> Iterator[Measured]:
    folder = rig.folder / "logins"
    folder.mkdir()
    more = measure_logins(rig.database.url, folder, rig.keys, key_file=rig.key_file, devices=rig.effort.logins)
    rate = more["connected_per_second"]
    yield judged("logins", f">= {LOGINS_PER_SECOND:g} logins/s", rate, more, met=rate >= LOGINS_PER_SECOND)


def _import(rig: Rig) -> Iterator[Measured]:
    with database.serve(rig.folder / "import", rig.database.url) as empty:
        more: Measured = measure_import(empty.url, rig.effort.import_rows)
    seconds = more["create_seconds"]
    yield judged("import", f"< {IMPORT_SECONDS:g} s", seconds, more, met=seconds < IMPORT_SECONDS)


def _audit(rig: Rig) -> Iterator[Measured]:
    with database.serve(rig.folder / "audit", rig.database.url) as empty:
        more = measure_audit(empty.url, rig.effort.audit_rows)
    seconds = more["verify_seconds"]
    met = seconds < AUDIT_SECONDS and more["whole"]
    yield judged("audit_verify", f"< {AUDIT_SECONDS:g} s, and whole", seconds, more, met=met)
