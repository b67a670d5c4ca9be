"""The life of a case: what every sequence of steps leaves true, whoever asks for them, and the guards one by one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fleet.lifecycle.gate import Gate
from fleet.retirement.case import Case
from fleet.retirement.deciding import Decision, decide, missing
from fleet.retirement.facts import Facts
from fleet.retirement.order import Order
from fleet.retirement.replacement import Successor, unfit
from fleet.retirement.states import (
    NAMES,
    OVER,
    PAPERS,
    PATHS,
    STATES,
    STEPS,
    StepName,
    allowed,
    path_of,
    steps_from,
)
from fleet.retirement.tiers import Tier, choose

# From here on the identity of the device is retired.
EXECUTED = frozenset({"executing", "silent", "recovered", "wiped", "disposed", "written_off", "archived"})
NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
TIERS = (
    Tier("department", "主管部门", "department", ("government", "operator"), 10_000_000, 20_000_000, "filed"),
    Tier("owner", "所有者", "owner", ("site", "merchant", "leased"), None, None, "approved"),
    Tier("authority", "财政部门", "authority", ("government", "operator"), None, None, "approved"),
)
OWNERS = {"state": "government", "owner": "merchant"}
PEOPLE = ("li", "wang", "zhao", "chen", "anonymous")
NOVICE = Successor(2, "D2", "logger", "in_stock")
# Whatever any step needs, so that nothing but the order of steps and the people decide.
EVERYTHING: dict[str, Any] = {
    "reason": "因故",
    "document": "批复〔2026〕7号",
    "kept_until": date(2027, 1, 1),
    "silence": {"attempts": 0},
    "silent_since": NOW,
    "recovered_place": "A3",
    "photo_sha256": "a" * 64,
    "recipient": "绿源",
    "recycler_licence": "L",
    "receipt_no": "R",
    "income_fen": 0,
}


def case(path: Any = "state", state: Any = "opened", **more: Any) -> Case:
    """A case of D1."""
    given_: dict[str, Any] = {"grounds": [{"rule": "dormant", "is_mandatory": False}], "opened_by": "li"} | more
    return Case(
        case_id=1,
        case_no="RC-2026-000001",
        device_id=1,
        device_no="D1",
        path=path,
        state=state,
        state_since=NOW,
        **given_,
    )


def facts(path: Any = "state", actor: str = "zhao", **more: Any) -> Facts:
    """What is known when all is well."""
    told: dict[str, Any] = {
        "device_state": "in_service",
        "owner_type": OWNERS[path],
        "papers": frozenset(PAPERS),
        "tier": choose(TIERS, OWNERS[path], 300_000, 300_000),
        "successors": {"D2": NOVICE},
    }
    return Facts(actor=actor, now=NOW, day=date(2026, 11, 25), **told | more)


def take(name: StepName, before: Case, known: Facts, **fields: Any) -> Decision:
    """A step with everything it needs."""
    order = Order(case_no=before.case_no, **EVERYTHING | {"appraisal": "no_use_left", "method": "sale"} | fields)
    return decide(STEPS[name], order, before, known)


class Life(RuleBasedStateMachine):
    """Anybody asks for any step at any time, with all papers or some, under holds or none."""

    case: Case

    @initialize(path=st.sampled_from(PATHS), mandatory=st.booleans())
    def opened(self, path: Any, mandatory: bool) -> None:
        """A case at its beginning."""
        self.case = case(path, grounds=[{"rule": "dormant", "is_mandatory": mandatory}])
        self.hands: dict[str, str] = {}

    @rule(
        name=st.sampled_from(tuple(STEPS)),
        who=st.sampled_from(PEOPLE),
        held=st.sampled_from([(), ("evidence",), ("maintenance",)]),
        papers=st.sampled_from([frozenset(PAPERS), frozenset()]),
        appraisal=st.sampled_from(["no_use_left", "usable"]),
        method=st.sampled_from(["sale", "scrap", "loss", "returned"]),
        lapsed=st.booleans(),
        state=st.sampled_from(["in_service", "idle", "in_stock", "lost"]),
    )
    def asked(
        self, name: Any, who: str, held: Any, papers: Any, appraisal: str, method: str, lapsed: bool, state: str
    ) -> None:
        """One step is asked for; a refusal changes nothing."""
        known = facts(self.case.path, who, holds=held, papers=papers, has_lapsed=lapsed, device_state=state)
        found = take(name, self.case, known, appraisal=appraisal, method=method)
        if found.complaints:
            assert found.after is self.case
            return
        assert self.case.state not in OVER
        assert found.after.state in allowed(self.case.state, self.case.path)
        if name in ("approve", "reject", "propose", "appraise"):
            assert who != "anonymous"
        if name == "execute":
            assert (found.after.state == "stopped") == lapsed
            assert "evidence" not in held
        if name == "dispose" and method != "loss":
            assert not held
        if found.after.state not in ("stopped", "withdrawn", "rejected", "kept"):
            self.hands[name] = who
        self.case = found.after

    @invariant()
    def nobody_checks_himself(self) -> None:
        """Whoever approved neither proposed nor appraised, and has a name."""
        if not hasattr(self, "case") or self.case.approved_by is None:
            return
        assert self.case.approved_by not in (self.case.proposed_by, self.case.appraised_by, "anonymous")
        assert self.case.tier is not None
        assert self.case.appraisal != "usable" or self.case.is_mandatory

    @invariant()
    def nothing_is_executed_without_approval(self) -> None:
        """Nor written off that was not disposed of."""
        if hasattr(self, "case") and self.case.state in EXECUTED:
            assert self.case.approved_by is not None
            assert self.case.executed_by is not None
            assert "approve" in self.hands
        if hasattr(self, "case") and self.case.state in ("written_off", "archived"):
            assert self.case.method is not None


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("path", PATHS)
def test_every_open_state_can_be_left_and_no_other(path: Any) -> None:
    """By whoever has the papers and may; what is over stays so; each state has its names."""
    reached = {"opened"}
    waiting = [case(path)]
    while waiting:
        before = waiting.pop()
        people = {"approve": "zhao", "appraise": "wang", "reject": "zhao"}
        for step in steps_from(before.state, path):
            found = take(step.name, before, facts(path, people.get(step.name, "li")), method="loss")
            assert found.complaints == ()
            if found.after.state not in reached:
                reached.add(found.after.state)
                waiting.append(found.after)
    beside = {"stopped"} | ({"appraised", "recovered", "written_off"} if path == "owner" else set())
    assert reached == set(STATES) - beside
    assert {state for state in reached if not steps_from(state, path)} == OVER & reached
    assert set(NAMES) == set(STATES)


@pytest.mark.parametrize("path", PATHS)
@given(state=st.sampled_from(STATES), name=st.sampled_from(tuple(STEPS)))
def test_illegal_step_names_what_is_allowed(path: Any, state: Any, name: Any) -> None:
    """And a legal one is never called illegal."""
    before = case(path, state)
    found = take(name, before, facts(path))
    illegal = [one for one in found.complaints if one.state is not None]
    assert bool(illegal) == (not STEPS[name].is_taken_from(state, path))
    assert all(one.allowed == allowed(state, path) for one in illegal)


def test_owner_decides_the_path() -> None:
    """Property of the state goes the long way, everybody else's the short one; unknown is neither."""
    assert {owner: path_of(owner) for owner in ("government", "operator", "site", "merchant", "leased", None)} == {
        "government": "state",
        "operator": "state",
        "site": "owner",
        "merchant": "owner",
        "leased": "owner",
        None: None,
    }


