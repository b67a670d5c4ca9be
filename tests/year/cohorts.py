"""What is planted, cohort by cohort: what is done to its devices, and what is therefore true of them."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from tests.year import truth
from tests.year.calendar import BEGINS, on_day
from tests.year.sound import replaced, sound
from tests.year.things import OFF, Device, Habit, Happening, Truth
from tests.year.world import MIN_FIRMWARE_DAY, MODELS, Room, sites, work_slots

LONG_AGO: Final = date(2013, 3, 10)
OLD: Final = {"acquired_on": LONG_AGO, "commissioned_on": LONG_AGO, "installed_on": LONG_AGO}
PAST_LIFE: Final = Truth("past_service_life", BEGINS)
AFTER_NOTICE: Final = date(2021, 6, 1)


def fleet(seed: int) -> list[Device]:
    """All 2,000 of them, the same for the same *seed*."""
    room = Room.of(sites(), random.Random(seed))  # noqa: S311 - no secret
    planted = [
        *_dormant(room),
        *_unheard(room),
        *_sensors(room),
        *_of_the_ledger(room),
        *_repaired(room),
        *_erring(room),
    ]
    return [*planted, *sound(room), *replaced(room), *room.fill()]


def _dormant(room: Room) -> Iterator[Device]:
    for n in range(24):
        stops = on_day(5 + 11 * n)
        device = room.device("dormant", "trace_scale", "W H S", changes=((stops, {"slots": ()}),), is_flagged=True)
        yield replace(device, truths=(truth.dormant(device.site, stops, slots=device.habit.slots),))
    for _ in range(10):
        device = room.device("void only", "trace_scale", "W H", habit={"is_valid": False}, is_flagged=True)
        yield replace(device, truths=(truth.dormant(device.site, BEGINS),))
    for _ in range(6):
        device = room.device("kiosk never asked", "kiosk", "W S2 S4 S6", habit={"slots": ()}, is_flagged=True)
        yield replace(device, truths=(truth.dormant(device.site, BEGINS),))
    for n in range(10):
        stops, resumes = on_day(20 + 15 * n), on_day(120 + 15 * n)
        device = room.device("dormant, used again", "trace_scale", "W1 W2 W4 W6 W9", is_flagged=True)
        changes = ((stops, {"slots": ()}), (resumes, {"slots": device.habit.slots}))
        seen = truth.dormant(device.site, stops, resumes, slots=device.habit.slots)
        yield replace(device, changes=changes, truths=(seen,))
    for n in range(16):
        device = room.device(
            "never unpacked", "trace_scale" if n % 4 else "handheld", "W H", habit=OFF, is_flagged=True
        )
        device = _rarely(device)
        yield replace(device, truths=(truth.dormant(device.site, BEGINS), *device.truths))


def _unheard(room: Room) -> Iterator[Device]:
    for n in range(30):
        dies = 90 + 5 * n
        losses = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
        changes = tuple(
            (
                on_day(dies + 7 * week),
                {"loss": loss, "boots": True, "battery_pct": 56.0 - 7 * week, "battery_a_day": -1.0},
            )
            for week, loss in enumerate(losses)
        )
        yield _rarely(room.device("dying logger", "logger", "C", changes=changes))
    for n in range(10):
        changes = ((on_day(60 + 9 * n), {"loss": 0.5}), (on_day(120 + 9 * n), {"loss": 0.015, "boots": True}))
        yield _rarely(room.device("bad line, mended", "trace_scale", "W", changes=changes))
    for n in range(6):
        changes = ((on_day(100 + 20 * n), {"loss": 0.45}),)
        device = _rarely(room.device("old and seldom on", "trace_scale", "W H", changes=changes, columns=OLD))
        yield replace(device, truths=(*device.truths, PAST_LIFE))


def _rarely(device: Device) -> Device:
    phases = list(device.phases())

    def habit_on(day: date) -> Habit:
        return next(habit for first, last, habit in phases if first <= day <= last)

    return replace(device, truths=(truth.unavailable(device.site, habit_on),), is_flagged=True)


def _sensors(room: Room) -> Iterator[Device]:
    often: dict[str, Any] = {"slots": tuple(range(0, 288, 6)), "loss": 0.0}
    failures: tuple[tuple[str, dict[str, Any], int], ...] = (
        ("probe fails", {"fault_every": 3}, 9),
        ("probe sticks", {"is_stuck": True}, 6),
        ("probe jumps", {"jump_every": 3}, 1),
    )
    for cohort, failure, days in failures:
        for n in range(4):
            fails = on_day(80 + 40 * n)
            changes = ((fails - timedelta(days=16), often), (fails, failure))
            truths: tuple[Truth, ...] = (Truth("dying", fails + timedelta(days=days), grace=4, early=2),)
            if "fault_every" in failure:
                # What cannot be read is an error as well.
                truths += (Truth("error_rate", fails + timedelta(days=2), early=1),)
            yield room.device(cohort, "logger", "C", changes=changes, truths=truths, is_flagged=True)
    for n in range(5):
        yield room.device(
            "probe fails seldom", "logger", "C", changes=((on_day(60 + 30 * n), often | {"fault_every": 25}),)
        )


def _of_the_ledger(room: Room) -> Iterator[Device]:
    """Of what a device is, and what its vendor says."""
    forbidden = Truth("forbidden_kind", BEGINS)
    for kind, among, count in (("kiosk", "K", 14), ("kiosk", "X", 4), ("kiosk", "W S", 12), ("trace_scale", "W S", 8)):
        columns = {"exemption_document": None, "acquired_on": AFTER_NOTICE, "commissioned_on": AFTER_NOTICE}
        # Of the hall a share of a fifth may be flagged at once.
        truths = (replace(forbidden, grace=8),) if among == "K" else (forbidden,)
        for _ in range(count):
            yield room.device("forbidden", kind, among, columns=columns, truths=truths, is_flagged=True)
    for _ in range(16):
        device = room.device("kiosk beside QR codes", "kiosk", "S1 S3 S5 S7 S9")
        habit = replace(device.habit, slots=work_slots(device.site, 1))
        yield replace(
            device,
            habit=habit,
            truths=(Truth("replaced_function", BEGINS + timedelta(days=19), grace=8),),
            is_flagged=True,
        )
    for n in range(40):
        behind = n < 24
        mended = on_day(200 + 3 * n) if n < 8 else None
        yield room.device(
            "firmware behind" if behind else "firmware ahead",
            "trace_scale",
            "W H L",
            model_no="SC-B",
            # In the ledger stands what it was delivered with.
            columns={"firmware": "2.0.0"},
            habit={"firmware": "2.1.3" if behind else "2.10.1"},
            changes=((mended, {"firmware": "2.4.0", "boots": True}),) if mended else (),
            truths=(Truth("firmware_behind", MIN_FIRMWARE_DAY, mended),) if behind else (),
            is_flagged=behind,
        )
    for n in range(12):
        yield room.device(
            "logger's firmware",
            "logger",
            "C",
            model_no="LG-B",
            habit={"firmware": "2.9.12" if n < 6 else "3.0"},
            truths=(Truth("firmware_behind", BEGINS),) if n < 6 else (),
            is_flagged=n < 6,
        )
    for _ in range(6):
        truths = (Truth("firmware_behind", BEGINS),)
        yield room.device("speaks in the clear", "trace_scale", "W L", model_no="SC-C", truths=truths, is_flagged=True)
    withdrawn = MODELS["SC-D"].withdrawn_on
    assert withdrawn
    for _ in range(10):
        truths = (Truth("model_withdrawn", withdrawn),)
        yield room.device("withdrawn", "trace_scale", "W H", model_no="SC-D", truths=truths, is_flagged=True)
    yield from _aged(room)
    yield from _verified(room)


def _aged(room: Room) -> Iterator[Device]:
    ended = MODELS["SC-E"].support_ends_on
    assert ended
    unsupported = Truth("support_ended", ended + timedelta(days=1))
    for n in range(15):
        given: dict[str, Any] = (
            {"columns": OLD, "truths": (unsupported, PAST_LIFE)} if n < 5 else {"truths": (unsupported,)}
        )
        yield room.device("out of support, works", "trace_scale", "W", model_no="SC-E", **given)
    for _ in range(60):
        yield room.device("past its life, works", "trace_scale", "W H L", columns=OLD, truths=(PAST_LIFE,))
    for n in range(10):
        bought = on_day(100 + 20 * n).replace(year=2015 if on_day(100 + 20 * n).year == 2025 else 2014)
        columns = {"acquired_on": bought, "commissioned_on": bought, "installed_on": bought}
        truths = (Truth("past_service_life", on_day(100 + 20 * n)),)
        yield room.device("grows old, works", "trace_scale", "W H", columns=columns, truths=truths)


def _verified(room: Room) -> Iterator[Device]:
    """Scales that the campaign of their site did not pass, or left out."""
    for n in range(16):
        device = room.device("failed verification", "trace_scale", "W", columns=OLD if n < 8 else {})
        day = device.site.verifies_on
        assert day
        failed = Happening(day, values={"verification_result": "failed", "verified_on": day})
        truths = (Truth("verification", day), *((PAST_LIFE,) if n < 8 else ()))
        yield replace(device, happenings=(failed,), truths=truths, is_flagged=n < 8)
    for n in range(15):
        device = room.device("verification overdue", "trace_scale", "W1 W2 W3 W4 W5", columns=OLD if n < 5 else {})
        ends = device.columns["verified_until"]
        if n < 10:
            truths = (Truth("verification", ends + timedelta(days=91)), *((PAST_LIFE,) if n < 5 else ()))
            yield replace(device, happenings=(Happening(BEGINS),), truths=truths, is_flagged=n < 5)
            continue
        later = ends + timedelta(days=60)
        renewed = {"verified_on": later, "verified_until": later + timedelta(days=364)}
        yield replace(device, cohort="verified late", happenings=(Happening(later, values=renewed),))


def _repaired(room: Room) -> Iterator[Device]:
    for n in range(14):
        first = 40 + 9 * n
        repairs = (first, first + 40, first + 85)
        truths = (Truth("repairs", on_day(repairs[2] + 1), on_day(first + 181)),)
        yield _mended(
            room.device("often repaired", "trace_scale", "W H", truths=truths, is_flagged=True), repairs, 30_000
        )
    for n in range(6):
        truths = (Truth("repairs", on_day(63 + 20 * n), on_day(63 + 20 * n + 180), grace=4),)
        device = room.device("dearly repaired", "trace_scale", "W", truths=truths, is_flagged=True)
        yield _mended(device, (60 + 20 * n,), 200_000)
    for n in range(8):
        yield _mended(
            room.device("repaired, not too often", "trace_scale", "W H", truths=()), (20 + n, 120, 230 + n), 50_000
        )


def _mended(device: Device, days: tuple[int, ...], cost_fen: int) -> Device:
    """It breaks on each of *days*, is away from the next on, and back two days later."""
    happenings: list[Happening] = []
    changes: list[tuple[date, Mapping[str, Any]]] = []
    for day in days:
        happenings += [
            Happening(on_day(day), "faulty", "不打印"),
            Happening(on_day(day + 1), "repairing", "送修"),
            Happening(on_day(day + 3), "in_service", "修好", cost_fen),
        ]
        changes += [(on_day(day + 1), OFF), (on_day(day + 4), {"loss": 0.015, "boots": True})]
    return replace(device, happenings=tuple(happenings), changes=tuple(changes))


def _erring(room: Room) -> Iterator[Device]:
    for n in range(20):
        device = room.device("errs", "trace_scale", "W", columns=OLD if n < 8 else {})
        begins = on_day(60 + 12 * n) if n < 14 else on_day(60)
        habit = replace(device.habit, slots=work_slots(device.site, 8))
        if n < 14:
            seen = Truth("error_rate", begins + timedelta(days=15), grace=6, early=4)
            truths = (seen, PAST_LIFE) if n < 8 else (seen,)
            yield replace(
                device, habit=habit, changes=((begins, {"refused_every": 1}),), truths=truths, is_flagged=n < 8
            )
        else:
            yield replace(device, cohort="errs seldom", habit=habit, changes=((begins, {"refused_every": 4}),))
