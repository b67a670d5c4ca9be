"""SIGKILL to ingest, at seeded points of its work."""

import random
import signal
import time
from collections import Counter

import psycopg
import pytest

from tests.faults.conftest import MakeStage
from tests.faults.ingest_process import Ingest
from tests.faults.stage import Stage
from tests.faults.waiting import until

SEED = 20261123
PHASE = """
SELECT state, upper(left(query, 6)) FROM pg_stat_activity
WHERE application_name LIKE 'tracefleet ' || %(worker)s || '%%' AND application_name !~ '(claim|heartbeat|registry)$'
"""


@pytest.mark.fault("ingest killed (SIGKILL)")
def test_nothing_is_lost_when_ingest_is_killed_at_seeded_points(make_stage: MakeStage, steady_url: str) -> None:
    """Killed inside decode, COPY, commit and acknowledgement, again and again: each message is a row, once."""
    stage = make_stage(steady_url)
    kills, messages = stage.profile.kills, stage.profile.kill_messages
    dice = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    bounds = [*sorted(dice.sample(range(messages // kills, messages), kills - 1)), messages]
    devices = stage.devices()
    ingest = stage.ingest()
    ingest.start()
    phases: Counter[str] = Counter()
    for bound in bounds:
        before, fresh = stage.stored(), bound - devices.limit
        devices.limit = bound
        _wait_for_the_point(stage, dice, before=before, fresh=fresh)
        # Stopped first, so that what it was doing can be looked at; nothing can change its mind after that.
        ingest.process.send_signal(signal.SIGSTOP)
        phases[_phase(stage.connection, ingest)] += 1
        ingest.kill()
        stage.figures.recovery_seconds.append(ingest.start())
        stage.figures.saw_rss(ingest.rss_mb())
    until(lambda: devices.is_idle, seconds=60, what="all is published")
    stage.figures.restarts = kills
    stage.figures.more["killed_while"] = dict(phases)
    books = stage.reckon(devices, ingest)
    assert devices.acknowledged == messages
    assert books.stored == messages
    # So many seeded points hit every part of the work; a few may not.
    assert kills < 100 or len(phases) >= 3, phases


def _wait_for_the_point(stage: Stage, dice: random.Random, *, before: int, fresh: int) -> None:
    """Return at a seeded share of the *fresh* messages, and a moment later: somewhere in the handling of a batch."""
    point = before + int(dice.random() * fresh)
    until(
        lambda: stage.stored() >= point,
        seconds=60,
        what="the next point of progress",
        poll_seconds=0.002,
    )
    # Progress is seen after a commit; the next 30 ms hold every other part of the work.
    time.sleep(dice.random() * 0.03)


def _phase(connection: psycopg.Connection[tuple[object, ...]], ingest: Ingest) -> str:
    """What ingest's writer was in the middle of, as the server sees it."""
    seen = {(str(state), str(word)) for state, word in connection.execute(PHASE, {"worker": ingest.worker})}
    if any(word == "COMMIT" and state == "active" for state, word in seen):
        return "committing"
    if any(word.startswith("COPY") and state == "active" for state, word in seen):
        return "copying"
    if any(state != "idle" for state, _ in seen):
        return "inside a transaction"
    return "between transactions"