@pytest.mark.parametrize(
    ("owner", "single", "bundle", "tier"),
    [
        ("government", 300_000, 300_000, "department"),
        ("government", 9_999_999, 19_999_999, "department"),
        ("government", 10_000_000, 10_000_000, "authority"),
        ("operator", 300_000, 20_000_000, "authority"),
        ("government", None, None, "authority"),
        ("government", 300_000, None, "authority"),
        ("merchant", None, None, "owner"),
        (None, 1, 1, None),
    ],
)
def test_tier_goes_by_the_value_of_one_and_of_all(owner: Any, single: Any, bundle: Any, tier: Any) -> None:
    """The first limit that both are below; what nobody knows is below none."""
    found = choose(TIERS, owner, single, bundle)
    assert (found and found.tier) == tier


def test_refusal_says_everything_at_once() -> None:
    """Fields, papers, people, holds: one answer."""
    before = replace(case(state="appraised"), proposed_by="li", appraised_by="zhao", appraisal="usable")
    found = decide(STEPS["approve"], Order(), before, facts(actor="zhao", papers=frozenset(), owner_type="site"))
    assert [one.column for one in found.complaints] == [
        "document",
        "papers",
        "papers",
        "actor",
        "owner_type",
        "appraisal",
    ]


def test_what_is_missing_is_known_beforehand() -> None:
    """As far as it does not depend on what will be told."""
    before = case(state="appraised", proposed_by="li", appraised_by="wang", appraisal="usable")
    assert len(missing(STEPS["approve"], before, facts(papers=frozenset({"approval"})))) == 2
    assert missing(STEPS["approve"], replace(before, appraisal="no_use_left"), facts()) == []


