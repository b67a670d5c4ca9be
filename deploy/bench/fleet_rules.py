"""How long a run of the rules of obsolescence over the whole fleet takes: the first, which finds all, and the next."""

import time
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from deploy.bench import ledger_seed
from fleet.acting import acting
from fleet.business_day import today
from fleet.keys import Keys
from fleet.obsolescence.evaluating import Evaluation, evaluate
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.gathering import gather


def measure_rules(connection: Connection[Any], keys: Keys, *, now: datetime) -> dict[str, Any]:
    """Seconds of the facts alone, of the first run for yesterday, and of another, which finds nothing new."""
    begun = time.perf_counter()
    devices = sum(1 for _ in gather(connection, today(now) - timedelta(days=1), Windows()))
    facts = time.perf_counter() - begun
    first, told = _timed(connection, keys, now)
    again, _ = _timed(connection, keys, now)
    return {
        "facts_seconds": round(facts, 2),
        "first_seconds": round(first, 2),
        "next_seconds": round(again, 2),
        "devices": devices,
        "findings": told.opened,
        "flagged": told.flagged,
        "held_back": told.held_back,
    }


def _timed(connection: Connection[Any], keys: Keys, now: datetime) -> tuple[float, Evaluation]:
    begun = time.perf_counter()
    with acting(connection, ledger_seed.ACTOR, keys=keys, reason="benchmark"):
        told = evaluate(connection, day=today(now) - timedelta(days=1), now=now)
    return time.perf_counter() - begun, told
