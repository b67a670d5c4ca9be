"""Outages while they begin and end, judged each minute by when devices were last heard.

A site is out when nearly all of its devices that were heard within a day fell silent together while it was open. The
platform is out when no worker of ingest is connected, when nothing comes from anybody, or when nearly all sites are
out: then it is one outage of ours, not one of each site.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.business_day import begin_of, day_of
from fleet.days.day import SLOT_SECONDS
from fleet.presence.opening import OPENINGS
from fleet.presence.outage import REASONS, Found, Outage, begin, draw_out, open_outages, put_aside

# Defaults of ours [A]. Three slots without a word are more than any kind leaves between two messages when it is well.
SILENT_SLOTS: Final = 3
SILENT: Final = timedelta(seconds=SILENT_SLOTS * SLOT_SECONDS)
FEWEST_DEVICES: Final = 3
# Of a site's devices; in whole numbers, so that four of five are 80 %.
SILENT_PCT: Final = 80
BACK_PCT: Final = 50
FEWEST_OF_PLATFORM: Final = 10
FEWEST_SITES: Final = 2
SITES_OUT_PCT: Final = 90
# Sites that go out further apart did not go out at once.
TOGETHER_SLOTS: Final = 6
TOGETHER: Final = timedelta(seconds=TOGETHER_SLOTS * SLOT_SECONDS)
# A site that is silent for longer is out no more: it is gone, and its devices answer for themselves again.
LONGEST: Final = timedelta(days=7)
# A worker says each second that it is there.
WORKER_SECONDS: Final = 60

# Of each site: its devices in service that were heard within a day; of them, how many are there now, how many fell
# silent within three slots of the last that did, and how many were heard in the hour before these three slots.
SITES: Final[LiteralString] = f"""
WITH {OPENINGS}, lines AS MATERIALIZED (
    SELECT d.site_id, p.last_heard_at,
           p.last_heard_at > %(now)s::timestamptz - INTERVAL '{SILENT_SLOTS * 5} minutes' AS is_there
    FROM device_presence AS p JOIN devices AS d USING (device_id)
    WHERE d.state = 'in_service' AND p.last_heard_at > %(now)s::timestamptz - INTERVAL '1 day'
      AND isfinite(p.last_heard_at)
), counted AS (
    SELECT site_id, count(*) AS devices, count(*) FILTER (WHERE is_there) AS there,
           max(last_heard_at) FILTER (WHERE NOT is_there) AS fell_at, max(last_heard_at) AS heard_at,
           count(*) FILTER (
               WHERE NOT is_there AND last_heard_at > %(now)s::timestamptz - INTERVAL '{SILENT_SLOTS * 5 + 60} minutes'
           ) AS recent
    FROM lines GROUP BY site_id
), fallen AS (
    SELECT site_id, count(*) AS fell
    FROM lines JOIN counted USING (site_id)
    WHERE NOT is_there AND last_heard_at > fell_at - INTERVAL '{SILENT_SLOTS * 5} minutes' GROUP BY site_id
)
SELECT s.site_no, c.devices, c.there, coalesce(f.fell, 0) AS fell, c.fell_at, c.heard_at, c.recent, g.open_since
FROM counted AS c JOIN sites AS s USING (site_id) LEFT JOIN fallen AS f USING (site_id)
LEFT JOIN opening AS h USING (site_id) LEFT JOIN openings AS g ON g.hours = h.hours
ORDER BY s.site_no
"""  # noqa: S608 - constants of ours
# How many workers there are, how many are well, whether anything was received lately, and when first since an outage.
RECEIVING: Final[LiteralString] = f"""
SELECT (SELECT count(*) FROM workers) AS workers,
       (SELECT count(*) FROM workers
        WHERE connected AND heartbeat_at > %(now)s::timestamptz - INTERVAL '{WORKER_SECONDS} seconds') AS well,
       (SELECT max(bucket_at) FROM ingest_stats
        WHERE received > 0 AND bucket_at > %(now)s::timestamptz - INTERVAL '{SILENT_SLOTS * 5} minutes'
          AND bucket_at <= %(now)s::timestamptz) AS received_at,
       (SELECT min(bucket_at) FROM ingest_stats
        WHERE received > 0 AND bucket_at >= %(since)s::timestamptz AND bucket_at <= %(now)s::timestamptz) AS again_at
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a site's devices are heard just now."""

    site_no: str
    devices: int
    there: int
    fell: int
    fell_at: datetime | None
    heard_at: datetime
    recent: int
    open_since: datetime | None

    def out_since(self, now: datetime) -> datetime | None:
        """The first slot in which the site was silent, if it is out. Pure, as all judgement here."""
        if self.fell_at is None or self.open_since is None or self.fell_at < self.open_since:
            return None
        began_at = slot_after(self.fell_at)
        is_silent = self.fell >= FEWEST_DEVICES and self.fell * 100 >= self.devices * SILENT_PCT
        return began_at if is_silent and now - began_at >= SILENT else None

    @property
    def is_live(self) -> bool:
        """Whether it is open, and has been since it was heard: it would be heard if we could hear."""
        return self.open_since is not None and self.heard_at >= self.open_since


@dataclass(frozen=True, slots=True)
class Receiving:
    """How ingest does."""

    workers: int
    well: int
    received_at: datetime | None
    again_at: datetime | None


def slot_after(instant: datetime) -> datetime:
    """When the slot that follows that of *instant* begins."""
    begins = begin_of(day_of(instant))
    slots = math.floor((instant - begins).total_seconds() / SLOT_SECONDS)
    return begins + timedelta(seconds=(slots + 1) * SLOT_SECONDS)


