"""Outages found afterwards, in the slots of a day: those during which fleet itself did not run, too.

What the live watch found is not found again: where the two touch, its row is drawn out to what the slots show; what
somebody dismissed stays dismissed. Devices count where they stand today, if they were heard on that day or the one
before. One is there in a slot when it was heard in it or in one of the two before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.business_day import begin_of
from fleet.days.calendar import reckon_sites
from fleet.days.day import ALL_SLOTS, DAY, NO_SLOT, SLOT_SECONDS, SLOTS, slots_between, slots_over
from fleet.presence.live import (
    FEWEST_DEVICES,
    FEWEST_OF_PLATFORM,
    FEWEST_SITES,
    LONGEST,
    SILENT,
    SILENT_PCT,
    SILENT_SLOTS,
)
from fleet.presence.outage import REASONS, Found, Outage, begin, draw_out, touching
from fleet.presence.silences import Silence, quiet_runs, silences, taken_together

HOUR_SLOTS: Final = 12

ANYBODY: Final = "SELECT bit_or(heard)::text FROM presence_slots WHERE day = %(day)s::date"
# Who was heard in the hour before each run of quiet slots, and would have been heard on: its site stayed open.
_BEFORE: Final[LiteralString] = slots_between(f"r.first - {HOUR_SLOTS}", "r.first")
_AROUND: Final[LiteralString] = slots_between("r.first - 1", f"r.first + {SILENT_SLOTS}")
WITNESSES: Final[LiteralString] = f"""
SELECT r.first, count(*) AS devices, count(DISTINCT d.site_id) AS sites
FROM presence_slots AS p
JOIN devices AS d USING (device_id)
JOIN site_days AS s ON s.site_id = d.site_id AND s.day = %(day)s::date
CROSS JOIN unnest(%(firsts)s::int4[]) AS r (first)
WHERE p.day = %(day)s::date AND (p.heard & {_BEFORE}) <> {NO_SLOT} AND (s.open & {_AROUND}) = {_AROUND}
GROUP BY r.first
"""  # noqa: S608 - constants of ours
# Of a day without any record: who was heard the day before, and would have been heard: the site was open for an hour.
WITNESSES_BEFORE: Final[LiteralString] = f"""
SELECT 0 AS first, count(*) AS devices, count(DISTINCT d.site_id) AS sites
FROM presence_slots AS p
JOIN devices AS d USING (device_id)
JOIN site_days AS s ON s.site_id = d.site_id AND s.day = %(day)s::date
WHERE p.day = %(day)s::date - 1 AND bit_count(s.open) >= {HOUR_SLOTS}
"""  # noqa: S608 - constants of ours
# Who was heard the day before at the time of day of each run, and would have been heard: the site is open. It shows
# what began in the night, with nobody to fall silent.
_WITHIN: Final[LiteralString] = slots_between("r.first", "r.until")
WITNESSES_OF_YESTERDAY: Final[LiteralString] = f"""
SELECT r.first, count(*) AS devices, count(DISTINCT d.site_id) AS sites
FROM presence_slots AS p
JOIN devices AS d USING (device_id)
JOIN site_days AS s ON s.site_id = d.site_id AND s.day = %(day)s::date
CROSS JOIN unnest(%(firsts)s::int4[], %(untils)s::int4[]) AS r (first, until)
WHERE p.day = %(day)s::date - 1 AND bit_count(p.heard & s.open & {_WITHIN}) >= {SILENT_SLOTS}
GROUP BY r.first
"""  # noqa: S608 - constants of ours
# Slots are counted out for those sites alone whose devices fell silent, while it was open, about as often as there are
# devices: of a hundred sites without an outage that is hardly one. `ours` are slots in which nobody could be heard.
LOST: Final[LiteralString] = f"""
WITH lines AS MATERIALIZED (
    SELECT d.site_id, coalesce(c.heard | (c.heard >> 1) | (c.heard >> 2), {NO_SLOT})
           | coalesce((b.heard << 286) | (b.heard << 287), {NO_SLOT}) | %(ours)s::text::bit(288) AS there
    FROM devices AS d
    LEFT JOIN (SELECT device_id, heard FROM presence_slots WHERE day = %(day)s::date) AS c USING (device_id)
    LEFT JOIN (SELECT device_id, heard FROM presence_slots WHERE day = %(day)s::date - 1) AS b USING (device_id)
    WHERE c.device_id IS NOT NULL OR b.device_id IS NOT NULL
), counted AS MATERIALIZED (
    SELECT site_id, count(*) AS devices,
           sum(bit_count(~l.there & (l.there >> 1) & coalesce(s.open, {ALL_SLOTS}))) AS falls
    FROM lines AS l JOIN site_days AS s USING (site_id) WHERE s.day = %(day)s::date GROUP BY site_id
), suspect AS MATERIALIZED (
    SELECT site_id, devices FROM counted
    WHERE devices >= {FEWEST_DEVICES}
      AND (falls * 100 >= devices * {SILENT_PCT} OR site_id = ANY (ARRAY(
          SELECT site_id FROM sites WHERE site_no = ANY (%(lasting)s::text[]))))
), slots AS (
    SELECT site_id, slot, count(*) FILTER (WHERE get_bit(there, slot) = 1)::int AS there
    FROM suspect JOIN lines USING (site_id) CROSS JOIN generate_series(0, 287) AS slot GROUP BY site_id, slot
)
SELECT n.site_no, s.devices, d.open::text AS open,
       (SELECT count(*) FROM counted WHERE devices >= {FEWEST_DEVICES}) AS sites,
       (SELECT array_agg(c.there ORDER BY c.slot) FROM slots AS c WHERE c.site_id = s.site_id) AS there