def test_grounds_that_are_gone_stop_the_execution() -> None:
    """Said in one sentence, in both languages; the case is over."""
    before = case(state="approved", proposed_by="li", approved_by="zhao", flag_id=1)
    found = take("execute", before, facts(has_lapsed=True))
    assert found.after.state == "stopped"
    assert found.after.executed_by is None
    assert "已中止" in found.sentence_zh
    assert "none of the grounds" in found.sentence_en


def test_deadline_begins_with_the_state() -> None:
    """The day by which it is to be left; what was told about the last one is forgotten."""
    before = case(reminded_at=NOW, escalated_at=NOW)
    found = decide(STEPS["propose"], Order(reason="r"), before, facts(actor="li"), days={"proposed": 15})
    assert found.after.due_on == date(2026, 11, 25) + timedelta(days=15)
    assert (found.after.reminded_at, found.after.escalated_at) == (None, None)


@pytest.mark.parametrize(
    ("path", "told", "column"),
    [
        ("state", {"method": "returned"}, "method"),
        ("owner", {"method": "public_warehouse"}, "method"),
        ("state", {"method": "scrap", "recycler_licence": None}, "recycler_licence"),
        ("state", {"method": "scrap", "receipt_no": " "}, "receipt_no"),
        ("state", {"method": "sale", "income_fen": None}, "income_fen"),
        ("state", {"method": "donation", "recipient": None}, "recipient"),
        ("state", {"method": "loss", "document": None}, "document"),
        ("state", {"method": "gone"}, "method"),
    ],
)
def test_each_method_needs_its_own(path: Any, told: dict[str, Any], column: str) -> None:
    """A recycler's licence and receipt for scrap, income for a sale, a report for a loss."""
    found = take("dispose", case(path, "wiped"), facts(path), **told)
    assert [one.column for one in found.complaints] == [column]


def test_replacement_is_of_one_kind() -> None:
    """A device, or another way; the last word counts until the device is fetched."""
    before = take("propose", case(), facts(actor="li"), successor_no="D2").after
    assert (before.replacement, before.successor_no, before.successor_id) == ("device", "D2", 2)
    approved = replace(before, state="approved", approved_by="zhao")
    after = take("execute", approved, facts(), replacement="qr_lookup").after
    assert (after.replacement, after.successor_no, after.successor_id) == ("qr_lookup", None, None)
    for told in ({"replacement": "device"}, {"replacement": "none", "successor_no": "D2"}, {"replacement": "magic"}):
        assert take("propose", case(), facts(actor="li"), **told).complaints


@pytest.mark.parametrize(
    ("successor", "device_state", "said"),
    [
        (Successor(2, "D2", "kiosk", "in_stock", date(2024, 1, 1)), "in_service", "可改用：二维码查询"),
        (Successor(2, "D2", "kiosk", "in_stock", date(2015, 1, 1)), "in_service", None),
        (Successor(2, "D2", "logger", "in_service"), "in_service", "only a device in stock"),
        (Successor(2, "D2", "logger", "in_stock", is_leaving=True), "in_service", "is being retired itself"),
        (Successor(2, "D2", "logger", "in_stock"), "recovered", "has no place to hand over"),
        (NOVICE, "idle", None),
    ],
)
def test_successor_is_fit_or_the_sentence_says_why(successor: Successor, device_state: str, said: str | None) -> None:
    """Where the notice forbids the kind, it says what may come instead, in both languages."""
    gate = Gate("kiosk", date(2018, 8, 27), "block", "豫商办文〔2018〕81号", "二维码查询", "QR look-up")
    found = unfit("D1", device_state, "D2", {"D2": successor}, {"kiosk": gate})
    assert (found is None) == (said is None)
    assert (said or "") in (found or "")
    if said and "可改用" in said:
        assert "QR look-up" in (found or "")
