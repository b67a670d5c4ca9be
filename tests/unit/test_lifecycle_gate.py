"""The registration gate: kinds, days, documents and policies."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.lifecycle.gate import Gate, Policy, Verdict, judge

DAY = date(2018, 8, 27)
PAPER = "豁免〔2020〕1号"
POLICIES: list[Policy] = ["block", "require_exemption", "warn"]


def gates(policy: Policy, kind: str = "kiosk", zh: str | None = None, en: str | None = None) -> dict[str, Gate]:
    """One gate."""
    return {kind: Gate(kind, DAY, policy, "豫商办文〔2018〕81号", zh, en)}


@pytest.mark.parametrize("policy", POLICIES)
def test_other_kinds_and_earlier_days_pass_without_a_word(policy: Policy) -> None:
    """The day itself is still before the gate."""
    assert judge(gates(policy), "logger", None, None) == Verdict(ok=True)
    assert judge(gates(policy), "kiosk", DAY, None) == Verdict(ok=True)


@pytest.mark.parametrize(
    ("policy", "acquired_on", "document", "is_passed"),
    [
        ("block", DAY + timedelta(1), None, False),
        ("block", DAY + timedelta(1), PAPER, False),
        ("block", None, PAPER, False),
        ("require_exemption", DAY + timedelta(1), None, False),
        ("require_exemption", DAY + timedelta(1), "", False),
        ("require_exemption", DAY + timedelta(1), PAPER, True),
        ("require_exemption", None, None, False),
        ("require_exemption", None, PAPER, True),
        ("warn", DAY + timedelta(1), None, True),
        ("warn", None, None, True),
    ],
)
def test_later_or_unknown_days_are_judged_by_the_policy(
    policy: Policy, acquired_on: date | None, document: str | None, is_passed: bool
) -> None:
    """An exemption lifts a requirement, not a block; an unknown day counts as late."""
    assert judge(gates(policy), "kiosk", acquired_on, document).ok is is_passed


def test_warning_is_a_sentence_although_the_device_passes() -> None:
    """The administrator is told, and goes on."""
    verdict = judge(gates("warn"), "kiosk", date(2020, 1, 1), None)
    assert verdict.ok
    assert "should not be added" in verdict.sentence
    assert judge(gates("warn"), "kiosk", date(2020, 1, 1), PAPER).sentence == ""


def test_refusal_says_what_to_do_and_what_may_come_instead() -> None:
    """The day, the basis, the paper, and what does the work now."""
    late = judge(
        gates("require_exemption", "kiosk", "扫码查询", "QR look-up"), "kiosk", date(2020, 1, 1), None
    ).sentence
    for words in (
        "查询机",
        "2020-01-01",
        "2018-08-27",
        "豫商办文〔2018〕81号",
        "attach the exemption",
        "QR look-up (扫码查询)",
    ):
        assert words in late
    assert "fill in acquired_on" not in late
    unknown = judge(
        gates("require_exemption", "trace_scale", en="a networked scale"), "trace_scale", None, None
    ).sentence
    for words in (
        "追溯秤",
        "fill in acquired_on",
        "attach the exemption document",
        "a networked scale (a networked scale)",
    ):
        assert words in unknown
    blocked = judge(gates("block"), "kiosk", date(2020, 1, 1), None).sentence
    assert "attach" not in blocked
    other = judge(gates("block", "door_sensor"), "door_sensor", date(2020, 1, 1), None).sentence
    assert "door_sensor" in other
    assert "use a device of another kind" in other


@given(
    st.sampled_from(POLICIES), st.none() | st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.sampled_from([None, PAPER])
)
def test_who_is_not_passed_is_told_why(policy: Policy, acquired_on: date | None, document: str | None) -> None:
    """No refusal without a sentence; what is known to be early is never told anything."""
    verdict = judge(gates(policy), "kiosk", acquired_on, document)
    assert verdict.ok or verdict.sentence
    if acquired_on is not None and acquired_on <= DAY:
        assert verdict == Verdict(ok=True)
