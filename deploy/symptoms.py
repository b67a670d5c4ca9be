"""Doctor's look at the symptoms that alerts tell, in the database: for whoever has neither Prometheus nor Grafana.

By the limits of the alerts. ``COVERED`` says which check speaks of which alert; the runbook names it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from deploy.check import Check
from deploy.ledger_symptoms import ledger_symptoms
from fleet.business_day import day_of
from fleet.days.completeness import READ, WORST
from fleet.health.counting import EXPECTED
from fleet.identity.ending import COUNT
from grafana.database_alerts import DATABASE_ALERTS
from grafana.metric_alerts import (
    COMMIT_MINUTES,
    FEWEST_REFUSED,
    FEWEST_SILENT,
    MISSING_SHARE,
    REFUSED_SHARE,
    SILENT_SHARE,
    WAITING_SECONDS,
    WINDOW_SHARE,
)
from store.settings import Settings

COVERED: Final = {
    "TracefleetRecordsMissing": "missing",
    "TracefleetNoCommit": "stored",
    "TracefleetDeadLetters": "refused",
    "TracefleetDevicesSilent": "heard",
    "TracefleetIngestLagging": "waiting",
    "TracefleetIngestDisconnected": "worker",
    "TracefleetCommitsRetried": "worker",
    "TracefleetIngestQueueNearLimit": "waiting",
    "TracefleetBrokerCertificateEnding": "certificate",
    "TracefleetCredentialsEnding": "credentials",
    "TracefleetAuditBroken": "audit",
    "TracefleetAuditUnverified": "audit",
    "TracefleetSweepStalled": "rounds",
    "TracefleetJobFailing": "jobs",
    "TracefleetProcessDown": "port",
    "TracefleetApiFailing": "database",
    **{alert.name: "ledger" for alert in DATABASE_ALERTS},
}

FLOW: Final = """
SELECT (SELECT count(*) FROM devices WHERE state = 'in_service') AS devices,
       coalesce(sum(received), 0)::float8 AS received, coalesce(sum(dead_lettered), 0)::float8 AS refused,
       (SELECT count(*) FROM workers WHERE stopped_at IS NULL
          AND heartbeat_at > now() - INTERVAL '1 minute'
          AND started_at > now() - make_interval(mins => %(minutes)s)) AS just_started
FROM ingest_stats WHERE bucket_at > now() - make_interval(mins => %(minutes)s)
"""
WAITING: Final = """
SELECT worker, coalesce(lag_seconds, 0) AS lag_seconds, unacknowledged FROM workers
WHERE stopped_at IS NULL AND heartbeat_at > now() - INTERVAL '1 minute' ORDER BY worker
"""
FAILING: Final = "SELECT job, last_error FROM jobs WHERE last_error IS NOT NULL ORDER BY job"

Connection = psycopg.Connection[tuple[object, ...]]


def symptoms(connection: Connection, settings: Settings) -> Iterator[Check]:
    """Each, on a database whose schema is current."""
    now = datetime.now(UTC)
    yield from _flow(connection)
    yield _missing(connection, now)
    yield _heard(connection)
    yield _waiting(connection, settings)
    yield _credentials(connection, now)
    yield _jobs(connection)
    yield from ledger_symptoms(connection)


def _flow(connection: Connection) -> Iterator[Check]:
    row = connection.execute(FLOW, {"minutes": COMMIT_MINUTES}).fetchone()
    devices, received, refused, just_started = map(_number, row or (0, 0, 0, 0))
    detail = f"{received:.0f} records in {COMMIT_MINUTES} minutes"
    if devices and not received and not just_started:
        remedy = "Start ingest and the broker; the lines above and `tracefleet workers list` say what keeps them."
        yield Check("stored", "problem", f"{detail}, though {_devices(devices)} in service", remedy)
    else:
        yield Check("stored", "ok", detail)
    share = refused / received if received else 0.0
    if share > REFUSED_SHARE and refused > FEWEST_REFUSED:
        remedy = "`tracefleet dead-letters list` has reason and device; mend the cause, then `dead-letters replay`."
        yield Check("refused", "warning", f"{share:.1%} became dead letters", remedy)
    else:
        yield Check("refused", "ok", f"{share:.1%} became dead letters")


def _missing(connection: Connection, now: datetime) -> Check:
    today = day_of(now)
    asked = {"today": today, "yesterday": today - timedelta(days=1)}
    received, missing = map(_number, connection.execute(READ.encode(), asked).fetchone() or (0, 0))
    share = missing / (received + missing) if missing else 0.0
    worst = ", ".join(str(device_no) for (device_no,) in connection.execute(WORST.encode(), asked))
    detail = f"{share:.2%} of the records of today and yesterday{f', most of {worst}' if worst else ''}"
    if share <= MISSING_SHARE:
        return Check("missing", "ok", detail)
    remedy = "`tracefleet fleet health` has those with gaps first: look at their backlog, gateway and the broker's log."
    return Check("missing", "problem", detail, remedy)


def _heard(connection: Connection) -> Check:
    found = {str(presence): _number(devices) for presence, devices in connection.execute(EXPECTED).fetchall()}
    heard, away = found.get("online", 0.0), found.get("late", 0.0) + found.get("silent", 0.0)
    detail = f"{heard:.0f} of {heard + away:.0f} devices that should be heard now"
    if away < FEWEST_SILENT or away / (heard + away) <= SILENT_SHARE:
        return Check("heard", "ok", detail)
    remedy = "`tracefleet fleet outages` and `tracefleet fleet health` say where; look for what they have in common."
    return Check("heard", "warning", detail, remedy)


def _waiting(connection: Connection, settings: Settings) -> Check:
    for worker, lag_seconds, unacknowledged in connection.execute(WAITING).fetchall():
        if _number(lag_seconds) > WAITING_SECONDS:
            remedy = "The database is slow or locked: see its log, its disk and `pg_stat_activity`."
            return Check("waiting", "problem", f"a message waits {lag_seconds:.0f} s in {worker}", remedy)
        if _number(unacknowledged) > settings.ingest_window * WINDOW_SHARE:
            remedy = "It is at its limit: start another worker (deploy/WORKERS.md), or make the database faster."
            return Check("waiting", "warning", f"the window of {worker} is full: {unacknowledged} messages", remedy)
    return Check("waiting", "ok", "no message waits long for its commit")


def _credentials(connection: Connection, now: datetime) -> Check:
    rows = connection.execute(COUNT, {"now": now}).fetchall()
    soon = [f"{number} {holder} ({within})" for holder, within, number in rows if within != "30d"]
    if not soon:
        return Check("credentials", "ok", "none ends within 7 days")
    remedy = (
        "Issue new ones with `tracefleet devices credential` or `devices enrol`, keys with `tracefleet keys create`."
    )
    return Check("credentials", "warning", f"ended, or ending within 7 days: {', '.join(soon)}", remedy)


def _jobs(connection: Connection) -> Check:
    failing = connection.execute(FAILING).fetchall()
    if not failing:
        return Check("jobs", "ok", "none has failed in its last run")
    detail = "; ".join(f"{job}: {error}" for job, error in failing)
    return Check(
        "jobs", "problem", detail, "Mend that, and the next run is within the hour: what is old stays until then."
    )


def _devices(number: float) -> str:
    return "1 device is" if number == 1 else f"{number:.0f} devices are"


def _number(value: object) -> float:
    assert isinstance(value, int | float)  # noqa: S101 - the queries above answer with nothing else
    return float(value)
