"""What the same machine does at most: the same rows as one COPY, the same messages only received, or only decoded."""

import json
import math
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import helper
from deploy.bench.database import COLUMNS, COPY_IN, COPY_OUT, Connection, checkpoint
from deploy.bench.load import STREAM, Load, payload
from deploy.bench.publisher import Plan
from ingest.decode import decode
from store.records import TELEMETRY

SAMPLE_MESSAGES: Final = 500


@dataclass(frozen=True, slots=True)
class Received:
    """Messages that the null subscriber took, by the clock and by its own CPU time."""

    messages_per_second: float
    messages_per_cpu_second: float


def copy_records_per_second(connection: Connection, *, rows: int, runs: int) -> float:
    """Rows a second of one prepared binary COPY into the emptied table, first byte to commit; the best run.

    The rows are those ingest stored, at most *rows*, as the server itself writes them, in the order they lie in.
    """
    query = COPY_OUT.format(columns=COLUMNS, rows=rows)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        buffer = b"".join(bytes(part) for part in copy)
    best = 0.0
    for _ in range(runs):
        connection.execute("TRUNCATE coldchain")
        checkpoint(connection)
        started = time.monotonic()
        with connection.cursor() as cursor:
            with cursor.copy(COPY_IN) as copy:
                copy.write(buffer)
            written = cursor.rowcount
        best = max(best, written / (time.monotonic() - started))
    return best


def received(broker: Broker, load: Load, *, log: Path, connections: int, window: int) -> Received:
    """How fast the null subscriber received *load*, from the first message sent to the last one it had."""
    root = "bench/null"
    plan = Plan(HOST, broker.port, root, load, None, connections, window)
    arguments = (HOST, str(broker.port), f"{root}/#", str(load.messages))
    with ExitStack() as stack:
        null = stack.enter_context(helper("deploy.bench.null_subscriber", *arguments, log=log))
        publisher = stack.enter_context(helper("deploy.bench.publisher", log=log))
        publisher.tell(json.dumps(asdict(plan)))
        for each in (null, publisher):
            each.hear()
        publisher.tell("go")
        started = float(publisher.report()["started_seconds"])
        told = null.report()
    cpu_seconds = float(told["cpu_seconds"]) or math.inf
    return Received(load.messages / (float(told["ended_seconds"]) - started), load.messages / cpu_seconds)


def decoded_records_per_second(load: Load, *, seconds: float) -> float:
    """Records a second of ingest's decoder on the same bytes, on one core."""
    bodies = [payload(load, message) for message in range(min(load.messages, SAMPLE_MESSAGES))]
    return _decode(cycle(bodies), seconds)


def _decode(bodies: Iterable[bytes], seconds: float) -> float:
    now = datetime.now(UTC)
    stream = TELEMETRY[STREAM]
    started = time.monotonic()
    records = 0
    for count, body in enumerate(bodies):
        records += len(decode(body, stream, now).indexes)
        if count % 50 == 0 and time.monotonic() - started >= seconds:
            break
    return records / (time.monotonic() - started)
