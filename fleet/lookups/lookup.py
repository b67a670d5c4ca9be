"""How many look-ups a site had on a day, by channel, as whoever runs the page tells it.

The same told twice changes nothing. Write within :func:`fleet.acting.acting`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, get_args

from psycopg import Connection

from fleet.errors import RefusedError, UnknownEntryError

Channel = Literal["qr", "web", "wechat"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
CHANNEL_NAMES: Final = {"qr": "二维码", "web": "网页", "wechat": "微信"}
# More than a large city has in a day: a number of cents, of milliseconds, or of all days together.
MOST_LOOKUPS: Final = 10_000_000
# As long as days of devices are kept, which they are compared with.
OLDEST_DAYS: Final = 750
_SHOWN: Final = 20

KNOWN_SITES: Final = "SELECT site_no FROM sites WHERE site_no = ANY(%(site_nos)s::text[])"
# What is as it was is not written, so the audit has no rows of it.
WRITE: Final = """
INSERT INTO site_lookups AS own (site_id, day, channel, lookups)
SELECT s.site_id, w.day, w.channel, w.lookups
FROM unnest(%(site_no)s::text[], %(day)s::date[], %(channel)s::text[], %(lookups)s::int8[])
    AS w (site_no, day, channel, lookups)
JOIN sites AS s USING (site_no)
ORDER BY s.site_id, w.day, w.channel
ON CONFLICT (site_id, day, channel) DO UPDATE SET lookups = excluded.lookups, updated_at = now()
WHERE own.lookups <> excluded.lookups
RETURNING own.created_at = own.updated_at AS is_new
"""
PAGE: Final = """
SELECT s.site_no, l.day, l.channel, l.lookups, l.updated_at
FROM site_lookups AS l JOIN sites AS s USING (site_id)
WHERE (%(site_no)s::text IS NULL OR s.site_no = %(site_no)s) AND (%(channel)s::text IS NULL OR l.channel = %(channel)s)
  AND (%(from_on)s::date IS NULL OR l.day >= %(from_on)s) AND (%(to_on)s::date IS NULL OR l.day <= %(to_on)s)
  AND (%(after_site)s::text IS NULL
       OR (s.site_no, l.day, l.channel) > (%(after_site)s, %(after_day)s::date, %(after_channel)s::text))
ORDER BY s.site_no, l.day, l.channel LIMIT %(rows)s
"""


@dataclass(frozen=True, slots=True)
class Lookups:
    """Look-ups of a site on a day. *row* says where it was told."""

    site_no: str
    day: date
    channel: str
    lookups: int
    row: int = 1


@dataclass(frozen=True, slots=True)
class RowComplaint:
    """What is wrong with one row: *column* is the field to look at."""

    row: int
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told, and what came of it. With errors nothing was written."""

    told: int
    created: int
    changed: int
    unchanged: int
    errors: tuple[RowComplaint, ...] = ()
    applied: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with any row."""
        return not self.errors

    def settle(self) -> "Outcome":
        """Itself when nothing is wrong. Raises RefusedError, or UnknownEntryError when only sites are wrong."""
        if not self.errors:
            return self
        text = "; ".join(f"row {error.row}: {error.sentence}" for error in self.errors[:_SHOWN])
        unknown = all(error.column == "site_no" for error in self.errors)
        raise (UnknownEntryError if unknown else RefusedError)(f"{text}.")


def tell(connection: Connection[Any], told: Sequence[Lookups], *, today: date, apply: bool) -> Outcome:
    """Check *told* and, with *apply* and when nothing is wrong with any row, write all of it."""
    errors = tuple(sorted((*complaints(told, today), *_strange_sites(connection, told)), key=lambda error: error.row))
    if errors or not apply:
        return Outcome(len(told), 0, 0, 0, errors)
    once = list({(one.site_no, one.day, one.channel): one for one in told}.values())
    columns = {name: [getattr(one, name) for one in once] for name in ("site_no", "day", "channel", "lookups")}
    written = connection.execute(WRITE, columns).fetchall()
    created = sum(row[0] for row in written)
    return Outcome(len(told), created, len(written) - created, len(told) - len(written), applied=True)


def complaints(told: Sequence[Lookups], today: date) -> Iterator[RowComplaint]:
    """What is wrong with the rows themselves. Pure."""
    oldest = today - timedelta(days=OLDEST_DAYS)
    seen: dict[tuple[str, date, str], Lookups] = {}
    for one in told:
        if one.channel not in CHANNELS:
            yield RowComplaint(one.row, "channel", f"{one.channel!r} is no channel: write {', '.join(CHANNELS)}")
        if not 0 <= one.lookups <= MOST_LOOKUPS:
            yield RowComplaint(
                one.row, "lookups", f"{one.lookups} look-ups in a day cannot be: write 0 to {MOST_LOOKUPS}"
            )
        if one.day > today:
            yield RowComplaint(one.row, "day", f"{one.day} is still to come: tell days that are over, and today")
        elif one.day < oldest:
            yield RowComplaint(one.row, "day", f"{one.day} is too long ago: nothing before {oldest} is compared")
        first = seen.setdefault((one.site_no, one.day, one.channel), one)
        if first.lookups != one.lookups:
            yield RowComplaint(one.row, "lookups", f"row {first.row} tells another number of the same: keep one")


def _strange_sites(connection: Connection[Any], told: Sequence[Lookups]) -> Iterator[RowComplaint]:
    numbers = sorted({one.site_no for one in told})
    known = {row[0] for row in connection.execute(KNOWN_SITES, {"site_nos": numbers})}
    for one in told:
        if one.site_no not in known:
            yield RowComplaint(one.row, "site_no", f"no site has the number {one.site_no!r}: correct it")
