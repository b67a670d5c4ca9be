"""What looks like one of those that ought to go, and is not: nothing is true of it that a rule asks for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.year.calendar import on_day
from tests.year.things import OFF, Changes, Device, Happening
from tests.year.world import Room


def sound(room: Room) -> Iterator[Device]:
    """What looks like one of the others, and is not."""
    for _ in range(12):
        yield room.device("seldom used", "trace_scale", "W H", habit={"every": 20})
    for n in range(10):
        change = {"bulk": 6, "every": 18}
        yield room.device("data late in bulk", "trace_scale", "W1 W2 W4 W6 W9", changes=((on_day(30 + n), change),))
    for n in range(10):
        away: Changes = ((on_day(70 + 25 * n), {"is_linked": False}), (on_day(74 + 25 * n), {"is_linked": True}))
        yield room.device("off the line for days", "trace_scale", "W1 W2 W4 W6 W9", changes=away)
    for _ in range(10):
        yield room.device("often off, not too often", "trace_scale", "W H", habit={"loss": 0.13})
    for n in range(10):
        begins, ends = on_day(100 + n), on_day(185 + n)
        happenings = (Happening(begins, "suspended", "歇业"), Happening(ends, "in_service", "复业"))
        season: Changes = ((begins, OFF), (ends, {"loss": 0.015, "boots": True}))
        yield room.device("suspended for a season", "trace_scale", "W", changes=season, happenings=happenings)
    for n in range(6):
        begins = on_day(120 + 10 * n)
        device = room.device("new, used late", "trace_scale", "W1 W4 W6", first_day=begins, columns=_new(begins))
        slots = device.habit.slots
        yield replace(
            device, habit=replace(device.habit, slots=()), changes=((begins + timedelta(days=52), {"slots": slots}),)
        )


def _new(day: date) -> dict[str, Any]:
    return {
        "acquired_on": day - timedelta(days=20),
        "commissioned_on": day,
        "installed_on": day,
        "exemption_document": "豫商函〔2019〕12号",
        "verified_on": day,
        "verified_until": day + timedelta(days=700),
    }


def replaced(room: Room) -> Iterator[Device]:
    for n in range(6):
        day = on_day(170 + 12 * n)
        old = room.device("replaced", "trace_scale", "W1 W4 W6")
        yield replace(old, changes=((day, OFF),), happenings=(Happening(day, "recovered", "更换新秤"),))
        new = room.device("takes a place", "trace_scale", old.site.site_no, first_day=day, replaces=old.device_no)
        yield replace(new, columns=dict(new.columns) | _new(day) | {"stall_no": old.columns["stall_no"]})
