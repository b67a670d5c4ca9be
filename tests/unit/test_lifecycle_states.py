"""The state machine: what every sequence of events leaves true, and the guards one by one."""

from collections import deque
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ledger.nouns import DEVICE_STATES
from fleet.lifecycle.gate import Gate
from fleet.lifecycle.states import (
    GUARDS,
    NAMES,
    STATES,
    TERMINAL,
    TRANSITIONS,
    Facts,
    Refusal,
    Transition,
    allowed,
    check,
    step,
)

GATES = {
    kind: Gate(kind, date(2018, 8, 27), "require_exemption", "豫商办文〔2018〕81号")
    for kind in ("kiosk", "trace_scale")
}
HOLDS = ("evidence", "dispute", "maintenance", "inspection")
FACTS = st.builds(
    Facts,
    kind=st.sampled_from(["kiosk", "trace_scale", "logger"]),
    acquired_on=st.none() | st.dates(date(2015, 1, 1), date(2022, 1, 1)),
    exemption_document=st.sampled_from([None, "", "豁免〔2020〕1号"]),
    document=st.sampled_from([None, " ", "批复〔2026〕7号"]),
    holds=st.lists(st.sampled_from(HOLDS), max_size=2),
    gates=st.just(GATES),
    is_decommissioned=st.booleans(),
    case_no=st.sampled_from([None, "RC-2026-000017"]),
)
EVENTS = st.lists(st.tuples(st.sampled_from(STATES), FACTS), max_size=40)
# Whoever has every paper and no hold.
FREE = Facts(kind="logger", document="文件")


@given(EVENTS)
def test_no_sequence_of_events_reaches_a_state_over_anything_but_an_arrow(events: list[tuple[str, Facts]]) -> None:
    """Whatever is asked for in whatever order, each change is one of the arrows, and nothing leaves the last states."""
    arrows = {(arrow.before, arrow.after) for arrow in TRANSITIONS}
    state = "draft"
    for to, facts in events:
        found = step(state, to, facts)
        if isinstance(found, Transition):
            assert (state, to) == (found.before, found.after)
            assert (state, to) in arrows
            assert state not in TERMINAL
            state = to
        else:
            assert found.allowed == allowed(state)


@given(EVENTS)
def test_guards_hold_on_every_way_to_a_state(events: list[tuple[str, Facts]]) -> None:
    """No way leads around the gate, a hold, or a paper."""
    state = "draft"
    for to, facts in events:
        if isinstance(step(state, to, facts), Refusal):
            continue
        if state == "draft" and facts.kind in GATES:
            has_paper = bool(facts.exemption_document)
            assert has_paper or (facts.acquired_on is not None and facts.acquired_on <= date(2018, 8, 27))
        if to in ("pending_disposal", "disposed"):
            assert not facts.holds
            assert facts.case_no is None
        if to in ("in_stock", "in_service"):
            assert not facts.is_decommissioned
        if to in TERMINAL:
            assert facts.document is not None
            assert facts.document.strip()
        if state in ("faulty", "recovered") and to in ("repairing", "in_stock"):
            assert not {"evidence", "dispute"} & set(facts.holds)
        state = to


@given(EVENTS)
def test_every_state_can_be_left_except_disposed_and_lost(events: list[tuple[str, Facts]]) -> None:
    """Wherever events lead, a device with its papers and no hold can go on, to one end or the other."""
    state = "draft"
    for to, facts in events:
        if isinstance(step(state, to, facts), Transition):
            state = to
    if state in TERMINAL:
        assert allowed(state) == ()
    else:
        assert [to for to in STATES if isinstance(step(state, to, FREE), Transition)] == sorted(
            allowed(state), key=STATES.index
        )
        assert _reachable(state) >= TERMINAL


def test_every_state_is_reached_from_draft() -> None:
    """None is there for nothing."""
    assert _reachable("draft") == set(STATES)


def test_no_way_leads_back_to_draft() -> None:
    """What was registered once stays registered."""
    assert all(arrow.after != "draft" for arrow in TRANSITIONS)


