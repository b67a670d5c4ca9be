"""A run of the rules over the whole fleet for one day: findings, flags and verdicts, and who is to hear of them.

versions, policy ─┐
facts ──▶ judging ─┴─▶ planning ──▶ keeping ──▶ findings, flags, device_verdicts, evaluations, events
                   ▲
open findings, open flags, outages, kept cases

Everything but the ends of it is pure. A run for the same day again changes nothing but what changed meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from time import perf_counter
from typing import Any, Final

from psycopg import Connection

from fleet.errors import RefusedError
from fleet.events import Event, record
from fleet.obsolescence import keeping
from fleet.obsolescence.gathering import gather
from fleet.obsolescence.holding import held_on
from fleet.obsolescence.judging import judge
from fleet.obsolescence.planning import Judged, Plan, Standing, plan
from fleet.obsolescence.rules import windows
from fleet.obsolescence.versions import RuleVersion, policy_on, versions_on

# More than so many at once are told as one.
EVENTS_MAX: Final = 50

LATER: Final = "SELECT max(day) FROM evaluations WHERE day > %(day)s::date"
NOTE: Final = """
INSERT INTO evaluations AS e (day, ended_at, seconds, devices, opened, cleared, flagged, held_back)
VALUES (%(day)s::date, %(now)s::timestamptz, %(seconds)s::real, %(devices)s::int, %(opened)s::int, %(cleared)s::int,
        %(flagged)s::int, %(held_back)s::int)
ON CONFLICT (day) DO UPDATE
SET ended_at = EXCLUDED.ended_at, seconds = EXCLUDED.seconds, devices = EXCLUDED.devices,
    opened = e.opened + EXCLUDED.opened, cleared = e.cleared + EXCLUDED.cleared,
    flagged = e.flagged + EXCLUDED.flagged, held_back = EXCLUDED.held_back
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run came to. *ended* are flags that ended; *held_back* devices that would be flagged."""

    day: date
    devices: int
    opened: int
    gone: int
    cleared: int
    flagged: int
    ended: int
    held_back: int
    by_rule: Mapping[str, int]


def evaluate(connection: Connection[Any], *, day: date, now: datetime) -> Evaluation:
    """Judge every device as of *day* and write what comes of it, as of *now*. Call within acting.

    Raises RefusedError when a later day was judged already: what was found on it would be judged by the past.
    """
    begun = perf_counter()
    later = connection.execute(LATER, {"day": day}).fetchone()
    if later is not None and later[0] is not None:
        raise RefusedError(f"{later[0]} was judged already, {day} can be no more: see what-if for days that are past.")
    versions, standing = _look(connection, day, now)
    made = plan(standing)
    chosen = windows({rule: version.parameters for rule, version in versions.items()})
    keeping.write(connection, made, day=day, now=now, policy=standing.policy, windows=chosen)
    record(connection, _events(connection, made))
    told = _told(standing, made)
    connection.execute(
        NOTE,
        {
            "day": day,
            "now": now,
            "seconds": perf_counter() - begun,
            "devices": told.devices,
            "opened": told.opened,
            "cleared": told.cleared,
            "flagged": told.flagged,
            "held_back": told.held_back,
        },
    )
    return told


def rehearse(connection: Connection[Any], *, day: date, now: datetime) -> Evaluation:
    """What :func:`evaluate` would come to; nothing is written."""
    _, standing = _look(connection, day, now)
    return _told(standing, plan(standing))


def _look(connection: Connection[Any], day: date, now: datetime) -> tuple[dict[str, RuleVersion], Standing]:
    versions = versions_on(connection, day)
    findings = keeping.open_findings(connection)
    concerned = {finding.device_id for finding in findings}
    chosen = windows({rule: version.parameters for rule, version in versions.items()})
    devices_of: Counter[int] = Counter()
    judged: dict[int, Judged] = {}
    in_order = tuple(versions.values())
    for facts in gather(connection, day, chosen):
        devices_of[facts.site_id] += 1
        judgement = judge(facts, in_order)
        if judgement.grounds or facts.device_id in concerned:
            judged[facts.device_id] = Judged(facts, judgement)
    held = held_on(connection, day, now=now)
    standing = Standing(
        day=day,
        versions=versions,
        policy=policy_on(connection, day),
        judged=judged,
        devices_of=devices_of,
        findings=findings,
        flags=keeping.open_flags(connection),
        retired=keeping.retired(connection),
        kept=held.kept,
        outages=held.outages,
        flagged_of=keeping.flagged_of_sites(connection, day),
    )
    return versions, standing


def _told(standing: Standing, made: Plan) -> Evaluation:
    return Evaluation(
        day=standing.day,
        devices=sum(standing.devices_of.values()),
        opened=len(made.opened),
        gone=len(made.gone),
        cleared=len(made.cleared),
        flagged=len(made.flagged),
        ended=len(made.ended),
        held_back=sum(stand.held_back_by is not None for stand in made.stands),
        by_rule=dict(Counter(ground.rule for _, ground in made.opened)),
    )


def _events(connection: Connection[Any], made: Plan) -> Iterable[Event]:
    yield from _few(
        "finding.opened",
        [
            (judged.facts.device_no, {"rule": ground.rule, "zh": ground.sentence_zh, "en": ground.sentence_en})
            for judged, ground in made.opened
        ],
    )
    yield from _few(
        "device.flagged",
        [
            (flag.judged.facts.device_no, {"score": flag.score, "rules": [of.rule for of in flag.grounds]})
            for flag in made.flagged
        ],
    )
    ids = [flag.device_id for flag, _ in made.ended]
    numbers = dict(connection.execute(keeping.DEVICE_NOS, {"device_ids": ids}).fetchall()) if ids else {}
    yield from _few("flag.ended", [(numbers[flag.device_id], {"because": why}) for flag, why in made.ended])


def _few(kind: str, told: list[tuple[str, dict[str, Any]]]) -> Iterable[Event]:
    if len(told) > EVENTS_MAX:
        yield Event(kind, "fleet", {"count": len(told), "first": [subject for subject, _ in told[:EVENTS_MAX]]})
    else:
        yield from (Event(kind, subject, data) for subject, data in told)
