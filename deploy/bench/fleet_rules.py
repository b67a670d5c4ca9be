"""The benchmark of the rules of obsolescence: one run over the whole fleet, and the facts it begins with."""

from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import Any, Final

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.obsolescence.evaluating import evaluate
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.gathering import gather

DAYS: Final = 60
EVALUATION_SECONDS: Final = 60.0
ACTOR: Final = Actor("benchmark", "tracefleet bench fleet")

# One day of every device: one in fifty is asleep, one in a hundred silent half of the time, one in two hundred errs.
SEED_DAY: Final = """
INSERT INTO device_days (device_id, day, site_id, expected_slots, online_slots, heard_slots, records, trades, lookups,
                         scans, scan_errors, readings, temperature_c_min, temperature_c_max, firmware)
SELECT device_id, %(day)s::date, site_id, 132, CASE WHEN device_id %% 100 = 3 THEN 60 ELSE 130 END, 140, 300,
       CASE WHEN device_id %% 50 = 0 THEN 0 ELSE 40 END, CASE WHEN device_id %% 50 = 0 THEN 0 ELSE 12 END,
       CASE WHEN device_id %% 50 = 0 THEN 0 ELSE 30 END, CASE WHEN device_id %% 200 = 7 THEN 30 ELSE 0 END,
       144, 1.5, 4.5, '1.4.2'
FROM devices
ON CONFLICT DO NOTHING
"""


def seed_days(connection: Connection[Any], *, ends: date, days: int = DAYS) -> None:
    """Days of every device in the ledger, the last of them *ends*, and fresh statistics."""
    for n in range(days - 1, -1, -1):
        connection.execute(SEED_DAY, {"day": ends - timedelta(days=n)})
    connection.execute("VACUUM ANALYZE device_days")


def measure_rules(connection: Connection[Any], keys: Keys, *, day: date) -> dict[str, Any]:
    """Seconds of a first run, which opens every finding, of one like those of every night, and of the facts alone."""
    now = datetime.now(UTC)
    begun = perf_counter()
    devices = sum(1 for _ in gather(connection, day, Windows()))
    facts_seconds = perf_counter() - begun
    runs = []
    for _ in range(2):
        begun = perf_counter()
        with acting(connection, ACTOR, keys=keys, reason="benchmark"):
            told = evaluate(connection, day=day, now=now)
        runs.append((perf_counter() - begun, told))
    (first_seconds, first), (again_seconds, _) = runs
    return {
        "devices": devices,
        "days": DAYS,
        "facts_seconds": round(facts_seconds, 2),
        "first_run_seconds": round(first_seconds, 2),
        "next_run_seconds": round(again_seconds, 2),
        "findings": first.opened,
        "flagged": first.flagged,
        "held_back": first.held_back,
    }
