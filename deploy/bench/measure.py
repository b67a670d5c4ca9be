"""One scenario, measured: warm-up, capacity, latency at half of it, and whether everything arrived."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import helper
from deploy.bench.database import Account, Connection, account, checkpoint, storing_transactions, wal_bytes
from deploy.bench.load import Load, first_slots, schedule
from deploy.bench.processes import Processes
from deploy.bench.publisher import Plan
from deploy.bench.report import Capacity, Latency, Outcome
from deploy.bench.scenario import Effort, Scenario
from deploy.bench.watch import Sight, seen_at_seconds, watch

CONNECTIONS: Final = 4
# Messages in flight of each connection while the capacity is measured.
WINDOW: Final = 1000
# While the capacity is measured, the watcher must cost next to nothing; it then only has to see the end.
CAPACITY_POLL_SECONDS: Final = 0.01
LATENCY_POLL_SECONDS: Final = 0.004
MEMORY_EVERY_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 15.0
MIN_MESSAGES: Final = 100
# Sequence numbers are milliseconds after the scenario's first record: more would count as clocks that run ahead.
MAX_RECORDS_A_DEVICE: Final = 120_000


@dataclass(frozen=True, slots=True)
class Run:
    """How one plan went."""

    load: Load
    slots: list[int]
    sights: list[Sight]
    # The generator's own report.
    sent: dict[str, Any]


class Bench:
    """A scenario under way: its ingest process runs, and every load continues the sequence numbers of the last."""

    def __init__(
        self,
        scenario: Scenario,
        effort: Effort,
        connection: Connection,
        broker: Broker,
        processes: Processes,
        log: Path,
    ) -> None:
        self._scenario = scenario
        self._effort = effort
        self._connection = connection
        self._broker = broker
        self._processes = processes
        self._log = log
        self._epoch_seconds = int(time.time()) - 60
        self._next_seq = 0
        self._sent_records = 0
        self._received = 0
        self._looked_seconds = 0.0

    def warm_up(self) -> float:
        """Messages a second, roughly: every device speaks once, then a little of the real load."""
        self._run(self._load(self._scenario.devices, records_per_message=1), None)
        run = self._run(self._load(self._effort.warm_up(self._scenario)), None)
        return run.load.messages / (run.sights[-1].at_seconds - float(run.sent["started_seconds"]))

    def capacity(self, expected_per_second: float) -> Capacity:
        """As fast as it goes."""
        load = self._load(round(expected_per_second * self._effort.capacity_seconds))
        checkpoint(self._connection)
        wal_before, cpu_before = wal_bytes(self._connection), self._processes.cpu_seconds()
        run = self._run(load, None)
        cpu = {name: used - cpu_before[name] for name, used in self._processes.cpu_seconds().items()}
        started = float(run.sent["started_seconds"])
        return Capacity(
            messages=load.messages,
            records=load.records,
            seconds=run.sights[-1].at_seconds - started,
            publish_seconds=float(run.sent["ended_seconds"]) - started,
            wal_bytes=wal_bytes(self._connection) - wal_before,
            cpu_seconds=cpu | {"generator": float(run.sent["cpu_seconds"])},
        )

    def latency(self, per_second: float) -> Latency:
        """At a steady *per_second*, for each message from when it was due first to when its rows were seen."""
        run = self._run(self._load(round(per_second * self._effort.latency_seconds)), per_second)
        due = first_slots(run.slots)
        started = float(run.sent["started_seconds"])
        seen: dict[int, float | None] = {}
        seconds = []
        for message, xid in storing_transactions(self._connection, run.load):
            if xid not in seen:
                seen[xid] = seen_at_seconds(run.sights, xid)
            if (at_seconds := seen[xid]) is not None:
                seconds.append(at_seconds - started - due[message] / per_second)
        return Latency(per_second, seconds, run.sent["late_seconds"])

    def outcome(self) -> Outcome:
        """What became of everything, once nothing moves any more."""
        moved_seconds = time.monotonic()
        told = account(self._connection)
        while (
            told.rows + told.dead_lettered < self._sent_records and time.monotonic() - moved_seconds < PATIENCE_SECONDS
        ):
            time.sleep(MEMORY_EVERY_SECONDS)
            before, told = told, account(self._connection)
            if told != before:
                moved_seconds = time.monotonic()
        return _outcome(self._sent_records, told)

    def _load(self, messages: int, records_per_message: int | None = None) -> Load:
        records = records_per_message or self._scenario.records_per_message
        at_most = MAX_RECORDS_A_DEVICE * self._scenario.devices // records
        wanted = min(at_most, max(MIN_MESSAGES, messages))
        troubled = self._scenario.troubled_share if records_per_message is None else 0.0
        bad_every = self._scenario.bad_every if records_per_message is None else 0
        return Load(wanted, records, self._scenario.devices, troubled, self._next_seq, self._epoch_seconds, bad_every)

    def _run(self, load: Load, per_second: float | None) -> Run:
        slots = schedule(load)
        plan = Plan(HOST, self._broker.port, "tracefleet/v1", load, per_second, CONNECTIONS, WINDOW)
        expected = self._received + len(slots) * load.records_per_message
        with helper("deploy.bench.publisher", log=self._log) as publisher:
            publisher.tell(json.dumps(asdict(plan)))
            publisher.hear()
            publisher.tell("go")
            sights = watch(
                self._connection,
                until_received=expected,
                poll_seconds=CAPACITY_POLL_SECONDS if per_second is None else LATENCY_POLL_SECONDS,
                patience_seconds=PATIENCE_SECONDS,
                on_look=self._look,
            )
            sent = publisher.report()
        self._next_seq = load.next_seq
        self._sent_records += load.records
        # A broker may deliver something again: the next load begins from what is there, not from what should be.
        self._received = max(expected, sights[-1].received)
        return Run(load, slots, sights, sent)

    def _look(self, _received: int) -> None:
        now = time.monotonic()
        if now - self._looked_seconds >= MEMORY_EVERY_SECONDS:
            self._looked_seconds = now
            self._processes.note_memory()


def _outcome(sent_records: int, told: Account) -> Outcome:
    return Outcome(sent_records, told.rows, told.received, told.duplicates, told.conflicts, told.dead_lettered)
