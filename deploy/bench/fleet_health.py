"""How long the health of the whole fleet takes: the first round, which writes every row, and those that follow."""

import time
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from fleet.health.evaluating import Evaluated, evaluate


def measure_health(connection: Connection[Any], *, now: datetime, rounds: int) -> dict[str, Any]:
    """Seconds of the first round and of each of *rounds* after it, a minute apart."""
    first, judged = _timed(connection, now)
    connection.execute("VACUUM ANALYZE device_health")
    steady = [_timed(connection, now + timedelta(minutes=minute))[0] for minute in range(1, rounds + 1)]
    return {
        "first_seconds": round(first, 2),
        "steady_seconds": [round(seconds, 2) for seconds in steady],
        "devices": judged.devices,
        "written_first": judged.written,
    }


def _timed(connection: Connection[Any], now: datetime) -> tuple[float, Evaluated]:
    begun = time.perf_counter()
    judged = evaluate(connection, now=now)
    return time.perf_counter() - begun, judged
