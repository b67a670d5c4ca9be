"""What a run makes of its judgements, without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.obsolescence.course import Course
from fleet.obsolescence.facts import Facts
from fleet.obsolescence.holding import Held
from fleet.obsolescence.judging import Ground, Judgement, explain, verdict
from fleet.obsolescence.parameters import Dormant, PastServiceLife
from fleet.obsolescence.planning import Judged, OpenFinding, OpenFlag, Plan, Standing, plan
from fleet.obsolescence.versions import Policy, RuleVersion

DAY = date(2026, 3, 1)
POLICY = Policy(1, date(2012, 1, 1), 30, 60, 20)


def version(rule: str, weight: int, number: int = 1, clear_after_days: int = 3) -> RuleVersion:
    """A version of a rule."""
    of = Dormant() if rule == "dormant" else PastServiceLife()
    since = datetime(2012, 1, 1, tzinfo=UTC)
    return RuleVersion(
        rule,
        number,
        date(2012, 1, 1),
        True,
        "名",
        "n",
        "文",
        "t",
        of,
        weight,
        False,
        clear_after_days,
        None,
        since,
        "t",
    )


def ground(rule: str, weight: int, number: int = 1, *, mandatory: bool = False) -> Ground:
    """A ground that holds."""
    return Ground(rule, number, weight, mandatory, {}, {}, None, None, f"{rule}。", f"{rule}.")


VERSIONS = {"dormant": version("dormant", 60), "past_service_life": version("past_service_life", 25)}


def standing(judged: dict[int, Judgement], **more: object) -> Standing:
    """Ten devices at one site, those of *judged* among them."""
    found = {
        device_id: Judged(Facts(device_id, f"D-{device_id}", "trace_scale", DAY, 1), judgement)
        for device_id, judgement in judged.items()
    }
    return replace(Standing(DAY, VERSIONS, POLICY, found, {1: 10}), **more)  # type: ignore[arg-type]


def test_finding_of_another_version_is_found_anew() -> None:
    """The evidence is always that of the rule that counts; the flag goes on."""
    made = plan(
        standing(
            {1: Judgement((ground("dormant", 60, 2),))},
            findings=[OpenFinding(7, 1, "dormant", 1, 60, False, None)],
            flags=[OpenFlag(3, 1)],
        )
    )
    assert (made.cleared, [of.rule for _, of in made.opened], made.ended) == ([7], ["dormant"], [])
    assert [stand.verdict for stand in made.stands] == ["flagged"]


def test_finding_stays_when_nothing_can_be_said() -> None:
    """A closed market acquits nobody, and a device that waits for its disposal is not judged at all."""
    findings = [OpenFinding(7, 1, "dormant", 1, 60, False, None), OpenFinding(8, 2, "dormant", 1, 60, False, None)]
    flags = [OpenFlag(3, 1), OpenFlag(4, 2)]
    made = plan(standing({1: Judgement((), frozenset({"dormant"}))}, findings=findings, flags=flags))
    assert (made.gone, made.cleared, made.ended) == ([], [], [])
    assert [stand.verdict for stand in made.stands] == ["flagged", "flagged"]


def test_flag_outlives_a_finding_that_is_gone_and_not_cleared() -> None:
    """Until the days of hysteresis are over, though the score is less already."""
    gone = OpenFinding(7, 1, "dormant", 1, 60, False, DAY - timedelta(days=1))
    made = plan(standing({1: Judgement()}, findings=[gone], flags=[OpenFlag(3, 1)]))
    assert (made.gone, made.cleared, made.ended) == ([], [], [])
    assert [(stand.verdict, stand.score) for stand in made.stands] == [("flagged", 0)]
    gone = replace(gone, gone_since=DAY - timedelta(days=2))
    made = plan(standing({1: Judgement()}, findings=[gone], flags=[OpenFlag(3, 1)]))
    assert (made.cleared, made.ended) == ([7], [(OpenFlag(3, 1), "cleared")])
    assert made.stands == []


def test_worst_of_a_site_are_flagged_first() -> None:
    """Mandatory ones before all, then by score; a fifth of ten are two, less what was flagged already."""
    judged = {
        1: Judgement((ground("dormant", 60),)),
        2: Judgement((ground("dormant", 60), ground("past_service_life", 25))),
        3: Judgement((ground("forbidden_kind", 10, mandatory=True),)),
    }
    made = plan(standing(judged))
    assert [flag.judged.facts.device_id for flag in made.flagged] == [3, 2]
    assert {stand.device_id: stand.held_back_by for stand in made.stands}[1] == "site_share"
    made = plan(standing(judged, flagged_of={1: 1}))
    assert [flag.judged.facts.device_id for flag in made.flagged] == [3]
    made = plan(standing(judged, devices_of={1: 3}))
    assert len(made.flagged) == 1


def test_outage_and_keeping_hold_flags_back() -> None:
    """Findings open all the same; a kept device loses its flag."""
    judged = {1: Judgement((ground("dormant", 60),))}
    for held, why in (
        ({"outages": frozenset({1})}, "outage"),
        ({"outages": frozenset({None})}, "outage"),
        ({"kept": frozenset({1}), "outages": frozenset({1})}, "kept"),
    ):
        made = plan(standing(judged, **held))
        assert (len(made.opened), made.flagged) == (1, [])
        assert [(stand.verdict, stand.held_back_by) for stand in made.stands] == [("watch", why)]
    made = plan(
        standing(
            judged,
            findings=[OpenFinding(7, 1, "dormant", 1, 60, False, None)],
            flags=[OpenFlag(3, 1)],
            kept=frozenset({1}),
        )
    )
    assert made.ended == [(OpenFlag(3, 1), "kept")]


def test_verdict_is_what_the_weights_come_to() -> None:
    """Noted, watched, flagged; a mandatory one flags with no weight at all."""
    assert verdict((), POLICY) == "sound"
    assert verdict((ground("past_service_life", 29),), POLICY) == "noted"
    assert verdict((ground("past_service_life", 30),), POLICY) == "watch"
    assert verdict((ground("past_service_life", 30), ground("dormant", 30)), POLICY) == "flagged"
    assert verdict((ground("forbidden_kind", 0, mandatory=True),), POLICY) == "flagged"


def test_reasons_make_one_sentence() -> None:
    """Whatever their number."""
    zh, en = explain("追溯秤", "trace scale", [("甲。", "It is old."), ("乙。", "The vendor left.")])
    assert zh == "建议淘汰该追溯秤：甲；乙。"
    assert en == "This trace scale ought to be retired: it is old; the vendor left."


ANSWERS = st.sampled_from(["holds", "no", "unsaid"])


@given(st.lists(st.tuples(ANSWERS, ANSWERS, st.booleans()), max_size=30))
def test_course_never_contradicts_itself(days: list[tuple[str, str, bool]]) -> None:
    """One open finding of a rule and a device, no flag without grounds, none new in an outage."""
    course = Course(VERSIONS, POLICY)
    for n, (asleep, old, out) in enumerate(days):
        day = DAY + timedelta(days=n)
        facts = Facts(
            1,
            "D-1",
            "trace_scale",
            day,
            1,
            dormant_open_days=0 if asleep == "unsaid" else 60,
            dormant_trades=int(asleep == "no"),
            commissioned_on=date(2010, 1, 1) if old == "holds" else None,
            service_life_months=12,
        )
        before = set(course.flagged)
        course.go_on(day, [facts], Held(frozenset({None}) if out else frozenset(), frozenset()))
        if out or not (asleep == "holds" or before or course._findings):
            assert set(course.flagged) == before
        rules = [of.rule for of in course._findings.values()]
        assert len(rules) == len(set(rules))
        assert not course._flags or "dormant" in rules


def test_nothing_is_made_of_nothing() -> None:
    """An empty ledger is judged, too."""
    assert plan(replace(standing({}), devices_of={})) == Plan()