def test_arrows_are_these_and_no_others() -> None:
    """The table, read from the other side."""
    table = {
        "draft": "in_stock",
        "in_stock": "in_service pending_disposal lost",
        "in_service": "suspended faulty idle lost",
        "suspended": "in_service idle lost",
        "faulty": "repairing idle lost",
        "repairing": "in_service faulty lost",
        "idle": "in_service recovered lost",
        "recovered": "in_stock pending_disposal lost",
        "pending_disposal": "recovered disposed lost",
        "disposed": "",
        "lost": "",
    }
    assert {state: " ".join(allowed(state)) for state in STATES} == table
    assert len({(arrow.before, arrow.after) for arrow in TRANSITIONS}) == len(TRANSITIONS)


def test_data_names_what_there_is() -> None:
    """Every guard of an arrow is known and used, names are in both languages and the same as the sheets'."""
    assert {guard for arrow in TRANSITIONS for guard in arrow.guards} == set(GUARDS)
    assert {state: chinese for state, (chinese, _) in NAMES.items()} == DEVICE_STATES
    assert all(("document" in arrow.guards) == (arrow.document is not None) for arrow in TRANSITIONS)


@pytest.mark.parametrize(
    ("state", "to", "facts", "words"),
    [
        ("in_service", "disposed", FREE, "Allowed now: suspended, faulty, idle, lost"),
        ("in_service", "in_service", FREE, "in_service already"),
        ("in_service", "broken", FREE, "the states are draft"),
        ("lost", "in_service", FREE, "Register another device"),
        ("pending_disposal", "disposed", replace(FREE, document=None), "处置批复文号"),
        ("idle", "lost", replace(FREE, document=None), "盘亏报告"),
        ("recovered", "pending_disposal", replace(FREE, holds=("inspection",)), "held (inspection): end the hold"),
        ("faulty", "repairing", replace(FREE, holds=("evidence",)), "held (evidence)"),
        ("draft", "in_stock", Facts(kind="kiosk", gates=GATES), "attach the exemption document"),
        ("idle", "in_service", replace(FREE, is_decommissioned=True), "register it as another device"),
        ("pending_disposal", "disposed", replace(FREE, case_no="RC-2026-000017"), "RC-2026-000017 is under way"),
    ],
)
def test_refusal_says_what_is_missing_or_allowed(state: str, to: str, facts: Facts, words: str) -> None:
    """A sentence for the person who asked."""
    found = step(state, to, facts)
    assert isinstance(found, Refusal)
    assert words in found.sentence


def test_refusal_names_everything_that_is_missing() -> None:
    """Not one paper now and the other at the next try."""
    found = step("pending_disposal", "disposed", Facts(kind="logger", holds=("dispute",)))
    assert isinstance(found, Refusal)
    assert "处置批复文号" in found.sentence
    assert "dispute" in found.sentence


def test_loss_is_entered_though_a_hold_is_in_force() -> None:
    """It is a fact; the report answers for it."""
    assert isinstance(step("faulty", "lost", replace(FREE, holds=("evidence",))), Transition)


@pytest.mark.parametrize("to", [state for state in STATES if state != "draft"])
def test_registration_into_any_state_but_draft_passes_the_gate(to: str) -> None:
    """A row of an import with a new device in a state is judged as the step out of draft is."""
    new = Facts(kind="trace_scale", acquired_on=date(2020, 1, 1), gates=GATES)
    assert "exemption" in str(check(None, to, new))
    assert check(None, to, replace(new, exemption_document="豁免〔2020〕1号")) is None
    assert check(None, to, replace(new, acquired_on=date(2018, 8, 27))) is None


def test_check_says_nothing_of_rows_that_change_no_state() -> None:
    """An import that repeats a state is no step; a draft may always be entered; rubbish may not."""
    kiosk = Facts(kind="kiosk", gates=GATES)
    assert check("disposed", "disposed", kiosk) is None
    assert check(None, "draft", kiosk) is None
    assert "no state" in str(check(None, "broken", kiosk))
    assert "no step" in str(check("draft", "in_service", kiosk))


def _reachable(state: str) -> set[str]:
    seen, waiting = {state}, deque([state])
    while waiting:
        for follower in allowed(waiting.popleft()):
            if follower not in seen:
                seen.add(follower)
                waiting.append(follower)
    return seen
