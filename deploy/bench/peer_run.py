"""The comparison put together: the same rows to each side in turn, on the same servers, round after round."""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.bench import brokers, database, machine, peer, peer_database
from deploy.bench.load import Load
from deploy.bench.measure import CONNECTIONS, MAX_RECORDS_A_DEVICE, WINDOW
from deploy.bench.peer_database import SIDES
from deploy.bench.peer_measure import PROBES, Rig, serve
from deploy.bench.peer_report import entry, sentence, summary, verdict
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from store.database import connect_once
from store.settings import Settings

DEVICES: Final = 100
# Long enough that starting up does not hide the rate.
TRIAL_WARM_UPS: Final = 4
# The slower side may take so much longer than was asked for; beyond, the faster one gets a shorter run.
PATIENCE: Final = 4
HOW: Final = {
    "load": f"one record a message, {DEVICES} devices, QoS 1, persistent session; both sides get the same rows, "
    "ours as the contract's messages, the peer as flat objects whose fields are the columns",
    "order": "ours, peer, ours, peer, …: each on a fresh process and an emptied table, warmed up",
    "table": "the peer's is made like ours: the same columns, checks and indexes",
    "messages_per_second": "from the first message sent to the snapshot of another connection that shows the last row",
    "messages_per_cpu_second": "by user and system time of the process under test alone, its children included",
    "messages_per_cpu_second_of_all": "by that of the tested process, broker, PostgreSQL and generator together",
    "median": "of each figure over the rounds; the ratio is ours over the peer's",
    "generator": f"raw MQTT 3.1.1, QoS 1, {CONNECTIONS} connections, {WINDOW} in flight on each",
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sent, to each side and in each round."""

    seconds: float
    rounds: int
    warm_up_messages: int


QUICK: Final = Effort(3.0, 3, 5_000)
FULL: Final = Effort(8.0, 5, 20_000)


def run(effort: Effort, *, broker: brokers.Choice) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or one of the sides cannot run.
    """
    chosen = Settings.model_construct()
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(effort.rounds + 1))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", None))
        served_broker = stack.enter_context(brokers.serve(broker, folder / "broker"))
        connection = stack.enter_context(connect_once(served.url, application_name=database.NAME))
        settings = machine.settings(connection, served, served_broker, chosen)
        for complaint in machine.complaints(about, settings):
            bar.say(f"not durable: {complaint}")
        peer_database.prepare(connection)
        told = _rounds(Rig(folder, served, served_broker, connection), effort, bar)
    settings |= {"peer": peer.disclosed(served_broker), "method": HOW}
    return {"machine": about, "settings": settings, "peer_does_not": list(peer.DOES_NOT), **told}


def _rounds(rig: Rig, effort: Effort, bar: Bar) -> dict[str, Any]:
    bar.begin("how fast each side is, roughly")
    trial = _load(PROBES, TRIAL_WARM_UPS * effort.warm_up_messages, _epoch_seconds(0))
    rates = []
    for side in SIDES:
        with serve(rig, side, DEVICES) as bench:
            rates.append(bench.warm_up(trial))
    bar.end_scenario()
    messages = round(min(effort.seconds * max(rates), PATIENCE * effort.seconds * min(rates)))
    rounds, different, next_seq = [], 0, trial.next_seq
    for number in range(effort.rounds):
        epoch_seconds = _epoch_seconds(next_seq)
        warm_up = _load(next_seq + PROBES, effort.warm_up_messages, epoch_seconds)
        load = _load(warm_up.next_seq, messages, epoch_seconds)
        next_seq = load.next_seq
        measured = {}
        for side in SIDES:
            bar.begin(f"round {number + 1}: {side}")
            with serve(rig, side, DEVICES) as bench:
                bench.warm_up(warm_up)
                measured[side] = bench.measure(load)
            bar.say(f"round {number + 1}, {sentence(side, entry(measured[side]))}")
        rounds.append(measured)
        different += peer_database.different(rig.connection, load)
        bar.end_scenario()
    told = summary(rounds)
    bar.say(verdict(told))
    return told | {"different_rows": different}


def _load(first_seq: int, messages: int, epoch_seconds: int) -> Load:
    """The same number of messages of every device, in order, none twice."""
    of_each = min(MAX_RECORDS_A_DEVICE, -(-messages // DEVICES))
    return Load(of_each * DEVICES, 1, DEVICES, 0.0, first_seq, epoch_seconds)


def _epoch_seconds(next_seq: int) -> int:
    """When the record with number 0 was made, so that number *next_seq* is a minute old."""
    return int(time.time()) - 60 - next_seq // 1000
