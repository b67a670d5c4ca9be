"""Why a message or a record is not stored as telemetry: the closed set of dead-letter reasons."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Reason = Literal[
    "bad_topic",
    "bad_json",
    "bad_utf8",
    "too_large",
    "too_deep",
    "bad_version",
    "bad_message",
    "bad_record",
    "out_of_range",
    "non_finite",
    "nul_character",
    "clock_out_of_range",
    "no_time",
    "unknown_device",
    "retired_device",
    "wrong_stream",
    "database_rejected",
    "crashed",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
WHOLE_MESSAGE: Final = -1


class Refused(Exception):  # noqa: N818 - it reads as the outcome it is
    """A message, or one record of it, that cannot be stored: the reason and a sentence for who mends the device."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Refusal:
    """What becomes a dead letter: one record by its index, or the whole message and how many records it stood for."""

    reason: Reason
    detail: str
    record_index: int = WHOLE_MESSAGE
    records: int = 1
