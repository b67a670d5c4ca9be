"""The list of devices over HTTP: how long a filtered page takes with what it counts, one request after the other."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from deploy.bench.brokers import HOST
from deploy.bench.children import service
from deploy.bench.database import Database
from deploy.bench.report import distribution_ms
from deploy.ports import free_port
from store.errors import TracefleetError

PATH: Final = "/api/v1/devices"
READY_SECONDS: Final = 30.0
# Statements are prepared at their sixth run, on each of the pool's connections.
WARM_UP: Final = 5
# Those that people ask for, from all devices to a handful; each is asked as often as any other.
FILTERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"state": "in_service"},
    {"kind": "trace_scale"},
    {"region_code": "4101"},
    {"region_code": "410105"},
    {"site_no": "410100003"},
    {"q": "TD-410105-00"},
    {"kind": "logger", "state": "faulty"},
    {"owner_type": "government", "acquired_before": "2018-08-28"},
    {"acquired_after": "2018-08-27", "kind": "kiosk"},
    {"verification": "overdue"},
    {"party": "OP-5"},
    {"has_hold": "true"},
    {"connectivity": "offline"},
    {"last_heard": "over_1h"},
    {"last_heard": "never"},
)


@contextmanager
def serve(database: Database, folder: Path) -> Iterator[int]:
    """The port of ``tracefleet api`` as a process, as production runs it; ended with the block.

    Raises TracefleetError, with the end of its log, when it does not come up.
    """
    port = free_port(HOST)
    given = {
        "TRACEFLEET_DATABASE_URL": database.url,
        "TRACEFLEET_API_PORT": str(port),
        # What is measured is the list, not the looking up of keys.
        "TRACEFLEET_API_LOOPBACK_ROLE": "viewer",
        "TRACEFLEET_DATA_DIR": str(folder / "data"),
    }
    with service("api", given, folder=folder, is_ready=lambda: _is_alive(port), seconds=READY_SECONDS):
        yield port


def measure_list(port: int, *, counting: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of every filter, asked *rounds* times with the parameter *counting* (`count` or `facets`).

    The filters take turns, so that none finds more of its own in the caches than it would.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        for filters in FILTERS:
            for _ in range(WARM_UP):
                _ask(connection, filters, counting)
        seconds: list[list[float]] = [[] for _ in FILTERS]
        for _ in range(rounds):
            for filters, taken in zip(FILTERS, seconds, strict=True):
                began = time.perf_counter()
                _ask(connection, filters, counting)
                taken.append(time.perf_counter() - began)
    finally:
        connection.close()
    return {
        "requests": rounds * len(FILTERS),
        "latency_ms": distribution_ms([each for taken in seconds for each in taken]),
        "by_filter": [
            {"filter": filters, "latency_ms": distribution_ms(taken)}
            for filters, taken in zip(FILTERS, seconds, strict=True)
        ],
    }


def _ask(connection: http.client.HTTPConnection, filters: dict[str, str], counting: str) -> None:
    connection.request("GET", f"{PATH}?{urlencode({**filters, counting: 'true'})}")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise TracefleetError(f"the API answered {answer.status} to {filters}: {body[:300].decode()}")


def _is_alive(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
