"""Each check of a device's health at its limits, and the catalogue as a whole."""

from typing import Any

import pytest

from fleet.health.catalogue import BY_NAME, CHECKS
from fleet.health.check import Check
from fleet.health.explaining import explain
from fleet.health.facts import Facts
from fleet.health.score import BANDS, band_of, judge

# Facts just before a step, facts at it, and what they cost by that check.
LIMITS: list[tuple[str, str, dict[str, Any], int, dict[str, Any], int]] = [
    (
        "never_seen",
        "kiosk",
        {"presence": "never_seen", "presence_hours": 23},
        0,
        {"presence": "never_seen", "presence_hours": 24},
        30,
    ),
    (
        "never_seen",
        "kiosk",
        {"presence": "never_seen", "presence_hours": 71},
        30,
        {"presence": "never_seen", "presence_hours": 72},
        60,
    ),
    ("silent", "kiosk", {}, 0, {"presence": "silent", "presence_hours": 25}, 45),
    ("late", "kiosk", {}, 0, {"presence": "late", "presence_hours": 0}, 5),
    (
        "availability",
        "kiosk",
        {"expected_slots": 1000, "online_slots": 951},
        0,
        {"expected_slots": 1000, "online_slots": 950},
        5,
    ),
    (
        "availability",
        "kiosk",
        {"expected_slots": 1000, "online_slots": 801},
        12,
        {"expected_slots": 1000, "online_slots": 800},
        25,
    ),
    (
        "availability",
        "kiosk",
        {"expected_slots": 11, "online_slots": 0},
        0,
        {"expected_slots": 12, "online_slots": 0},
        35,
    ),
    ("signal", "kiosk", {"rssi_dbm": -94.9}, 0, {"rssi_dbm": -95.0}, 3),
    ("data_gaps", "kiosk", {"records": 991, "missing": 9}, 0, {"records": 990, "missing": 10}, 5),
    ("data_gaps", "kiosk", {"records": 20, "missing": 29}, 0, {"records": 20, "missing": 30}, 25),
    (
        "error_rate",
        "kiosk",
        {"records": 951, "dead_lettered": 24, "conflicts": 25},
        5,
        {"records": 950, "dead_lettered": 25, "conflicts": 25},
        20,
    ),
    ("late_share", "kiosk", {"records": 100, "late": 19}, 0, {"records": 100, "late": 20}, 5),
    ("backlog", "kiosk", {"backlog": 499}, 0, {"backlog": 500}, 5),
    ("clock_drift", "kiosk", {"clock_offset_ms": -29_999}, 0, {"clock_offset_ms": -30_000}, 4),
    ("clock_drift", "kiosk", {"clock_offset_ms": 119_999}, 4, {"clock_offset_ms": 120_000}, 12),
    ("battery_low", "logger", {"battery_pct": 20.1}, 0, {"battery_pct": 20.0}, 5),
    ("battery_low", "logger", {"battery_pct": 10.1}, 5, {"battery_pct": 10.0}, 15),
    (
        "battery_days_left",
        "logger",
        {"battery_pct": 70.1, "battery_slope": -2.0, "battery_days": 8},
        0,
        {"battery_pct": 70.0, "battery_slope": -2.0, "battery_days": 8},
        3,
    ),
    (
        "battery_days_left",
        "logger",
        {"battery_pct": 24.0, "battery_slope": -2.0, "battery_days": 6},
        0,
        {"battery_pct": 24.0, "battery_slope": -2.0, "battery_days": 7},
        10,
    ),
    ("restarts", "kiosk", {"restarts": 13}, 0, {"restarts": 14}, 5),
    ("storage", "kiosk", {"storage_free_pct": 15.1}, 0, {"storage_free_pct": 15.0}, 4),
    (
        "printer",
        "trace_scale",
        {"error_days": "paper_out\x1eE1, printer_"},
        0,
        {"error_days": "paper_out\x1eE1\x1fprinter_jam"},
        3,
    ),
    ("unprinted", "trace_scale", {"trades": 100, "unprinted": 19}, 0, {"trades": 100, "unprinted": 20}, 4),
    ("unprinted", "trace_scale", {"trades": 19, "unprinted": 19}, 0, {"trades": 20, "unprinted": 20}, 10),
    (
        "firmware",
        "kiosk",
        {"firmware": "2.10.0", "min_firmware": "2.9"},
        0,
        {"firmware": "2.8.7", "min_firmware": "2.9"},
        8,
    ),
    ("flat_line", "logger", {"flat_days": 1}, 0, {"flat_days": 2}, 15),
    ("stuck_door", "door_sensor", {"open_days": 0}, 0, {"open_days": 1}, 10),
    ("temperature_jumps", "logger", {"temperature_jumps": 2}, 0, {"temperature_jumps": 3}, 8),
    ("sensor_faults", "logger", {"readings": 96, "sensor_faults": 4}, 0, {"readings": 95, "sensor_faults": 5}, 8),
    ("zero_drift", "trace_scale", {"error_days": "E1"}, 0, {"error_days": "zero_drift\x1eE1"}, 8),
    ("zero_drift", "trace_scale", {"error_days": None}, 0, {"error_days": "scale_zero_drift\x1fE2"}, 8),
    ("verification_due", "trace_scale", {"verified_days": 31}, 0, {"verified_days": 30}, 2),
    ("verification_due", "trace_scale", {"verified_days": 8}, 2, {"verified_days": 7}, 5),
    ("verification_due", "trace_scale", {"verified_days": 1}, 5, {"verified_days": 0}, 10),
    ("verification_due", "trace_scale", {"verified_days": 0}, 10, {"verified_days": -1}, 0),
    ("verification_overdue", "trace_scale", {"verified_days": 0}, 0, {"verified_days": -1}, 30),
    (
        "verification_failed",
        "trace_scale",
        {"verification_result": "passed"},
        0,
        {"verification_result": "withdrawn", "verified_days": 99},
        45,
    ),
]


