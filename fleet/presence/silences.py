"""Runs of silence in the slots of a day, and which of them are one. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from fleet.presence.live import (
    BACK_PCT,
    FEWEST_DEVICES,
    FEWEST_OF_PLATFORM,
    FEWEST_SITES,
    SILENT_PCT,
    SILENT_SLOTS,
    SITES_OUT_PCT,
    TOGETHER_SLOTS,
)

Cause = Literal["site", "sites", "no_record"]


@dataclass(frozen=True, slots=True)
class Silence:
    """The slots from *first* until before *end* of a site, or of anybody, and how many devices fell silent."""

    site_no: str | None
    first: int
    end: int
    devices: int
    cause: Cause = "site"


def quiet_runs(heard: str, *, goes_on: bool) -> list[tuple[int, int]]:
    """The runs of at least three slots without a bit, nights among them; of fewer where one *goes_on* from before."""
    runs: list[tuple[int, int]] = []
    place = 0
    for bit, slots in groupby(heard):
        length = len(list(slots))
        is_one = length >= SILENT_SLOTS or (place == 0 and goes_on)
        if bit == "0" and is_one:
            runs.append((place, place + length))
        place += length
    return runs


def silences(there: Sequence[int], devices: int, is_open: str, over: int, *, goes_on: bool) -> list[tuple[int, int]]:
    """The runs of slots, of the first *over*, in which a site was out.

    *there* counts, slot by slot, the devices heard in it or in one of the two before. The site goes out when nearly all
    are gone within three slots while it is open, and is back with half of them. *goes_on*: it was out at midnight.
    """
    few = devices * (100 - SILENT_PCT) / 100
    runs: list[tuple[int, int]] = []
    slot = 0
    while slot < over:
        before = max(there[max(0, slot - SILENT_SLOTS - 1) : slot], default=0)
        fell = (
            slot > 0
            and there[slot] <= few < there[slot - 1]
            and before >= devices * SILENT_PCT / 100
            and devices - there[slot] >= FEWEST_DEVICES
            and "0" not in is_open[max(0, slot - SILENT_SLOTS) : slot + 1]
        )
        if not fell and not (slot == 0 and goes_on and there[0] <= few):
            slot += 1
            continue
        end = next((each for each in range(slot, over) if there[each] * 100 >= devices * BACK_PCT), over)
        # It was heard last in the slot before the two that still counted as there.
        runs.append((max(0, slot - SILENT_SLOTS + 1) if fell else 0, end))
        slot = end + 1
    return runs


def taken_together(runs: Sequence[Silence], sites: int) -> tuple[list[Silence], list[Silence]]:
    """The outages of the platform that *runs* of nearly all of *sites* sites at once are; and the other runs.

    They begin together: sites that go out one after the other, over hours, are so many outages of sites.
    """
    apart, together = list(runs), list[Silence]()
    for first in sorted({run.first for run in runs}):
        at_once = [run for run in apart if first <= run.first <= first + TOGETHER_SLOTS]
        before = {run.site_no for run in apart if run.first < first < run.end}
        out, devices = len({run.site_no for run in at_once}), sum(run.devices for run in at_once)
        # Of those that could go out with them: who was out already says nothing.
        is_ours = out >= FEWEST_SITES and out * 100 >= (sites - len(before)) * SITES_OUT_PCT
        if is_ours and devices >= FEWEST_OF_PLATFORM:
            began, end = min(run.first for run in at_once), max(run.end for run in at_once)
            together.append(Silence(None, began, end, devices, "sites"))
            apart = [run for run in apart if run not in at_once]
    return together, apart
