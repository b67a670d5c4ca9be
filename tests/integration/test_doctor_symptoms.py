"""``tracefleet doctor`` on the symptoms that alerts tell: fine on a healthy system, and each when it is there."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from typer.main import get_group

from deploy import broker_certificate, rounds
from deploy.check import Check
from deploy.cli import app
from deploy.doctor import examine
from deploy.symptoms import COVERED
from grafana.alerts import ALERTS
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]

LEDGER = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES ('S', '市场', 'market', 'wet_market', '410105');
INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'trace_scale', 'V');
INSERT INTO devices (device_no, model_id, site_id) SELECT 'D' || n, model_id, site_id
FROM models, sites, generate_series(1, 10) AS n;
"""
RECEIVED = """
INSERT INTO ingest_stats (
    bucket_at, worker, stream, messages, received, stored, duplicate, conflict, dead_lettered, late)
VALUES (now(), 'w', 'scan', 1, 1000, 1000 - {refused}, 0, 0, {refused}, 0)
"""
WORKER = """
INSERT INTO workers (worker, started_at, heartbeat_at, connected, unacknowledged, lag_seconds, stopped_reason, reads)
VALUES ('w', now(), now(), true, {unacknowledged}, {lag}, {reason}, '{{scan}}')
"""
HEALTH = """
INSERT INTO device_health (device_id, evaluated_at, presence, presence_since)
SELECT device_id, now(), CASE WHEN device_id % 2 = 0 THEN 'silent' ELSE 'online' END, now() FROM devices
"""
DAYS = """
INSERT INTO device_days (device_id, day, site_id, records, missing)
SELECT device_id, (now() AT TIME ZONE 'Asia/Shanghai')::date, site_id, 100, {missing} FROM devices
"""
CREDENTIALS = """
INSERT INTO credentials (device_id, kind, secret_sha256, expires_at)
SELECT device_id, 'password', sha256(device_no::bytea), now() + interval '3 days' FROM devices WHERE device_no <= 'D2'
"""
JOB = "INSERT INTO housekeeping_runs (job, last_started_at, last_error) VALUES ('retention scan', now(), 'disk full')"
OUTAGE = """
INSERT INTO outages (scope, site_id, began_at, source, reason)
SELECT 'site', site_id, now() - interval '1 hour', 'detected', 'power' FROM sites
"""
WRONG = [
    ("stored", "problem", "0 records in 15 minutes, though 10 devices are in service", ""),
    ("refused", "warning", "50.0% became dead letters", RECEIVED.format(refused=500)),
    (
        "missing",
        "problem",
        "50.00% of the records of today and yesterday, most of D1, D2, D3",
        DAYS.format(missing=100),
    ),
    ("heard", "warning", "5 of 10 devices that should be heard now", HEALTH),
    ("waiting", "problem", "a message waits 90 s in w", WORKER.format(unacknowledged=1, lag=90, reason="NULL")),
    (
        "waiting",
        "warning",
        "the window of w is full: 4096 messages",
        WORKER.format(unacknowledged=4096, lag=0, reason="NULL"),
    ),
    (
        "worker",
        "problem",
        "w is subscribed: batches cannot be written: disk full",
        WORKER.format(unacknowledged=1, lag=1, reason="'batches cannot be written: disk full'"),
    ),
    ("credentials", "warning", "ended, or ending within 7 days: 3 device (7d)", CREDENTIALS),
    ("jobs", "problem", "retention scan: disk full", JOB),
    ("ledger", "warning", "An outage lasts: 1 place, S", OUTAGE),
]
SPEAKING = """
INSERT INTO security_events (device_id, channel, first_at, last_at, attempts, noted_at)
SELECT device_id, 'broker', now(), now(), 1, now() FROM devices WHERE device_no <= '{last}'
"""
PROBE = """
INSERT INTO models (model_no, kind, vendor) VALUES ('L', 'logger', 'V');
INSERT INTO devices (device_no, model_id, site_id, state) SELECT 'P', model_id, site_id, 'in_service'
FROM models, sites WHERE model_no = 'L';
INSERT INTO latest (device_id, stream, at, seq, received_at, record)
SELECT device_id, 'coldchain', now() - interval '1 minute', 9, now(), '{"temperature_c": 12.5}' FROM devices
WHERE device_no = 'P';
"""
READING = """
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c)
SELECT device_id, now() - make_interval(mins => %(minutes)s), 1, %(minutes)s, now(), false, %(temperature_c)s
FROM devices WHERE device_no = 'P'
"""
NOW = datetime(2026, 11, 28, 8, tzinfo=UTC).timestamp()
SERVED = """
tracefleet_fleet_audit_findings {found}
tracefleet_fleet_sweep_success_timestamp_seconds{{sweep="census"}} {census}
tracefleet_fleet_sweep_success_timestamp_seconds{{sweep="verification"}} {verification}
"""


def _named(settings: Settings) -> dict[str, Check]:
    return {check.what: check for check in examine(settings)}


@pytest.mark.parametrize(("what", "verdict", "detail", "statement"), WRONG)
def test_symptom_is_named_with_its_remedy(
    what: str, verdict: str, detail: str, statement: str, settings: Settings, connection: Connection
) -> None:
    """By the alert's limits; everything else that was fine before still is."""
    connection.execute(LEDGER.encode())
    if statement:
        connection.execute(statement.encode())
    check = _named(settings)[what]
    assert (check.verdict, check.detail) == (verdict, detail)
    assert check.remedy