def points(check: str, kind: str, given: dict[str, Any]) -> int:
    """What the facts cost by a check."""
    return sum(reason["points"] for reason in judge(Facts(1, kind, **given)).reasons if reason["check"] == check)


@pytest.mark.parametrize(("check", "kind", "before", "costs_before", "at", "costs_at"), LIMITS)
def test_check_costs_points_from_its_limit_on(
    check: str, kind: str, before: dict[str, Any], costs_before: int, at: dict[str, Any], costs_at: int
) -> None:
    """The limit belongs to the trouble; below it nothing, or what the step before costs."""
    assert (points(check, kind, before), points(check, kind, at)) == (costs_before, costs_at)


def test_each_check_is_tried_at_its_limits() -> None:
    """A new check needs a line above."""
    assert {line[0] for line in LIMITS} == set(BY_NAME)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_steps_lead_from_the_mildest_to_the_worst(check: Check) -> None:
    """And each costs more than the one before."""
    thresholds = [-step.threshold if check.low else step.threshold for step in check.steps]
    costs = [step.points for step in check.steps]
    assert thresholds == sorted(set(thresholds))
    assert costs == sorted(set(costs))
    assert 0 < costs[0] <= costs[-1] < 100


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_reason_is_told_in_both_languages(check: Check) -> None:
    """With its numbers in the sentence, and a remedy."""
    reason = {"check": check.name, "number": 17, "threshold": 23, "unit": check.unit, "window": 7, "points": 1}
    (told,) = explain([reason])
    assert all((told.name_zh, told.name_en, told.remedy_zh, told.remedy_en, check.measured_zh, check.measured_en))
    assert ("17" in told.sentence_zh) == ("17" in told.sentence_en)
    assert not {"{", "}"} & set(told.sentence_zh + told.sentence_en)


def test_reason_of_a_check_that_is_gone_is_told_by_its_name() -> None:
    """History outlives the catalogue."""
    reason = {"check": "gone", "number": 1, "threshold": 1, "unit": "pct", "window": 7, "points": 3}
    assert explain([reason])[0].sentence_en == "gone"


@pytest.mark.parametrize("check", [check for check in CHECKS if check.kinds is not None], ids=lambda check: check.name)
def test_check_is_for_its_kinds_alone(check: Check) -> None:
    """The same facts of another kind of device cost nothing by it."""
    at = next(line[4] for line in LIMITS if line[0] == check.name)
    assert points(check.name, "gateway", at) == 0


@pytest.mark.parametrize(("score", "band"), [(100, "good"), (80, "good"), (79, "fair"), (60, "fair"), (59, "poor")])
def test_score_has_a_name(score: int, band: str) -> None:
    """By limits that belong to the better one."""
    assert band_of(score) == band


def test_words_are_those_of_the_schema() -> None:
    """The closed sets, in the order from well to ill."""
    assert (BANDS, band_of(None)) == (("good", "fair", "poor", "none"), "none")
