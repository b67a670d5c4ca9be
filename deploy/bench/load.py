"""The messages of one measurement, made ahead of it: the same plan gives the same bytes. Pure.

Every device has one boot with sequence numbers from 0 through all measurements of a scenario, and record *seq* was made
*seq* milliseconds after the scenario's first: in order, live, and without two alike.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

STREAM: Final = "coldchain"
BOOT: Final = "b00710ad"
PREFIX: Final = "bench-"
# How a message is written: as the contract has it, or flat, for peers that map fields to columns.
Form = Literal["contract", "flat"]
# The boot that every row of flat messages names; our own rows get theirs from the ledger of boots.
FLAT_BOOT_ID: Final = 1
# A copy follows its original within so many messages.
COPY_WITHIN: Final = 200
_READINGS: Final = 97


@dataclass(frozen=True, slots=True)
class Load:
    """Messages go round the devices: message *i* is of device *i* mod *devices*."""

    messages: int
    records_per_message: int
    devices: int
    troubled_share: float
    first_seq: int
    # When the record with seq 0 was made, in whole seconds since 1970.
    epoch_seconds: int
    # One record in so many has a temperature that is no number; 0: none has.
    bad_every: int = 0

    @property
    def records(self) -> int:
        """How many different records it holds."""
        return self.messages * self.records_per_message

    @property
    def next_seq(self) -> int:
        """Above every sequence number of it: where the next measurement begins."""
        return self.first_seq + -(-self.messages // self.devices) * self.records_per_message

    def device_of(self, message: int) -> int:
        """Whose message it is, counted from 0."""
        return message % self.devices

    def seq_of(self, message: int) -> int:
        """Its first sequence number."""
        return self.first_seq + message // self.devices * self.records_per_message

    def message_of(self, device: int, seq: int) -> int:
        """The message that holds a record."""
        return (seq - self.first_seq) // self.records_per_message * self.devices + device


def device_no(device: int) -> str:
    """The name of a device in the ledger and in topics."""
    return f"{PREFIX}{device:06d}"


def payload(load: Load, message: int) -> bytes:
    """The bytes of a message, as the contract writes them."""
    first = load.seq_of(message)
    records = ",".join(_record(load, seq) for seq in range(first, first + load.records_per_message))
    sent_at = _time(load.epoch_seconds, first + load.records_per_message - 1)
    return f'{{"v":1,"boot":"{BOOT}","seq":{first},"sent_at":"{sent_at}","records":[{records}]}}'.encode()


def flat_payload(load: Load, message: int) -> bytes:
    """The same record, the only one of its message, as one flat object whose fields are the columns of its row.

    What the ledger would say of it is in it already: the device's number (those of a run begin with 1) and the boot's.
    """
    seq = load.seq_of(message)
    at = _time(load.epoch_seconds, seq)
    return (
        f'{{"device_id":{load.device_of(message) + 1},"boot_id":{FLAT_BOOT_ID},"seq":{seq},"at":"{at}",'
        f'"received_at":"{at}","clock_ahead":false,{_reading(seq % _READINGS)}}}'
    ).encode()


def encoder(form: Form) -> Callable[[Load, int], bytes]:
    """What writes a message in that form."""
    return payload if form == "contract" else flat_payload


def schedule(load: Load) -> list[int]:
    """Which message is sent in which slot.

    Of the messages, *troubled_share* change places with the next one of the same device, and as many are sent twice.
    """
    dice = random.Random(load.next_seq)  # noqa: S311 - repeatable, not secret
    order = list(range(load.messages))
    troubled = round(load.messages * load.troubled_share)
    movable = max(0, load.messages - load.devices)
    for early in dice.sample(range(movable), min(troubled, movable)):
        late = early + load.devices
        order[early], order[late] = order[late], order[early]
    # A place of n - ½ + distance is never that of an original.
    places: list[tuple[float, int]] = list(enumerate(order))
    for slot in dice.sample(range(load.messages), troubled):
        places.append((slot + dice.randrange(1, COPY_WITHIN) + 0.5, order[slot]))  # noqa: PERF401 - draws in order
    return [message for _, message in sorted(places)]


def first_slots(slots: list[int]) -> dict[int, int]:
    """For each message the slot in which it was due first."""
    due: dict[int, int] = {}
    for slot, message in enumerate(slots):
        due.setdefault(message, slot)
    return due


def _record(load: Load, seq: int) -> str:
    # In the middle of its hundred, so that the first record of a larger message is a good one.
    is_bad = load.bad_every and seq % load.bad_every == load.bad_every // 2
    reading = '"temperature_c":"warm"' if is_bad else _reading(seq % _READINGS)
    return f'{{"at":"{_time(load.epoch_seconds, seq)}",{reading}}}'


def _time(epoch_seconds: int, milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(epoch_seconds + seconds)}.{rest:03d}Z"


@cache
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@cache
def _reading(number: int) -> str:
    return (
        f'"temperature_c":{2 + number / 20:.2f},"humidity_pct":{70 + number / 10:.1f},'
        f'"door_open":{"true" if number == 0 else "false"},"battery_pct":{99 - number / 4:.2f}'
    )
