"""What follows of itself from what a row says. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from fleet.ledger.columns import Entry
from fleet.ledger.drafts import Draft
from fleet.ledger.report import FieldChange, Noun, Value


def with_consequences(noun: Noun, drafts: Sequence[Draft], today: date, reason: str | None) -> tuple[Draft, ...]:
    """*drafts* with what follows: another state of a device has another reason, and service begins once."""
    if noun != "devices":
        return tuple(drafts)
    return tuple(_of_another_state(draft, today, reason) for draft in drafts)


def _of_another_state(draft: Draft, today: date, reason: str | None) -> Draft:
    before = draft.before
    if before is None or "state" not in draft.names:
        return draft
    follows: dict[str, Value | None] = {}
    if "state_reason" not in draft.names:
        follows["state_reason"] = reason
    if draft.after["state"] == "in_service" and draft.after["commissioned_on"] is None:
        follows["commissioned_on"] = today
    return _also(draft, before, {name: value for name, value in follows.items() if before[name] != value})


def _also(draft: Draft, before: Entry, more: dict[str, Value | None]) -> Draft:
    fields = tuple(FieldChange(name, before[name], value) for name, value in more.items())
    return replace(draft, after=dict(draft.after) | more, fields=draft.fields + fields)
