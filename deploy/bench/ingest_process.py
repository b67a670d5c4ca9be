"""The ingest under test: ``tracefleet ingest`` as a process, as production runs it."""

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import environment, stop
from deploy.bench.database import Database
from deploy.embedded.process import end_of, wait_until
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
    }
    log = folder / "ingest.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "ingest"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(given),
            # Not here: a tracefleet.toml of the folder we were started in is not meant for it.
            cwd=folder,
            start_new_session=True,
        )
    try:
        if not wait_until(lambda: _is_ready(port), process, seconds=READY_SECONDS):
            raise TracefleetError(f"ingest did not become ready. The end of its log:\n{end_of(log)}")
        with _explained(process, log):
            yield process.pid
    finally:
        stop(process)


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