def detect(connection: Connection[Any], *, now: datetime) -> list[Outage]:
    """Begin what has begun and end what has ended by *now*; what has begun. Within :func:`fleet.acting.acting`."""
    standing = open_outages(connection)
    with connection.cursor(row_factory=class_row(Pulse)) as cursor:
        pulses = cursor.execute(SITES.encode(), {"now": now}).fetchall()
    ours = next((outage for outage in standing if outage.scope == "platform" and outage.source == "detected"), None)
    asked = {"now": now, "since": ours.began_at if ours is not None else now}
    with connection.cursor(row_factory=class_row(Receiving)) as cursor:
        receiving = cursor.execute(RECEIVING.encode(), asked).fetchone()
    assert receiving is not None  # noqa: S101 - a SELECT without FROM has one row
    ended = [(each, each.began_at, at) for each in standing if (at := end_of(each, pulses, receiving, now)) is not None]
    draw_out(connection, ended)
    lasting = [each for each in standing if each.outage_id not in {over.outage_id for over, _, _ in ended}]
    if any(each.scope == "platform" for each in lasting):
        return []
    platform = platform_outage(pulses, receiving, lasting, now)
    if platform is not None:
        # One of a site that was out before stays what it was: its devices are not to blame for the time until then.
        part = [each for each in lasting if each.source == "detected" and each.began_at >= platform.began_at]
        put_aside(connection, part, now=now)
        return begin(connection, [platform])
    return begin(connection, site_outages(pulses, lasting, now))


def site_outages(pulses: Sequence[Pulse], lasting: Sequence[Outage], now: datetime) -> list[Found]:
    """The sites that went out, those that are known to be left out. Pure."""
    known = {outage.site_no for outage in lasting}
    return [
        Found(
            pulse.site_no,
            began_at,
            None,
            REASONS["site"],
            {"cause": "site", "devices": pulse.devices, "silent": pulse.fell, "heard": pulse.there},
        )
        for pulse in pulses
        if pulse.site_no not in known and (began_at := pulse.out_since(now)) is not None
    ]


def platform_outage(
    pulses: Sequence[Pulse], receiving: Receiving, lasting: Sequence[Outage], now: datetime
) -> Found | None:
    """The outage of ours that began, if one did. Pure."""
    heard_at = max((pulse.heard_at for pulse in pulses), default=None)
    if heard_at is None:
        return None
    recent = [pulse for pulse in pulses if pulse.is_live and pulse.recent]
    evidence = {
        "workers": receiving.workers,
        "devices": sum(pulse.recent + pulse.there for pulse in pulses),
        "sites": len(pulses),
    }
    is_deaf = receiving.workers > 0 and receiving.well == 0
    if is_deaf and now - heard_at > timedelta(seconds=WORKER_SECONDS):
        return Found(
            None, min(now, slot_after(heard_at)), None, REASONS["no_worker"], {"cause": "no_worker"} | evidence
        )
    is_quiet = receiving.received_at is None and not any(pulse.there for pulse in pulses)
    silent = sum(pulse.recent for pulse in recent)
    if is_quiet and silent >= FEWEST_OF_PLATFORM and len(recent) >= FEWEST_SITES:
        began_at = slot_after(heard_at)
        if now - began_at >= SILENT:
            return Found(None, began_at, None, REASONS["no_record"], {"cause": "no_record"} | evidence)
    return _all_sites_out(pulses, lasting, now)


def _all_sites_out(pulses: Sequence[Pulse], lasting: Sequence[Outage], now: datetime) -> Found | None:
    known = {outage.site_no: outage.began_at for outage in lasting}
    open_now = [pulse for pulse in pulses if pulse.open_since is not None and pulse.devices >= FEWEST_DEVICES]
    began = {p.site_no: at for p in open_now if (at := known.get(p.site_no) or p.out_since(now)) is not None}
    last = max(began.values(), default=now)
    together = {site_no: at for site_no, at in began.items() if last - at <= TOGETHER}
    silent = sum(pulse.fell for pulse in open_now if pulse.site_no in together)
    # Of those that could go out with them: who was out already says nothing.
    sites = len(open_now) - len(began) + len(together)
    if len(together) < FEWEST_SITES or len(together) * 100 < sites * SITES_OUT_PCT or silent < FEWEST_OF_PLATFORM:
        return None
    evidence = {"cause": "sites", "sites": sites, "sites_out": len(together), "devices": silent}
    return Found(None, min(together.values()), None, REASONS["sites"], evidence)


def end_of(outage: Outage, pulses: Sequence[Pulse], receiving: Receiving, now: datetime) -> datetime | None:
    """When *outage* ended, None while it lasts. Pure.

    With half of the devices back; and one of ours, in which nothing came, with the first word after it, at the latest
    three slots after that: who was switched off meanwhile does not come back for it. What was declared is ended by
    whoever declared it.
    """
    if outage.source == "declared":
        return None
    if outage.scope == "site" and now - outage.began_at > LONGEST:
        return outage.began_at + LONGEST
    concerned = [pulse for pulse in pulses if outage.site_no in (None, pulse.site_no)]
    there = sum(pulse.there for pulse in concerned)
    # Before, those that are there were heard before it began.
    is_back = now - outage.began_at >= SILENT and there * 100 >= outage.evidence.get("devices", 0) * BACK_PCT > 0
    if outage.evidence.get("cause") not in ("no_worker", "no_record"):
        return now if is_back else None
    again_at = receiving.again_at
    if again_at is not None and (is_back or now - again_at >= SILENT):
        return again_at
    return None