FROM suspect AS s JOIN sites AS n USING (site_id) JOIN site_days AS d ON d.site_id = s.site_id AND d.day = %(day)s::date
ORDER BY n.site_no
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Lost:
    """A site that lost many slots: its devices, which slots are open, and how many devices are there in each."""

    site_no: str
    devices: int
    open: str
    sites: int
    there: list[int]


def detect_day(connection: Connection[Any], day: date, *, now: datetime) -> list[Outage]:
    """Find the outages of *day* as far as it is over; those that are new. Within :func:`fleet.acting.acting`."""
    reckon_sites(connection, day, now=now)
    begins, over = begin_of(day), slots_over(day, now)
    known = touching(connection, begins - SILENT, begins + DAY + SILENT)
    platform = _platform(connection, day, over, goes_on=any(_excuses_all(o) and _reaches(o, begins) for o in known))
    ours = [span for outage in known if _excuses_all(outage) for span in (_slots_of(outage, begins),)]
    masked = [(first, end + SILENT_SLOTS) for first, end in [*((each.first, each.end) for each in platform), *ours]]
    # Of each site that was out at midnight, how many slots it may be so yet.
    lasting = {o.site_no: _slots_left(o, begins) for o in known if o.site_no and _goes_on(o, begins)}
    asked = {"day": day, "ours": _bits(masked), "lasting": sorted(lasting)}
    with connection.cursor(row_factory=class_row(Lost)) as cursor:
        lost = cursor.execute(LOST.encode(), asked).fetchall()
    runs = [
        Silence(each.site_no, first, end if first else min(end, lasting.get(each.site_no, end)), each.devices)
        for each in lost
        for first, end in silences(each.there, each.devices, each.open, over, goes_on=each.site_no in lasting)
    ]
    # Of a site without a word on two days there is nothing to count.
    unheard = sorted(lasting.keys() - {each.site_no for each in lost})
    runs += [Silence(site_no, 0, min(over, lasting[site_no]), 0) for site_no in unheard]
    together, apart = taken_together(runs, lost[0].sites if lost else 0)
    found = [_found(silence, begins, over, now) for silence in [*platform, *together, *apart]]
    return _enter(connection, found, known)


def _platform(connection: Connection[Any], day: date, over: int, *, goes_on: bool) -> list[Silence]:
    """The runs of slots in which nobody was heard, though many should have been; or still, where one *goes_on*."""
    row = connection.execute(ANYBODY, {"day": day}).fetchone()
    # None: not one record, as when the machine was away over a weekend.
    heard = row[0] if row is not None and row[0] is not None else "0" * SLOTS
    runs = quiet_runs(heard[:over], goes_on=goes_on)
    firsts, untils = [first for first, _ in runs], [until for _, until in runs]
    asked = {"day": day, "firsts": firsts, "untils": untils}
    seen = connection.execute(WITNESSES.encode(), asked).fetchall() if runs else []
    seen += connection.execute(WITNESSES_OF_YESTERDAY.encode(), asked).fetchall() if runs else []
    if (0, SLOTS) in runs:
        seen += connection.execute(WITNESSES_BEFORE.encode(), {"day": day}).fetchall()
    witnesses: dict[int, int] = {}
    for first, devices, sites in seen:
        if sites >= FEWEST_SITES:
            witnesses[first] = max(devices, witnesses.get(first, 0))
    return [
        Silence(None, first, end, witnesses.get(first, 0), "no_record")
        for first, end in runs
        if witnesses.get(first, 0) >= FEWEST_OF_PLATFORM or (goes_on and first == 0)
    ]


