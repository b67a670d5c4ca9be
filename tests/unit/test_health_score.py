"""Properties of the score, whatever the facts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.health.facts import Facts
from fleet.health.score import NOTHING_EXPECTED, WELL, judge

KINDS = ("trace_scale", "kiosk", "handheld", "logger", "door_sensor", "gateway")
COUNT = st.integers(0, 5000)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """A device of which anything may be known."""
    trades, expected = draw(COUNT), draw(COUNT)

    def maybe(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    return Facts(
        1,
        draw(st.sampled_from(KINDS)),
        presence=draw(st.sampled_from(("online", "late", "silent", "never_seen"))),
        excused_by=maybe(st.sampled_from(("closed", "site_outage", "platform_outage"))),
        presence_hours=draw(COUNT),
        expected_slots=expected,
        online_slots=draw(st.integers(0, expected)),
        records=draw(COUNT),
        late=draw(st.integers(0, 50)),
        dead_lettered=draw(COUNT),
        conflicts=draw(COUNT),
        missing=draw(COUNT),
        restarts=draw(COUNT),
        trades=trades,
        unprinted=draw(st.integers(0, trades)),
        error_days=maybe(st.lists(st.sampled_from(("paper_out", "zero_drift", "E1"))).map("\x1e".join)),
        battery_pct=maybe(st.floats(0, 100)),
        battery_slope=maybe(st.floats(-20, 20)),
        battery_days=draw(st.integers(0, 8)),
        rssi_dbm=maybe(st.floats(-130, -20)),
        clock_offset_ms=maybe(st.integers(0, 10**9)),
        backlog=maybe(COUNT),
        storage_free_pct=maybe(st.floats(0, 100)),
        readings=draw(COUNT),
        sensor_faults=draw(COUNT),
        temperature_jumps=draw(COUNT),
        flat_days=maybe(st.integers(0, 8)),
        open_days=maybe(st.integers(0, 8)),
        verified_days=maybe(st.integers(-900, 900)),
        verification_result=maybe(st.sampled_from(("passed", "failed", "withdrawn"))),
        firmware=maybe(st.sampled_from(("1.0", "2.0", "2.10"))),
        min_firmware=maybe(st.sampled_from(("1.0", "2.9"))),
    )


@given(facts())
def test_score_and_reasons_agree(device: Facts) -> None:
    """0 to 100, what is lost is the sum of the reasons, the worst first, each check at most once."""
    judgement = judge(device)
    costs = [reason["points"] for reason in judgement.reasons]
    names = [reason["check"] for reason in judgement.reasons]
    if judgement.score is None:
        assert judgement.reasons == []
        return
    assert judgement.score == max(100 - sum(costs), 0)
    assert costs == sorted(costs, reverse=True)
    assert len(set(names)) == len(names)


# Each with a number that makes it worse by so much.
WORSE: dict[str, Any] = {
    "presence_hours": 1,
    "online_slots": -1,
    "late": 1,
    "dead_lettered": 1,
    "conflicts": 1,
    "missing": 1,
    "restarts": 1,
    "battery_pct": -1,
    "battery_slope": -1,
    "rssi_dbm": -1,
    "clock_offset_ms": 1,
    "backlog": 1,
    "storage_free_pct": -1,
    "sensor_faults": 1,
    "temperature_jumps": 1,
    "flat_days": 1,
    "open_days": 1,
    "verified_days": -1,
}


@given(facts(), st.integers(1, 2000))
def test_more_trouble_never_raises_the_score(device: Facts, by: int) -> None:
    """Of whatever kind it is, and whatever else is wrong."""
    score = judge(device).score
    for field, step in WORSE.items():
        before = getattr(device, field)
        if before is None:
            continue
        worse = before + step * by
        after = judge(device._replace(**{field: max(worse, 0) if field in {"online_slots", "battery_pct"} else worse}))
        assert (after.score is None) == (score is None), field
        assert (after.score or 0) <= (score or 0), field


@given(facts())
def test_excuse_never_lowers_the_score(device: Facts) -> None:
    """Silence that is nobody's fault costs nothing."""
    blamed = judge(device._replace(excused_by=None)).score
    excused = judge(device._replace(excused_by="closed")).score
    assert (excused or 0) >= (blamed or 0)


@given(facts())
def test_nothing_is_expected_of_what_is_out_of_service(device: Facts) -> None:
    """Whatever it did."""
    for state in ("suspended", "faulty", "repairing", "idle"):
        assert judge(device._replace(state=state)) == NOTHING_EXPECTED


def test_device_of_a_site_that_was_closed_throughout_has_no_score() -> None:
    """Nor one that was out of reach all the while; closed for the night it keeps the score of its days."""
    assert judge(Facts(1, "kiosk", excused_by="closed", expected_slots=0)) == NOTHING_EXPECTED
    assert judge(Facts(1, "kiosk", excused_by="closed", expected_slots=100, online_slots=100)) == WELL


def test_device_without_a_day_behind_it_is_judged_by_its_line() -> None:
    """Installed today: online is well, and never seen so far, too; never seen three days later is not."""
    assert judge(Facts(1, "kiosk")) == judge(Facts(1, "kiosk", presence="never_seen")) == WELL
    assert judge(Facts(1, "kiosk", presence="never_seen", presence_hours=72)).score == 40
