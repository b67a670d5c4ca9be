"""The numbers that the checks look at, each from a device's facts. Pure; None where nothing can be said."""

from typing import Final

from fleet.health.facts import Facts
from fleet.versions import is_behind

# Below these a share is an accident: an hour of slots, two hours of records, a morning of sales and of readings.
_ENOUGH_SLOTS: Final = 12
_ENOUGH_RECORDS: Final = 50
_ENOUGH_TRADES: Final = 20
_ENOUGH_READINGS: Final = 20
# A trend over fewer days is the weather.
_ENOUGH_BATTERY_DAYS: Final = 7
# Where a battery is as good as empty: the radio goes first.
_BATTERY_EMPTY_PCT: Final = 10.0
# A battery that sinks slower than this lasts for years.
_SINKING_PCT_A_DAY: Final = 0.02
_HOURS_A_DAY: Final = 24


def never_seen_days(facts: Facts) -> float | None:
    """Whole days in service without a word."""
    return _days_as(facts, "never_seen")


def silent_days(facts: Facts) -> float | None:
    """Whole days since its last word, where it is silent and nothing excuses it."""
    return _days_as(facts, "silent")


def late_hours(facts: Facts) -> float | None:
    """Whole hours since its last word, where it is late and nothing excuses it."""
    return facts.presence_hours if facts.presence == "late" and facts.excused_by is None else None


def availability_pct(facts: Facts) -> float | None:
    """The share of the expected slots in which it was heard live."""
    expected = facts.expected_slots
    if expected is None or expected < _ENOUGH_SLOTS:
        return None
    return 100.0 * (facts.online_slots or 0) / expected


def missing_pct(facts: Facts) -> float | None:
    """The share of the sequence numbers that never came."""
    return _share(facts.missing, (facts.records or 0) + (facts.missing or 0), _ENOUGH_RECORDS)


def error_pct(facts: Facts) -> float | None:
    """The share of what it sent that was no good: dead letters and conflicts."""
    bad = (facts.dead_lettered or 0) + (facts.conflicts or 0)
    return _share(bad, (facts.records or 0) + bad, _ENOUGH_RECORDS)


def late_pct(facts: Facts) -> float | None:
    """The share of the records that came late."""
    return _share(facts.late, facts.records, _ENOUGH_RECORDS)


def clock_seconds(facts: Facts) -> float | None:
    """How far the clock is off, either way."""
    return None if facts.clock_offset_ms is None else abs(facts.clock_offset_ms) / 1000


def battery_pct(facts: Facts) -> float | None:
    """What is left in the battery."""
    return facts.battery_pct


def battery_days_left(facts: Facts) -> float | None:
    """Days until the battery is as good as empty, if it goes on as it did."""
    slope, level = facts.battery_slope, facts.battery_pct
    if slope is None or level is None or (facts.battery_days or 0) < _ENOUGH_BATTERY_DAYS:
        return None
    return max(level - _BATTERY_EMPTY_PCT, 0.0) / -slope if slope < -_SINKING_PCT_A_DAY else None


def signal_dbm(facts: Facts) -> float | None:
    """The strength of its signal, the mean of the days' last."""
    return facts.rssi_dbm


def restarts(facts: Facts) -> float | None:
    """How often it started anew."""
    return facts.restarts


def backlog_records(facts: Facts) -> float | None:
    """Records that it still has to send."""
    return facts.backlog


def storage_free_pct(facts: Facts) -> float | None:
    """What is free of its storage."""
    return facts.storage_free_pct


def printer_error_days(facts: Facts) -> float | None:
    """Days on which its printer complained."""
    return days_with(facts.error_days, "paper_out", "printer_")


def zero_drift_days(facts: Facts) -> float | None:
    """Days on which the scale found its zero gone."""
    return days_with(facts.error_days, "scale_zero_drift", "zero_drift")


def unprinted_pct(facts: Facts) -> float | None:
    """The share of the sales without a receipt."""
    return _share(facts.unprinted, facts.trades, _ENOUGH_TRADES)


def flat_days(facts: Facts) -> float | None:
    """Days through which all readings were the same number."""
    return facts.flat_days


def open_days(facts: Facts) -> float | None:
    """Days through which the door was never seen shut."""
    return facts.open_days


def temperature_jumps(facts: Facts) -> float | None:
    """Readings that no store can warm or cool to."""
    return facts.temperature_jumps


def sensor_fault_pct(facts: Facts) -> float | None:
    """The share of the readings in which a probe could not read."""
    return _share(facts.sensor_faults, (facts.readings or 0) + (facts.sensor_faults or 0), _ENOUGH_READINGS)


def verified_days(facts: Facts) -> float | None:
    """Days for which the verification still holds; one that ended or was failed is told by itself."""
    days = _sound_days(facts)
    return days if days is not None and days >= 0 else None


def overdue_days(facts: Facts) -> float | None:
    """Days since the verification ended."""
    days = _sound_days(facts)
    return -days if days is not None and days < 0 else None


def _sound_days(facts: Facts) -> float | None:
    return facts.verified_days if facts.verification_result in (None, "passed") else None


def verification_failed(facts: Facts) -> float | None:
    """1 where the verification was failed or withdrawn."""
    return 1 if facts.verification_result in ("failed", "withdrawn") else None


def firmware_behind(facts: Facts) -> float | None:
    """1 where the firmware is older than the model asks for."""
    firmware, minimum = facts.firmware, facts.min_firmware
    return 1 if firmware and minimum and is_behind(firmware, minimum) else None


def days_with(error_days: str | None, *beginnings: str) -> int | None:
    """On how many of the days a code was told that begins like one of *beginnings*; None where none at all was."""
    if error_days is None:
        return None
    return sum(any(code.startswith(beginnings) for code in day.split("\x1f")) for day in error_days.split("\x1e"))


def _share(part: float | None, whole: float | None, enough: int) -> float | None:
    """*part* of *whole* in per cent, None where there is not enough of it, or nothing was told."""
    return None if part is None or whole is None or whole < enough else 100.0 * part / whole


def _days_as(facts: Facts, presence: str) -> float | None:
    return facts.presence_hours // _HOURS_A_DAY if facts.presence == presence and facts.excused_by is None else None