@pytest.mark.parametrize(
    ("last", "detail"),
    [
        ("D1", "A retired identity speaks: 1 device, D1"),
        ("D2", "A retired identity speaks: 3 devices, D1, D10, D2"),
        ("D9", "A retired identity speaks: 10 devices, D1, D10, D2 and 7 more"),
    ],
)
def test_retired_identity_that_speaks_is_a_problem(
    last: str, detail: str, settings: Settings, connection: Connection
) -> None:
    """As its alert is critical; the first are named."""
    connection.execute(LEDGER.encode())
    connection.execute(SPEAKING.format(last=last).encode())
    check = _named(settings)["ledger"]
    assert (check.verdict, check.detail) == ("problem", detail)


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        ({45: 12.0, 35: 12.0, 1: 12.5}, "problem"),
        ({45: 5.0, 20: 12.0, 1: 12.5}, "warning"),
        ({45: 12.0, 35: 12.0, 20: 5.0, 1: 12.5}, "warning"),
        ({1: 12.5}, "warning"),
    ],
)
def test_excursion_is_a_problem_once_it_has_lasted(
    readings: dict[int, float], verdict: str, settings: Settings, connection: Connection
) -> None:
    """For as long as its alert waits: a door that was open is worth knowing."""
    connection.execute(LEDGER.encode())
    connection.execute(PROBE.encode())
    for minutes, temperature_c in readings.items():
        connection.execute(READING.encode(), {"minutes": minutes, "temperature_c": temperature_c})
    check = _named(settings)["ledger"]
    assert (check.verdict, check.detail) == (verdict, "A cold store is out of its band: 1 site, S")


def test_worker_that_was_just_started_has_stored_nothing_yet(settings: Settings, connection: Connection) -> None:
    """A minute after the start that is no trouble."""
    for statement in (LEDGER, WORKER.format(unacknowledged=0, lag=0, reason="NULL")):
        connection.execute(statement.encode())
    assert _named(settings)["stored"].verdict == "ok"


def test_what_is_within_limits_is_fine(settings: Settings, connection: Connection) -> None:
    """A few dead letters, a few gaps, a busy worker."""
    for statement in (
        LEDGER,
        RECEIVED.format(refused=9),
        DAYS.format(missing=0),
        WORKER.format(unacknowledged=9, lag=1, reason="NULL"),
    ):
        connection.execute(statement.encode())
    checks = _named(settings)
    for what in ("stored", "refused", "missing", "heard", "waiting", "credentials", "jobs", "ledger"):
        assert (checks[what].verdict, checks[what].remedy) == ("ok", ""), what


def test_every_alert_has_a_check(settings: Settings, connection: Connection) -> None:
    """One that doctor makes: always, or where there is something to look at."""
    assert COVERED.keys() == {alert.name for alert in ALERTS}
    connection.execute(WORKER.format(unacknowledged=1, lag=1, reason="'full'").encode())
    made = {check.what.partition(" ")[0] for check in examine(settings)}
    served = SERVED.format(found=0, census=NOW, verification=NOW)
    made |= {check.what for check in rounds.judged(served, now_seconds=NOW)} | {broker_certificate.WHAT}
    assert set(COVERED.values()) <= made


@pytest.mark.parametrize(
    ("found", "census_ago", "verified_ago", "expected"),
    [
        (0, 15, 3600, {"rounds": "ok", "audit": "ok"}),
        (0, 7200, 3600, {"rounds": "problem", "audit": "ok"}),
        (1, 15, 3600, {"rounds": "ok", "audit": "problem"}),
        (2, 15, 3600, {"rounds": "ok", "audit": "problem"}),
        (0, 15, 14 * 3600, {"rounds": "ok", "audit": "warning"}),
    ],
)
def test_rounds_of_the_fleet_are_judged(
    found: int, census_ago: float, verified_ago: float, expected: dict[str, str]
) -> None:
    """By what its process serves."""
    text = SERVED.format(found=found, census=NOW - census_ago, verification=NOW - verified_ago)
    judged = {check.what: check for check in rounds.judged(text, now_seconds=NOW)}
    assert {what: check.verdict for what, check in judged.items()} == expected
    if found:
        assert judged["audit"].detail == f"the last verification found {found} {'thing' if found == 1 else 'things'}"


def test_fleet_that_was_just_started_is_not_late() -> None:
    """Its first rounds are under way."""
    text = f"process_start_time_seconds {NOW - 60}\n" + SERVED.format(found=0, census=0, verification=0)
    assert {check.what: check.verdict for check in rounds.judged(text, now_seconds=NOW)} == {
        "rounds": "ok",
        "audit": "skipped",
    }


def test_no_fleet_here_is_no_finding_of_its_rounds(settings: Settings) -> None:
    """It may run elsewhere, and is not looked at."""
    assert {check.what: check.verdict for check in rounds.rounds(settings)} == {"rounds": "skipped", "audit": "skipped"}


def test_broker_without_tls_has_no_certificate(settings: Settings) -> None:
    """Nothing is said of it."""
    assert list(broker_certificate.broker_certificate(settings)) == []


def test_remedies_are_commands_that_exist() -> None:
    """What a remedy tells to type is known to the command line."""
    source = (Path(__file__).parents[2] / "deploy" / "symptoms.py").read_text(encoding="utf-8")
    known = get_group(app)
    for line in source.splitlines():
        for typed in line.split("`")[1::2]:
            words = typed.split()
            if words[:1] == ["tracefleet"]:
                command = known.commands[words[1]]
                assert len(words) == 2 or words[2] in command.commands, typed  # type: ignore[attr-defined]
