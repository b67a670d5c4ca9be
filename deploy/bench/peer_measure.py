"""One side of a run against the peer: warmed up, given the load as fast as the broker takes it, and accounted for."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from deploy.bench import ingest_process, peer, peer_database
from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import helper
from deploy.bench.database import Connection, Database, checkpoint, wal_bytes
from deploy.bench.load import Form, Load
from deploy.bench.measure import CONNECTIONS, MEMORY_EVERY_SECONDS, PATIENCE_SECONDS, WINDOW
from deploy.bench.peer_database import Side
from deploy.bench.peer_report import TESTED, Measured
from deploy.bench.processes import Processes
from deploy.bench.publisher import Plan
from deploy.embedded.process import end_of
from store.errors import TracefleetError

ROOTS: Final[dict[Side, str]] = {"ours": "tracefleet/v1", "peer": peer.ROOT}
FORMS: Final[dict[Side, Form]] = {"ours": "contract", "peer": "flat"}
POLL_SECONDS: Final = 0.01
# So little of a core is used when nothing is under way.
QUIET_CORES: Final = 0.1
QUIET_SECONDS: Final = 0.2
# Sequence numbers that are left free below a load, for the peer's first signs of life.
PROBES: Final = 30
PROBE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rig:
    """The servers of a run, which both sides share."""

    folder: Path
    database: Database
    broker: Broker
    connection: Connection


@contextmanager
def serve(rig: Rig, side: Side, devices: int) -> Iterator["Bench"]:
    """A fresh process of that side on emptied tables; drained and ended with the block."""
    peer_database.begin(rig.connection, side, devices)
    serving = (
        ingest_process.serve(rig.database, rig.broker, rig.folder)
        if side == "ours"
        else peer.serve(rig.database.url, rig.broker, rig.folder)
    )
    with serving as pid:
        pids = {TESTED: pid, "broker": rig.broker.pid, "postgres": rig.database.pid}
        yield Bench(rig, side, Processes(pids, tested=TESTED))


class Bench:
    """One side under way."""

    def __init__(self, rig: Rig, side: Side, processes: Processes) -> None:
        self._rig = rig
        self._side = side
        self._processes = processes

    def warm_up(self, load: Load) -> float:
        """Messages a second of *load*, roughly. Raises TracefleetError when nothing is ever stored."""
        if self._side == "peer":
            self._await_subscribed(load)
        ended_seconds, sent = self._send(load)
        return load.messages / (ended_seconds - float(sent["started_seconds"]))

    def measure(self, load: Load) -> Measured:
        """As fast as it goes, until the last row is visible to another connection."""
        checkpoint(self._rig.connection)
        wal_before, cpu_before = wal_bytes(self._rig.connection), self._processes.cpu_seconds()
        ended_seconds, sent = self._send(load)
        self._await_quiet()
        cpu = {name: used - cpu_before[name] for name, used in self._processes.cpu_seconds().items()}
        return Measured(
            messages=load.messages,
            stored=self._stored(load),
            seconds=ended_seconds - float(sent["started_seconds"]),
            publish_seconds=float(sent["ended_seconds"]) - float(sent["started_seconds"]),
            cpu_seconds=cpu | {"generator": float(sent["cpu_seconds"])},
            wal_bytes=wal_bytes(self._rig.connection) - wal_before,
            rss_bytes=self._processes.peak_rss_bytes,
        )

    def _send(self, load: Load, patience_seconds: float = PATIENCE_SECONDS) -> tuple[float, dict[str, Any]]:
        """When the last row of *load* was seen, or nothing moved any more; and the generator's report."""
        plan = Plan(HOST, self._rig.broker.port, ROOTS[self._side], load, None, CONNECTIONS, WINDOW, FORMS[self._side])
        with helper("deploy.bench.publisher", log=self._rig.folder / "publisher.log") as publisher:
            publisher.tell(json.dumps(asdict(plan)))
            publisher.hear()
            publisher.tell("go")
            ended_seconds = self._watch(load, patience_seconds)
            return ended_seconds, publisher.report()

    def _watch(self, load: Load, patience_seconds: float) -> float:
        """The cheap questions first; batches may commit out of order, so only the count of all rows says the end."""
        connection = self._rig.connection
        moved_seconds = looked_seconds = 0.0
        before: tuple[int, int] | None = None
        while True:
            finished = peer_database.finished_devices(connection, self._side, load)
            now = time.monotonic()
            if finished == load.devices and self._stored(load) == load.messages:
                return now
            if now - looked_seconds >= MEMORY_EVERY_SECONDS:
                looked_seconds = now
                self._processes.note_memory()
            if (progress := (finished, peer_database.size_bytes(connection, self._side))) != before:
                before, moved_seconds = progress, now
            elif now - moved_seconds > patience_seconds:
                return moved_seconds
            time.sleep(POLL_SECONDS)

    def _await_quiet(self) -> None:
        """Return when the last acknowledgements have been sent and taken: they are part of the work."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        before = math.nan
        while time.monotonic() < deadline:
            cpu = self._processes.cpu_seconds()
            now = cpu[TESTED] + cpu["broker"]
            if now - before <= QUIET_CORES * QUIET_SECONDS:
                return
            before = now
            time.sleep(QUIET_SECONDS)

    def _stored(self, load: Load) -> int:
        return peer_database.stored(self._rig.connection, self._side, load)

    def _await_subscribed(self, load: Load) -> None:
        """Send one message after the other until one arrives; their numbers are below those of *load*."""
        for number in range(load.first_seq - PROBES, load.first_seq):
            probe = replace(load, messages=1, devices=1, first_seq=number)
            self._send(probe, PROBE_SECONDS)
            if self._stored(probe):
                return
        log = self._rig.folder / peer.LOG
        raise TracefleetError(f"{peer.DISTRIBUTION} stored nothing. The end of its log:\n{end_of(log)}")
