"""Cases as they are shown: a line of the list, everything about one, and what became of orders."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fleet.retirement.next_steps import Told
from fleet.retirement.states import NAMES, OVER, PATH_NAMES, PaperKind, Path, State


class CaseLine(BaseModel):
    """A case in a list."""

    case_no: str = Field(examples=["RC-2026-000017"])
    device_no: str
    kind: str
    site_no: str
    site_name_zh: str
    region_code: str
    path: Path
    state: State
    state_since: datetime
    due_on: date | None = Field(description="by which it is to leave this state")
    is_overdue: bool
    escalated_at: datetime | None
    kept_until: date | None
    programme_no: str | None
    bundle: str | None = Field(description="the same for what one person proposed on one day")
    proposed_by: str | None
    approved_by: str | None
    tier: str | None
    approval: str | None
    successor_no: str | None
    replacement: str | None
    method: str | None


class CasePage(BaseModel):
    """Cases in the order of their numbers."""

    items: list[CaseLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TakenStep(_Read):
    """A step on record."""

    from_state: State | None
    to_state: State
    at: datetime
    actor: str
    reason: str | None
    document: str | None
    details: dict[str, Any]


class Document(_Read):
    """A document that lies with a case."""

    document_id: int
    kind: PaperKind
    name: str
    sha256: str
    size_bytes: int | None
    note: str | None
    added_by: str
    added_at: datetime


class Documents(BaseModel):
    """All that lie with a case."""

    items: list[Document]


class NextStep(_Read):
    """A step that may follow: by whom, what it needs, and what is missing yet."""

    step: str
    name_zh: str
    name_en: str
    to: State
    roles: list[str] = Field(description="any one of them may; `fleet`: nobody, the fleet itself does")
    needs: list[str] = Field(description="fields that have to be told")
    may_have: list[str]
    papers: list[PaperKind] = Field(description="kinds of document that are not there yet")
    not_by: list[str] = Field(description="who may not, having had a hand in it")
    missing: list[str] = Field(description="what stands in the way, as sentences")


class Tier(_Read):
    """Who has to approve."""

    tier: str
    name_zh: str
    name_en: str
    owner_types: list[str]
    single_below_fen: int | None = Field(description="original value of one device; null: no limit")
    bundle_below_fen: int | None = Field(description="of all that one person proposes on one day; null: no limit")
    outcome: str = Field(description="`filed` (备案) or `approved` (批复)")
    basis: str | None


class CaseDetail(_Read):
    """Everything about a case."""

    case_no: str
    device_no: str
    path: Path
    path_zh: str
    path_en: str
    state: State
    state_zh: str
    state_en: str
    is_over: bool
    state_since: datetime
    due_on: date | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    grounds: list[dict[str, Any]] = Field(description="why; frozen when it was opened")
    programme_no: str | None
    bundle: str | None
    kept_until: date | None
    opened_by: str
    proposed_by: str | None
    proposed_at: datetime | None
    appraised_by: str | None
    appraised_at: datetime | None
    appraisal: str | None
    tier: str | None
    approved_by: str | None
    approved_at: datetime | None
    approval: str | None
    executed_by: str | None
    executed_at: datetime | None
    silent_since: datetime | None
    silence: dict[str, Any] | None
    successor_no: str | None
    replacement: str | None
    recovered_place: str | None
    recovered_by: str | None
    photo_sha256: str | None
    wiped_by: str | None
    wiped_at: datetime | None
    method: str | None
    recipient: str | None
    recycler_licence: str | None
    receipt_no: str | None
    income_fen: int | None
    disposed_at: datetime | None
    device_state: str
    owner_type: str | None
    holds: list[str]
    original_value_fen: int | None
    bundle_value_fen: int | None = Field(description="of all that its proposer proposed on that day; null: not known")
    tier_now: Tier | None = Field(description="who would have to approve it, as things are")
    steps: list[TakenStep]
    documents: list[Document]
    next: list[NextStep]

    @classmethod
    def of(cls, told: Told) -> "CaseDetail":
        """As the fleet tells it."""
        case, facts = told.case, told.facts
        own = {name: getattr(case, name) for name in cls.model_fields if hasattr(case, name)}
        chinese, english = NAMES[case.state]
        path_zh, path_en = PATH_NAMES[case.path]
        return cls.model_validate(
            own
            | {
                "bundle": str(case.bundle) if case.bundle else None,
                "grounds": list(case.grounds),
                "path_zh": path_zh,
                "path_en": path_en,
                "state_zh": chinese,
                "state_en": english,
                "is_over": case.state in OVER,
                "device_state": facts.device_state,
                "owner_type": facts.owner_type,
                "holds": list(facts.holds),
                "original_value_fen": facts.single_fen,
                "bundle_value_fen": facts.bundle_fen,
                "tier_now": facts.tier,
                "steps": list(told.steps),
                "documents": list(told.documents),
                "next": list(told.next),
            },
            from_attributes=True,
        )


class Changed(_Read):
    """A case that goes on. The sentence says why when it stopped instead."""

    row: int
    case_no: str
    device_no: str
    before: State | None
    after: State
    sentence_zh: str
    sentence_en: str
    device_states: list[str] = Field(description="the states its device goes through")


class Complaint(_Read):
    """Why an order is refused."""

    row: int = Field(description="its place in the list, from 1")
    case_no: str
    device_no: str
    column: str
    sentence: str
    state: str | None
    allowed: list[str]


class CasesReport(_Read):
    """The outcome: with errors nothing was changed, and `changed` says what the good ones would do."""

    step: str
    orders: int
    changed: list[Changed]
    errors: list[Complaint]
    applied: bool
