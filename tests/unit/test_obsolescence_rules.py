"""Each rule of obsolescence at its boundaries, by the parameters that a new installation begins with."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fleet.obsolescence import of_its_days, of_the_ledger, parameters
from fleet.obsolescence.answer import Answer, Shown
from fleet.obsolescence.facts import Facts
from fleet.obsolescence.rules import RULES, windows

DAY = date(2026, 3, 1)
# A scale bought before the notice, in use at an open market, heard and used.
WELL = Facts(
    1,
    "D-1",
    "trace_scale",
    DAY,
    7,
    kind_zh="追溯秤",
    kind_en="trace scale",
    acquired_on=date(2017, 1, 1),
    dormant_days=60,
    dormant_open_days=60,
    dormant_trades=9,
    unavailable_expected_slots=3000,
    unavailable_online_slots=3000,
    unavailable_expected_days=30,
    error_rate_records=1000,
)
KIOSK = replace(WELL, kind="kiosk", kind_zh="查询机", kind_en="query kiosk", dormant_lookups=9)
LOGGER = replace(WELL, kind="logger", dying_readings=1000)
ASLEEP = replace(WELL, dormant_trades=0)
QR = replace(KIOSK, replaced_function_open_days=30, replaced_function_qr_lookups=601, replaced_function_lookups=149)
OLD = replace(WELL, commissioned_on=date(2020, 3, 1), service_life_months=72)

HOLDS = "holds"
CASES: list[tuple[str, Facts, object]] = [
    ("forbidden_kind", WELL, Answer.NO),
    ("forbidden_kind", KIOSK, HOLDS),
    ("forbidden_kind", replace(KIOSK, acquired_on=None), HOLDS),
    ("forbidden_kind", replace(KIOSK, exemption_document="X-1"), Answer.NO),
    ("forbidden_kind", replace(WELL, acquired_on=date(2018, 8, 27)), Answer.NO),
    ("forbidden_kind", replace(WELL, acquired_on=date(2018, 8, 28)), HOLDS),
    ("forbidden_kind", replace(WELL, acquired_on=date(2018, 8, 28), exemption_document="X-1"), Answer.NO),
    ("forbidden_kind", replace(WELL, acquired_on=None), Answer.NO),
    ("past_service_life", WELL, Answer.NO),
    ("past_service_life", OLD, HOLDS),
    ("past_service_life", replace(OLD, commissioned_on=date(2020, 3, 2)), Answer.NO),
    ("past_service_life", replace(OLD, commissioned_on=None), HOLDS),
    ("past_service_life", replace(OLD, service_life_months=None), Answer.NO),
    ("firmware_behind", replace(WELL, firmware="1.9", min_firmware="1.10"), HOLDS),
    ("firmware_behind", replace(WELL, firmware="1.10.0", min_firmware="1.10"), Answer.NO),
    ("firmware_behind", replace(WELL, firmware=None, min_firmware="1.10"), Answer.UNSAID),
    ("firmware_behind", replace(WELL, transport_security="none"), HOLDS),
    ("firmware_behind", replace(WELL, transport_security="unknown"), Answer.NO),
    ("firmware_behind", replace(WELL, transport_security="none", state="in_stock"), Answer.UNSAID),
    ("support_ended", replace(WELL, support_ends_on=DAY), Answer.NO),
    ("support_ended", replace(WELL, support_ends_on=DAY - timedelta(days=1)), HOLDS),
    ("model_withdrawn", replace(WELL, withdrawn_on=DAY), HOLDS),
    ("model_withdrawn", replace(WELL, withdrawn_on=DAY + timedelta(days=1)), Answer.NO),
    ("dormant", WELL, Answer.NO),
    ("dormant", ASLEEP, HOLDS),
    ("dormant", replace(ASLEEP, dormant_trades=1), Answer.NO),
    ("dormant", replace(ASLEEP, dormant_lookups=1), Answer.NO),
    # A scale's scans are no sale; a handheld's are its work.
    ("dormant", replace(ASLEEP, dormant_scans=1), HOLDS),
    ("dormant", replace(ASLEEP, kind="handheld", dormant_scans=1), Answer.NO),
    ("dormant", replace(ASLEEP, dormant_open_days=40), HOLDS),
    ("dormant", replace(ASLEEP, dormant_open_days=39), Answer.UNSAID),
    ("dormant", replace(ASLEEP, dormant_days=59, dormant_open_days=59), Answer.UNSAID),
    ("dormant", replace(ASLEEP, state="suspended"), Answer.UNSAID),
    ("dormant", replace(ASLEEP, kind="logger"), Answer.NO),
    ("unavailable", replace(WELL, unavailable_online_slots=2400), Answer.NO),
    ("unavailable", replace(WELL, unavailable_online_slots=2399), HOLDS),
    ("unavailable", replace(WELL, unavailable_online_slots=0, unavailable_expected_days=14), Answer.UNSAID),
    ("unavailable", replace(WELL, unavailable_online_slots=0, unavailable_expected_slots=719), Answer.UNSAID),
    ("unavailable", replace(WELL, unavailable_online_slots=0, state="faulty"), Answer.UNSAID),
    ("repairs", replace(WELL, repairs=2), Answer.NO),
    ("repairs", replace(WELL, repairs=3), HOLDS),
    ("repairs", replace(WELL, repairs=1, repairs_cost_fen=5000, original_value_fen=10000), Answer.NO),
    ("repairs", replace(WELL, repairs=1, repairs_cost_fen=5001, original_value_fen=10000), HOLDS),
    ("repairs", replace(WELL, repairs=1, repairs_cost_fen=5001), Answer.NO),
    ("verification", WELL, Answer.NO),
    ("verification", replace(WELL, verified_until=DAY - timedelta(days=90)), Answer.NO),
    ("verification", replace(WELL, verified_until=DAY - timedelta(days=91)), HOLDS),
    ("verification", replace(WELL, verification_result="failed"), HOLDS),
    ("verification", replace(WELL, verification_result="withdrawn"), HOLDS),
    ("verification", replace(WELL, verification_result="failed", state="in_stock"), Answer.UNSAID),
    ("error_rate", replace(WELL, error_rate_errors=50), Answer.NO),
    ("error_rate", replace(WELL, error_rate_errors=51), HOLDS),
    ("error_rate", replace(WELL, error_rate_records=199, error_rate_errors=199), Answer.UNSAID),
    ("replaced_function", QR, HOLDS),
    ("replaced_function", replace(QR, replaced_function_lookups=150), Answer.NO),
    ("replaced_function", replace(QR, replaced_function_qr_lookups=600), Answer.NO),
    ("replaced_function", replace(QR, replaced_function_open_days=19), Answer.UNSAID),
    ("replaced_function", replace(QR, kind="trace_scale"), Answer.NO),
    ("dying", LOGGER, Answer.NO),
    ("dying", replace(LOGGER, dying_readings=800, dying_sensor_faults=200), Answer.NO),
    ("dying", replace(LOGGER, dying_readings=799, dying_sensor_faults=201), HOLDS),
    ("dying", replace(LOGGER, dying_flat_days=6), Answer.NO),
    ("dying", replace(LOGGER, dying_flat_days=7), HOLDS),
    ("dying", replace(LOGGER, dying_jumps=50), Answer.NO),
    ("dying", replace(LOGGER, dying_jumps=51), HOLDS),
    ("dying", replace(LOGGER, dying_readings=0), Answer.UNSAID),
    ("dying", WELL, Answer.NO),
]


@pytest.mark.parametrize(("rule", "facts", "expected"), CASES)
def test_rule_holds_from_its_boundary_on(rule: str, facts: Facts, expected: object) -> None:
    """Not before it; and of what cannot be seen nothing is said."""
    of = RULES[rule]
    found = of.holds(facts, of.parameters())
    assert (HOLDS if isinstance(found, Shown) else found) == expected
    if isinstance(found, Shown):
        assert found.sentence_zh.endswith("。")
        assert found.sentence_en.endswith(".")
        assert found.numbers


def test_every_rule_was_tried_both_ways() -> None:
    """Each holds for some and not for others."""
    for rule in RULES:
        answers = {expected for of, _, expected in CASES if of == rule}
        assert {HOLDS, Answer.NO} <= answers, rule


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        (date(2020, 1, 31), date(2020, 2, 29), 0),
        (date(2020, 1, 31), date(2020, 3, 31), 2),
        (date(2020, 1, 15), date(2021, 1, 14), 11),
        (date(2020, 1, 15), date(2021, 1, 15), 12),
    ],
)
def test_months_are_those_of_the_calendar(since: date, until: date, months: int) -> None:
    """A month is over on the same day of the next, not before."""
    assert of_the_ledger.months_between(since, until) == months


def test_windows_follow_the_parameters() -> None:
    """The longest of them says how many days are read."""
    chosen = windows({"dormant": parameters.Dormant(days=90), "dying": parameters.Dying(min_readings_a_day=10)})
    assert (chosen.dormant, chosen.of_days, chosen.flat_readings) == (90, 90, 10)
    assert windows({}).of_days == 60


@pytest.mark.parametrize("holds", [of_its_days.dormant])
def test_sentence_tells_the_numbers(holds: Callable[[Facts, Any], Shown | Answer]) -> None:
    """In both languages, as a market's manager would say it."""
    found = holds(replace(ASLEEP, dormant_open_days=52), parameters.Dormant())
    assert isinstance(found, Shown)
    assert found.sentence_zh == "最近60天中有52天开门营业，但没有一笔有效交易或查询。"
    assert found.sentence_en == ("In 60 days, on 52 of which the site was open, not one sale or look-up came from it.")
