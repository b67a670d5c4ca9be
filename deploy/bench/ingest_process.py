"""The ingest under test: ``tracefleet ingest`` as a process, as production runs it."""

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import service
from deploy.bench.database import Database
from deploy.embedded.process import end_of
from deploy.ports import free_port
from store.errors import TracefleetError

# Always the same: the broker would keep everything for a worker that never comes back.
WORKER: Final = "bench"
READY_SECONDS: Final = 30.0


@contextmanager
def serve(database: Database, broker: Broker, folder: Path) -> Iterator[int]:
    """The id of an ingest process that is subscribed; drained and ended with the block.

    Raises TracefleetError, with the end of its log, when it does not come up, or ends before the block does.
    """
    port = free_port(HOST)
    given = {
        "TRACEFLEET_DATABASE_URL": database.url,
        "TRACEFLEET_BROKER_URL": f"mqtt://{HOST}:{broker.port}",
        "TRACEFLEET_DATA_DIR": str(folder / "data"),
        "TRACEFLEET_INGEST_METRICS_PORT": str(port),
        "TRACEFLEET_INGEST_WORKER": WORKER,
        "TRACEFLEET_INGEST_WINDOW": str(broker.window),
    }
    ready = service("ingest", given, folder=folder, is_ready=lambda: _is_ready(port), seconds=READY_SECONDS)
    with ready as process, _explained(process, folder / "ingest.log"):
        yield process.pid


@contextmanager
def _explained(process: "subprocess.Popen[bytes]", log: Path) -> Iterator[None]:
    """Whatever fails when *process* ended by itself failed because of that."""
    try:
        yield
    except Exception as error:
        if process.poll() is None:
            raise
        raise TracefleetError(f"ingest ended by itself. The end of its log:\n{end_of(log)}") from error


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
