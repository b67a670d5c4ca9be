"""Versions of the rules: which one counts, and what is refused."""

from datetime import date, timedelta

import pytest

from fleet.acting import Actor, acting
from fleet.errors import RefusedError, UnknownEntryError
from fleet.obsolescence.rules import RULES
from fleet.obsolescence.versions import (
    Policy,
    RuleVersion,
    add_policy,
    add_version,
    policy_on,
    versions_of,
    versions_on,
)
from tests.integration.obsolescence.conftest import DAY, Fleet


def add(fleet: Fleet, rule: str, effective_from: date, **more: object) -> RuleVersion:
    """A new version, added on DAY."""
    with acting(fleet.connection, Actor("li", "test"), keys=fleet.keys, reason="trial"):
        return add_version(fleet.connection, rule, effective_from=effective_from, today=DAY, **more)  # type: ignore[arg-type]


def test_first_versions_are_the_defaults(fleet: Fleet) -> None:
    """Every rule is there, in both languages, complete; age and its like never flag."""
    found = versions_on(fleet.connection, DAY)
    assert list(found) == list(RULES)
    policy = policy_on(fleet.connection, DAY)
    for rule, version in found.items():
        assert version.parameters == RULES[rule].parameters()
        assert version.name_zh != version.name_en
        assert version.created_by == "migration"
    row = fleet.rows("SELECT rule, parameters FROM obsolescence_rules")
    assert {of["rule"]: of["parameters"] for of in row} == {
        rule: of.parameters().model_dump(mode="json") for rule, of in RULES.items()
    }
    assert {rule for rule, version in found.items() if version.is_mandatory} == {"forbidden_kind"}
    assert found["past_service_life"].weight < policy.watch_score
    assert found["past_service_life"].weight + found["support_ended"].weight < policy.flag_score


def test_version_counts_from_its_day_on(fleet: Fleet) -> None:
    """What it does not say is as before; of two of one day the later; each under audit."""
    soon = DAY + timedelta(days=10)
    added = add(fleet, "dormant", soon, parameters={"days": 90}, weight=50)
    assert (added.version, added.weight, added.created_by) == (2, 50, "li")
    assert added.parameters.model_dump()["min_open_days"] == 40
    add(fleet, "dormant", soon, parameters={"days": 100})
    assert versions_on(fleet.connection, soon - timedelta(days=1))["dormant"].version == 1
    assert versions_on(fleet.connection, soon)["dormant"].version == 3
    assert versions_on(fleet.connection, soon)["dormant"].weight == 50
    assert [of.version for of in versions_of(fleet.connection, "dormant")] == [1, 2, 3]
    [entry] = fleet.rows("SELECT actor, reason FROM audit WHERE label = 'dormant/2'")
    assert entry == {"actor": "li", "reason": "trial"}


def test_every_mistake_is_told_at_once(fleet: Fleet) -> None:
    """A day that is past, parameters that are none or out of bounds, a weight beyond all."""
    with pytest.raises(RefusedError) as refused:
        add(
            fleet,
            "dormant",
            DAY - timedelta(days=1),
            parameters={"days": 0, "dayz": 3, "kinds": ["toaster"]},
            weight=101,
            is_enabled="yes",
            colour="red",
        )
    told = str(refused.value)
    for word in ("is past", "days", "dayz", "kinds.0", "weight", "is_enabled", "colour"):
        assert word in told
    with pytest.raises(UnknownEntryError, match="past_service_life"):
        add(fleet, "ugly", DAY)
    assert [of.version for of in versions_of(fleet.connection, "dormant")] == [1]


def test_disabled_rule_clears_what_it_found(fleet: Fleet) -> None:
    """From its day on, as if the cause were gone."""
    asleep = fleet.device("D-1")
    fleet.days(asleep, trades=0)
    fleet.run()
    add(fleet, "dormant", DAY + timedelta(days=1), is_enabled=False)
    fleet.run(DAY + timedelta(days=1))
    assert fleet.open_rules(asleep) == set()


def test_finding_follows_the_version_that_counts(fleet: Fleet) -> None:
    """Found anew with the evidence of the new one; the flag goes on."""
    asleep = fleet.device("D-1")
    fleet.days(asleep, trades=0, days=61, ends=DAY + timedelta(days=1))
    fleet.run()
    add(fleet, "dormant", DAY + timedelta(days=1), parameters={"days": 50})
    fleet.run(DAY + timedelta(days=1))
    old, new = fleet.findings(asleep)
    assert (old["rule_version"], old["cleared_at"] is None) == (1, False)
    assert (new["rule_version"], new["cleared_at"], new["numbers"]["open_days"]) == (2, None, 50)
    assert len(fleet.rows("SELECT 1 FROM flags")) == 1


def test_policy_has_versions_too(fleet: Fleet) -> None:
    """Another score to flag at, from a day on; nonsense is refused as a whole."""
    with acting(fleet.connection, Actor("li", "test"), keys=fleet.keys):
        added = add_policy(
            fleet.connection, effective_from=DAY, today=DAY, watch_score=20, flag_score=20, site_share_pct=100
        )
    assert added == Policy(2, DAY, 20, 20, 100)
    assert policy_on(fleet.connection, DAY) == added
    assert policy_on(fleet.connection, DAY - timedelta(days=1)).version == 1
    with (
        acting(fleet.connection, Actor("li", "test"), keys=fleet.keys),
        pytest.raises(RefusedError, match=r"past.*below watch_score.*1 to 100"),
    ):
        add_policy(
            fleet.connection,
            effective_from=DAY - timedelta(days=1),
            today=DAY,
            watch_score=30,
            flag_score=20,
            site_share_pct=0,
        )
    with pytest.raises(RefusedError, match="no policy"):
        policy_on(fleet.connection, date(2011, 1, 1))


def test_parameters_that_psql_spoilt_are_named(fleet: Fleet) -> None:
    """Nobody judges by what cannot be understood."""
    fleet.connection.execute(
        "INSERT INTO obsolescence_rules SELECT rule, 2, effective_from, is_enabled, name_zh, name_en, text_zh, text_en,"
        " '{\"days\": \"many\"}', weight FROM obsolescence_rules WHERE rule = 'dormant'"
    )
    with pytest.raises(RefusedError, match="version 2 of the rule dormant"):
        fleet.run()
