"""What may be done next with a case: by whom, what it needs, and what is missing yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import UnknownEntryError
from fleet.retirement.case import Case, look, named
from fleet.retirement.deciding import missing
from fleet.retirement.documents import Document, documents_of
from fleet.retirement.facts import Facts
from fleet.retirement.reading import read
from fleet.retirement.states import Step, steps_from

TAKEN: Final = """
SELECT from_state, to_state, at, actor, reason, document, details
FROM case_steps WHERE case_id = %(case_id)s ORDER BY step_id
"""


@dataclass(frozen=True, slots=True)
class NextStep:
    """A step that may follow. *not_by*: who has had a hand in it; *papers* and *missing*: what is not there yet."""

    step: str
    name_zh: str
    name_en: str
    to: str
    roles: tuple[str, ...]
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    papers: tuple[str, ...]
    not_by: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A step on record."""

    from_state: str | None
    to_state: str
    at: datetime
    actor: str
    reason: str | None
    document: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything about a case, and its facts as they are now."""

    case: Case
    facts: Facts
    steps: tuple[TakenStep, ...]
    documents: tuple[Document, ...]
    next: tuple[NextStep, ...]


def tell(connection: Connection[Any], case_no: str, *, now: datetime) -> Told:
    """The case of this number. Raises UnknownEntryError."""
    found = named(connection, [case_no], [])
    if not found:
        raise UnknownEntryError(f"no case has the number {case_no!r}.")
    [case] = look(connection, [found[0].case_id])
    facts = read(connection, [case], {}, now=now).facts[case.case_id]
    with connection.cursor(row_factory=class_row(TakenStep)) as cursor:
        taken = cursor.execute(TAKEN, {"case_id": case.case_id}).fetchall()
    return Told(case, facts, tuple(taken), tuple(documents_of(connection, case.case_id)), tuple(_next(case, facts)))


def _next(case: Case, facts: Facts) -> Iterator[NextStep]:
    for step in steps_from(case.state, case.path):
        yield NextStep(
            step=step.name,
            name_zh=step.name_zh,
            name_en=step.name_en,
            to=step.after,
            roles=step.roles or ("fleet",),
            needs=step.needs,
            may_have=step.may_have,
            papers=tuple(kind for kind in step.papers.get(case.path, ()) if kind not in facts.papers),
            not_by=_not_by(step, case),
            missing=tuple(missing(step, case, facts)),
        )


def _not_by(step: Step, case: Case) -> tuple[str, ...]:
    if "other_eyes" not in step.guards or case.approved_by is not None:
        return ()
    return tuple(dict.fromkeys(who for who in (case.proposed_by, case.appraised_by) if who is not None))
