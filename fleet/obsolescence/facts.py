"""What the rules need to know of a device as of a day, and how far back each of them looks: values alone."""

from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Windows:
    """How many days each rule that looks back does so, the day that is judged among them."""

    dormant: int = 60
    unavailable: int = 30
    repairs: int = 180
    error_rate: int = 30
    replaced_function: int = 30
    dying: int = 14
    # What makes a day of a sensor flat, which the query counts.
    flat_readings: int = 48

    @property
    def of_days(self) -> int:
        """The longest of those that look at the days of a device."""
        return max(self.dormant, self.unavailable, self.error_rate, self.replaced_function, self.dying, FIRMWARE_DAYS)


# Its last word about its firmware within so many days counts; before that, what the ledger says.
FIRMWARE_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Facts:
    """A device as of *day*: its state and site are those of that day; ledger and model are today's.

    Numbers before which a rule stands are those of the rule's window.
    """

    device_id: int
    device_no: str
    kind: str
    day: date
    site_id: int
    kind_zh: str = ""
    kind_en: str = "device"
    model_no: str = ""
    region_code: str = ""
    state: str = "in_service"
    acquired_on: date | None = None
    accepted_on: date | None = None
    commissioned_on: date | None = None
    service_life_months: int | None = None
    original_value_fen: int | None = None
    exemption_document: str | None = None
    verified_until: date | None = None
    verification_result: str | None = None
    firmware: str | None = None
    min_firmware: str | None = None
    transport_security: str = "unknown"
    support_ends_on: date | None = None
    withdrawn_on: date | None = None
    dormant_open_days: int = 0
    dormant_trades: int = 0
    dormant_lookups: int = 0
    dormant_scans: int = 0
    unavailable_expected_slots: int = 0
    unavailable_online_slots: int = 0
    unavailable_expected_days: int = 0
    error_rate_records: int = 0
    error_rate_errors: int = 0
    replaced_function_open_days: int = 0
    replaced_function_lookups: int = 0
    replaced_function_qr_lookups: int = 0
    dying_readings: int = 0
    dying_sensor_faults: int = 0
    dying_flat_days: int = 0
    dying_jumps: int = 0
    repairs: int = 0
    repairs_cost_fen: int = 0
