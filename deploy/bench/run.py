"""The benchmark put together: servers of its own, every scenario on a fresh ingest process, one report."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from deploy.bench import brokers, database, ingest_process, machine
from deploy.bench.brokers import Broker, Choice
from deploy.bench.ceilings import Received, copy_records_per_second, decoded_records_per_second, received
from deploy.bench.database import Connection, Database
from deploy.bench.load import Load
from deploy.bench.measure import CONNECTIONS, LATENCY_POLL_SECONDS, WINDOW, Bench
from deploy.bench.processes import Processes
from deploy.bench.progress import Bar
from deploy.bench.report import Ceilings, entry, sentence
from deploy.bench.scenario import Effort, Scenario
from store.database import connect_once
from store.settings import Settings

NULL_RECORDS: Final = 300_000
NULL_MESSAGES: Final = 30_000
HOW: Final = {
    "rates": "different messages and records, from the first message sent to the last commit seen",
    "latency": "from when a message was due (open loop, half of capacity) to the first snapshot that shows its rows",
    "latency_resolution_ms": LATENCY_POLL_SECONDS * 1000,
    "copy_ceiling": "the stored rows as one prepared binary COPY into the emptied table, the best of several",
    "wal": "of the whole server while the capacity was measured, from a checkpoint on: full-page images are in it",
    "generator": f"raw MQTT 3.1.1, QoS 1, {CONNECTIONS} connections, {WINDOW} in flight on each for the capacity",
}


@dataclass(slots=True)
class Rig:
    """The servers of a run, and the ceilings that were measured on them already."""

    folder: Path
    database: Database
    broker: Broker
    connection: Connection
    effort: Effort
    say: Callable[[str], None]
    received: dict[int, Received] = field(default_factory=dict)
    decoded: dict[int, float] = field(default_factory=dict)


def run(scenarios: list[Scenario], effort: Effort, *, broker: Choice, database_url: str | None) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or a part of the benchmark cannot run.
    """
    chosen = Settings.model_construct()
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(scenarios)))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", database_url))
        served_broker = stack.enter_context(brokers.serve(broker, folder / "broker"))
        connection = stack.enter_context(connect_once(served.url, application_name=database.NAME))
        settings = machine.settings(connection, served, served_broker, chosen)
        for complaint in machine.complaints(about, settings):
            bar.say(f"not durable: {complaint}")
        rig = Rig(folder, served, served_broker, connection, effort, bar.begin)
        told = []
        for scenario in scenarios:
            told.append(_measure(rig, scenario))
            bar.say(f"{scenario.name}: {sentence(told[-1])}")
            bar.end_scenario()
    return {"machine": about, "settings": settings | {"method": HOW}, "scenarios": told}


def _measure(rig: Rig, scenario: Scenario) -> dict[str, Any]:
    _measure_fixed_ceilings(rig, scenario)
    rig.say(f"{scenario.name}: starting")
    database.fill(rig.connection, scenario.devices)
    with ingest_process.serve(rig.database, rig.broker, rig.folder) as pid:
        processes = Processes({"ingest": pid, "broker": rig.broker.pid, "postgres": rig.database.pid})
        log = rig.folder / "publisher.log"
        bench = Bench(scenario, rig.effort, rig.connection, rig.broker, processes, log)
        rig.say(f"{scenario.name}: warming up")
        expected_per_second = bench.warm_up()
        rig.say(f"{scenario.name}: capacity")
        capacity = bench.capacity(expected_per_second)
        rig.say(f"{scenario.name}: latency at half of {capacity.messages_per_second:,.0f} messages/s")
        latency = bench.latency(capacity.messages_per_second / 2)
        outcome = bench.outcome()
    rig.say(f"{scenario.name}: the same rows by COPY")
    copy = copy_records_per_second(rig.connection, rows=rig.effort.copy_rows, runs=rig.effort.copy_runs)
    null = rig.received[scenario.records_per_message]
    decoded = rig.decoded[scenario.records_per_message]
    ceilings = Ceilings(copy, null.messages_per_second, null.messages_per_cpu_second, decoded)
    return entry(scenario, capacity, latency, ceilings, outcome, rss_bytes=processes.peak_rss_bytes)


def _measure_fixed_ceilings(rig: Rig, scenario: Scenario) -> None:
    """Those that depend on the size of a message alone, once each, while no ingest runs."""
    records = scenario.records_per_message
    if records in rig.received:
        return
    rig.say(f"{scenario.name}: null subscriber and decoder")
    messages = min(NULL_MESSAGES, NULL_RECORDS // records)
    # Made now, so the decoder believes its times.
    load = Load(messages, records, 100, 0.0, 0, _now_seconds(rig.connection))
    rig.received[records] = received(
        rig.broker, load, log=rig.folder / "null.log", connections=CONNECTIONS, window=WINDOW
    )
    rig.decoded[records] = decoded_records_per_second(load, seconds=rig.effort.decode_seconds)


def _now_seconds(connection: Connection) -> int:
    return int(database.one(connection, "SELECT extract(epoch FROM now())::int8")[0])


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, so that nothing stays behind; and Ctrl-C too where a shell had it ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
