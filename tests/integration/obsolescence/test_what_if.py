"""What other rules would flag, and that it is what a run flags when they count."""

from datetime import timedelta

import pytest

from fleet.acting import Actor, acting
from fleet.errors import RefusedError
from fleet.obsolescence.versions import add_version
from fleet.obsolescence.what_if import Changes, what_if
from tests.integration.obsolescence.conftest import DAY, Fleet

FIRST = DAY - timedelta(days=9)

TODAY = DAY + timedelta(days=1)


@pytest.fixture
def mixed(fleet: Fleet) -> Fleet:
    """Devices that come to a flag on different days of ten, by one rule or the other, in two regions."""
    sleepy = [fleet.device(f"D-{n}", "trace_scale", "S1") for n in range(4)]
    weak = [fleet.device(f"L-{n}", "logger", "S2") for n in range(4)]
    fleet.days([*sleepy, *weak], days=80)
    for n, device_id in enumerate(sleepy):
        # Its last sale fell so many days ago that it is 40 or so days asleep at the end.
        fleet.days(device_id, days=36 + 3 * n, trades=0)
    for n, device_id in enumerate(weak):
        fleet.days(device_id, days=20 + 2 * n, online_slots=100 - 10 * n)
    return fleet


def test_other_rules_flag_others(mixed: Fleet) -> None:
    """Who, when first, why, in both languages, beside the rules as they are; nothing is written."""
    changes = Changes({"dormant": {"parameters": {"days": 42, "min_open_days": 40}}, "unavailable": {"weight": 10}})
    told = what_if(mixed.connection, changes, begins_on=FIRST, ends_on=DAY, today=TODAY, step_days=1)
    assert len(told.days) == 10
    assert {of.device_no for of in told.added} == {"D-2", "D-3"}
    assert {of.device_no for of in told.spared} == {"L-2", "L-3"}
    assert (told.as_they_are, told.by_rule, told.by_kind) == (2, {"dormant": 2}, {"trace_scale": 2})
    assert told.by_region == {"4101": 2}
    [last] = [of for of in told.flagged if of.device_no == "D-3"]
    assert (last.first_day, last.rules) == (DAY - timedelta(days=3), ("dormant",))
    assert last.sentence_zh.startswith("建议淘汰该追溯秤：最近42天")
    assert mixed.rows("SELECT 1 FROM findings") == []
    assert mixed.rows("SELECT 1 FROM evaluations") == []


def test_what_if_is_what_a_run_does(mixed: Fleet) -> None:
    """The same devices on the same days, once the rules are applied, while no site has more than its share."""
    change = {"days": 42, "min_open_days": 40}
    told = what_if(
        mixed.connection,
        Changes({"dormant": {"parameters": change}}),
        begins_on=FIRST,
        ends_on=DAY,
        today=TODAY,
        step_days=1,
    )
    with acting(mixed.connection, Actor("li", "test"), keys=mixed.keys):
        add_version(mixed.connection, "dormant", effective_from=FIRST, today=FIRST, parameters=change)
        mixed.connection.execute(
            "INSERT INTO obsolescence_policies (version, effective_from, watch_score, flag_score, site_share_pct)"
            " VALUES (2, %s, 30, 60, 100)",
            (FIRST,),
        )
    for n in range(10):
        mixed.run(FIRST + timedelta(days=n))
    flagged = mixed.rows(
        "SELECT device_no, min(flagged_on) AS day FROM flags JOIN devices USING (device_id) GROUP BY device_no"
    )
    assert {(row["device_no"], row["day"]) for row in flagged} == {(of.device_no, of.first_day) for of in told.flagged}
    assert len(flagged) == 4


def test_rules_to_come_are_tried_by_their_day(mixed: Fleet) -> None:
    """A version that counts next month, over the days of this one; a policy, too."""
    soon = DAY + timedelta(days=30)
    with acting(mixed.connection, Actor("li", "test"), keys=mixed.keys):
        add_version(mixed.connection, "unavailable", effective_from=soon, today=DAY, is_enabled=False)
    told = what_if(mixed.connection, Changes(as_of=soon), begins_on=DAY, ends_on=DAY, today=TODAY)
    assert (told.flagged, len(told.spared)) == ((), 2)
    told = what_if(mixed.connection, Changes(policy={"flag_score": 61}), begins_on=DAY, ends_on=DAY, today=TODAY)
    assert (told.flagged, len(told.spared)) == ((), 2)


def test_mistakes_of_what_if_are_told_at_once(mixed: Fleet) -> None:
    """Unknown rules, parameters out of bounds, scores upside down; a period that is none or too long."""
    changes = Changes({"ugly": {}, "dormant": {"parameters": {"days": 0}, "weight": -1}}, {"flag_score": 1})
    with pytest.raises(RefusedError, match=r"ugly is no rule.*days.*weight.*below watch_score"):
        what_if(mixed.connection, changes, begins_on=DAY, ends_on=DAY, today=TODAY)
    with pytest.raises(RefusedError, match="cannot be tried"):
        what_if(mixed.connection, Changes(policy={"site_share_pct": 5}), begins_on=DAY, ends_on=DAY, today=TODAY)
    with pytest.raises(RefusedError, match="before it begins"):
        what_if(mixed.connection, Changes(), begins_on=DAY, ends_on=FIRST, today=TODAY)
    with pytest.raises(RefusedError, match="longer steps"):
        what_if(mixed.connection, Changes(), begins_on=DAY - timedelta(days=400), ends_on=DAY, today=TODAY, step_days=1)
    with pytest.raises(RefusedError, match="can be judged"):
        what_if(mixed.connection, Changes(), begins_on=DAY, ends_on=TODAY, today=TODAY)
    with pytest.raises(RefusedError, match="no day before"):
        what_if(mixed.connection, Changes(), begins_on=DAY.min, ends_on=DAY, today=TODAY)
