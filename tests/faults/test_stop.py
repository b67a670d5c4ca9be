"""SIGTERM under load, and a database that refuses to be written to."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from tests.faults import reconcile
from tests.faults.conftest import MakeStage
from tests.faults.devices import Devices
from tests.faults.ingest_process import Ingest
from tests.faults.stage import Stage
from tests.faults.tap import Tap
from tests.faults.waiting import keeps, until

# contract and issue: a stop takes no longer.
STOP_SECONDS = 10.0
# No work is left to do then; a busy machine needs a moment all the same.
FORCED_SECONDS = 3.0
STILL_SECONDS = 3.0
RECOVERY_SECONDS = 15.0
OUTSIDER = "fault_writer"


@contextmanager
def holding(stage: Stage) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The table locked against everybody, so that ingest has a batch in hand for as long as the test wants."""
    with psycopg.connect(stage.database_url) as holder:
        holder.execute("LOCK TABLE coldchain IN ACCESS EXCLUSIVE MODE")
        yield holder


def begin(stage: Stage) -> tuple[Tap, Ingest, Devices]:
    """Ingest under load."""
    tap = stage.tap()
    ingest = stage.ingest(broker_port=tap.port)
    ingest.start()
    devices = stage.devices(rate=stage.profile.rate, limit=10**9)
    stage.until_stored(int(stage.profile.rate))
    stage.figures.saw_rss(ingest.rss_mb())
    return tap, ingest, devices


def has_hands_full(ingest: Ingest) -> None:
    """Return when it holds messages that are not committed."""
    until(lambda: ingest.unacknowledged() >= 50, seconds=20, what="ingest holds messages")


def acknowledged_no_more_than_committed(stage: Stage, tap: Tap) -> None:
    """Fail when ingest acknowledged messages, of one record each, whose outcome is not in the account."""
    assert tap.acknowledged <= reconcile.account(stage.connection).received


def is_stopping(ingest: Ingest) -> bool:
    """Whether /readyz says so; it must before the process is gone."""
    return ingest.complains_of("shutting down")


def again(stage: Stage, tap: Tap, ingest: Ingest, devices: Devices) -> reconcile.Account:
    """Start it again, and reckon."""
    stage.figures.recovery_seconds.append(ingest.start())
    stage.figures.restarts = ingest.starts - 1
    books = stage.reckon(devices, ingest, tap)
    stage.figures.saw_rss(ingest.rss_mb())
    return books


@pytest.mark.fault("SIGTERM under load")
@pytest.mark.every_link
def test_a_stop_writes_and_acknowledges_what_is_here(make_stage: MakeStage, steady_url: str) -> None:
    """Readiness goes first; then what was read is committed and acknowledged, all of it and nothing else; status 0."""
    stage = make_stage(steady_url)
    tap, ingest, devices = begin(stage)
    with holding(stage) as holder:
        has_hands_full(ingest)
        began = time.monotonic()
        ingest.process.send_signal(signal.SIGTERM)
        until(lambda: is_stopping(ingest), seconds=3, what="/readyz says that ingest is shutting down")
        assert ingest.process.poll() is None
        holder.rollback()
    assert ingest.process.wait(STOP_SECONDS) == 0
    stage.figures.more["stopped_after_seconds"] = round(time.monotonic() - began, 2)
    assert time.monotonic() - began < STOP_SECONDS
    # Everything committed was acknowledged before it left: nothing will come twice.
    until(lambda: tap.acknowledged == stage.stored(), seconds=5, what="what was committed was acknowledged")
    assert again(stage, tap, ingest, devices).duplicates == 0


@pytest.mark.fault("SIGTERM while nothing can be written, once and twice")
def test_a_stop_ends_in_time_when_nothing_can_be_written_and_at_once_when_told_twice(
    make_stage: MakeStage, steady_url: str
) -> None:
    """What ingest holds then stays unacknowledged, and comes again."""
    stage = make_stage(steady_url)
    tap, ingest, devices = begin(stage)
    with holding(stage):
        has_hands_full(ingest)
        ingest.process.send_signal(signal.SIGTERM)
        until(lambda: is_stopping(ingest), seconds=3, what="/readyz says that ingest is shutting down")
        ingest.process.send_signal(signal.SIGTERM)
        assert ingest.process.wait(FORCED_SECONDS) == -signal.SIGTERM
        acknowledged_no_more_than_committed(stage, tap)
    ingest.start()
    with holding(stage):
        has_hands_full(ingest)
        began = time.monotonic()
        ingest.process.send_signal(signal.SIGTERM)
        assert ingest.process.wait(STOP_SECONDS) == 0
        stage.figures.more["stopped_after_seconds"] = round(time.monotonic() - began, 2)
        acknowledged_no_more_than_committed(stage, tap)
    again(stage, tap, ingest, devices)