def _found(silence: Silence, begins: datetime, over: int, now: datetime) -> Found:
    slot = timedelta(seconds=SLOT_SECONDS)
    lasts = silence.end >= over and over < SLOTS
    return Found(
        silence.site_no,
        begins + silence.first * slot,
        None if lasts else min(now, begins + silence.end * slot),
        REASONS[silence.cause],
        {"cause": silence.cause, "devices": silence.devices, "slots": silence.end - silence.first},
    )


def _enter(connection: Connection[Any], found: Sequence[Found], known: Sequence[Outage]) -> list[Outage]:
    new: list[Found] = []
    drawn: dict[int, tuple[Outage, datetime, datetime | None]] = {}
    excused = [each for each in known if each.dismissed_at is None]
    for each in found:
        if any(_touches(o, each) and _covers(o, each) for o in excused):
            continue
        same = [o for o in known if o.site_no == each.site_no and o.source == "detected" and _touches(o, each)]
        if any(o.dismissed_at is not None for o in same):
            continue
        if same:
            _, began_at, ended_at = drawn.get(same[0].outage_id, (same[0], same[0].began_at, same[0].ended_at))
            later = None if ended_at is None or each.ended_at is None else max(ended_at, each.ended_at)
            drawn[same[0].outage_id] = (same[0], min(began_at, each.began_at), later)
        # Those of a platform outage that begins with this very day's rolling count for their sites as well.
        elif each.site_no is None or not any(f.site_no is None and _within(each, f.began_at, f.ended_at) for f in new):
            new.append(each)
    draw_out(connection, [span for span in drawn.values() if span[1:] != (span[0].began_at, span[0].ended_at)])
    return begin(connection, new)


def _covers(outage: Outage, found: Found) -> bool:
    """Whether *outage* excuses the whole of *found* already, which lies within it but for the slots at its edges."""
    concerned = outage.scope == "platform" or outage.site_no == found.site_no
    is_other = outage.source == "declared" or outage.site_no != found.site_no
    return concerned and is_other and _within(found, outage.began_at, outage.ended_at)


def _within(found: Found, began_at: datetime, ended_at: datetime | None) -> bool:
    is_over = ended_at is None or (found.ended_at is not None and found.ended_at <= ended_at + SILENT)
    return began_at - SILENT <= found.began_at and is_over


def _touches(outage: Outage, found: Found) -> bool:
    before = found.ended_at is not None and found.ended_at + SILENT < outage.began_at
    after = outage.ended_at is not None and outage.ended_at + SILENT < found.began_at
    return not before and not after


def _excuses_all(outage: Outage) -> bool:
    return outage.scope == "platform" and outage.dismissed_at is None


def _goes_on(outage: Outage, begins: datetime) -> bool:
    """Whether it reaches into the day that *begins*, and may: a site that is silent for a week is out no more."""
    is_found = outage.source == "detected" and outage.dismissed_at is None
    return is_found and _reaches(outage, begins) and _slots_left(outage, begins) > 0


def _reaches(outage: Outage, begins: datetime) -> bool:
    return outage.began_at < begins and (outage.ended_at is None or outage.ended_at >= begins)


def _slots_left(outage: Outage, begins: datetime) -> int:
    left = outage.began_at + LONGEST - begins
    return max(0, min(SLOTS, int(left.total_seconds() // SLOT_SECONDS)))


def _slots_of(outage: Outage, begins: datetime) -> tuple[int, int]:
    def slot(instant: datetime) -> int:
        return max(0, min(SLOTS, int((instant - begins).total_seconds() // SLOT_SECONDS)))

    return slot(outage.began_at), SLOTS if outage.ended_at is None else slot(outage.ended_at) + 1


def _bits(spans: Sequence[tuple[int, int]]) -> str:
    return "".join("1" if any(first <= slot < end for first, end in spans) else "0" for slot in range(SLOTS))
