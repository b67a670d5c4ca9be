"""The rounds of presence: days rolled up as they are due, outages found as they begin; the clock is read here."""

from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from fleet.acting import FLEET, acting
from fleet.days.due import roll_due
from fleet.keys import Keys
from fleet.metrics import Metrics
from fleet.presence.live import detect
from fleet.presence.outage import open_outages


def roll_days(connection: Connection[Any], *, keys: Keys) -> None:
    """Roll up what is due now."""
    roll_due(connection, now=datetime.now(UTC), keys=keys)


def watch_outages(connection: Connection[Any], *, keys: Keys, metrics: Metrics) -> None:
    """Begin and end outages, and say how many last."""
    with acting(connection, FLEET, keys=keys, reason="outages found 中断识别"):
        detect(connection, now=datetime.now(UTC))
    standing = [outage.scope for outage in open_outages(connection)]
    for scope in ("platform", "site"):
        metrics.outages.labels(scope).set(standing.count(scope))