@pytest.mark.fault("database read-only (25006)")
def test_a_read_only_database_stops_the_pipe_and_is_named(make_stage: MakeStage, steady_url: str) -> None:
    """As a standby would be, or a server that an operator froze; ingest goes on when it can be written to again."""
    stage = make_stage(steady_url)
    tap, ingest, devices = begin(stage)
    name = stage.connection.info.dbname
    stage.connection.execute(_alter(name, "SET default_transaction_read_only = on"))
    try:
        _reconnect_all(stage, ingest)
        _stands_still(stage, ingest, tap, "25006", "read-only")
    finally:
        stage.connection.execute("SET default_transaction_read_only = off")
        stage.connection.execute(_alter(name, "RESET default_transaction_read_only"))
    # The sessions that ingest has were opened read-only; a server that was promoted would have new ones.
    _reconnect_all(stage, ingest)
    _goes_on(stage, ingest, tap, devices)


@pytest.mark.fault("privilege revoked (42501)")
def test_a_missing_privilege_stops_the_pipe_and_is_named(make_stage: MakeStage, steady_url: str) -> None:
    """The role that ingest runs as may no longer write a table; granted again, ingest goes on by itself."""
    stage = make_stage(steady_url)
    with _role(stage) as url:
        tap = stage.tap()
        ingest = stage.ingest(broker_port=tap.port, database_url=url)
        ingest.start()
        devices = stage.devices(rate=stage.profile.rate, limit=10**9)
        stage.until_stored(int(stage.profile.rate))
        stage.figures.saw_rss(ingest.rss_mb())
        stage.connection.execute(f"REVOKE INSERT ON coldchain FROM {OUTSIDER}")
        _stands_still(stage, ingest, tap, "42501", "coldchain")
        stage.connection.execute(f"GRANT INSERT ON coldchain TO {OUTSIDER}")
        _goes_on(stage, ingest, tap, devices)
        ingest.end()


def _stands_still(stage: Stage, ingest: Ingest, tap: Tap, *words: str) -> None:
    until(lambda: ingest.complains_of(*words), seconds=20, what=f"/readyz says {words}")
    until(lambda: tap.acknowledged == stage.stored(), seconds=5, what="what was committed is acknowledged, and no more")
    acknowledged = tap.acknowledged
    keeps(
        lambda: tap.acknowledged == acknowledged and not ingest.is_ready(),
        seconds=STILL_SECONDS,
        what="ingest acknowledges nothing and is not ready",
    )
    stage.figures.saw_rss(ingest.rss_mb())


def _goes_on(stage: Stage, ingest: Ingest, tap: Tap, devices: Devices) -> None:
    stage.figures.recovery_seconds.append(stage.until_stored(stage.stored() + 1, seconds=RECOVERY_SECONDS))
    until(ingest.is_ready, seconds=RECOVERY_SECONDS, what="ingest is ready again")
    stage.reckon(devices, ingest, tap)
    stage.figures.saw_rss(ingest.rss_mb())
    assert ingest.starts == 1


def _alter(name: str, what: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(name), sql.SQL(what))


def _reconnect_all(stage: Stage, ingest: Ingest) -> None:
    stage.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'tracefleet ' || %s || '%%'",
        (ingest.worker,),
    )


@contextmanager
def _role(stage: Stage) -> Iterator[str]:
    """The URL of a role that may do what ingest does, and owns nothing."""
    parts = stage.connection.info
    stage.connection.execute(f"DROP ROLE IF EXISTS {OUTSIDER}")
    stage.connection.execute(f"CREATE ROLE {OUTSIDER} LOGIN PASSWORD 'of-a-test'")
    stage.connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {OUTSIDER}")
    stage.connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {OUTSIDER}")
    try:
        yield f"postgresql://{OUTSIDER}:of-a-test@{parts.host}:{parts.port}/{parts.dbname}"
    finally:
        stage.connection.execute(f"DROP OWNED BY {OUTSIDER}")
        stage.connection.execute(f"DROP ROLE {OUTSIDER}")
