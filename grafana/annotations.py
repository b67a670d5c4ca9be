"""What happened, marked on every graph: steps in devices' lives, and outages. Both by the variables of the page."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery

from grafana.catalogue import Entry
from grafana.sources import TIMESCALE, sql
from grafana.words import KINDS, SCOPES, STATES, Say, Words

# Counted by the quarter of an hour: an import that moves ten thousand devices is one mark and not a wall.
LIFECYCLE: Final = """
SELECT date_bin('15 minutes', at, '2000-01-01 00:00+00') AS time,
       CASE WHEN count(*) = 1 THEN min(device_no) ELSE count(*) || ' × ' || {kind} END || ': ' || {state} AS text,
       to_state AS tags
FROM grafana_lifecycle
WHERE $__timeFilter(at) AND @{scope}
GROUP BY 1, kind, to_state ORDER BY 1 DESC LIMIT 200
"""
OUTAGES: Final = """
SELECT began_at AS time, coalesce(ended_at, now()) AS timeend,
       {scope_word} || coalesce(' ' || site_@lang, '') || ': ' || reason AS text, scope AS tags
FROM grafana_outages
WHERE began_at <= $__timeTo()::timestamptz AND coalesce(ended_at, now()) >= $__timeFrom()::timestamptz
  AND (site_no IS NULL OR @sites)
ORDER BY began_at DESC LIMIT 200
"""
OUR_OUTAGES: Final = """
SELECT began_at AS time, coalesce(ended_at, now()) AS timeend, reason AS text, scope AS tags
FROM grafana_outages
WHERE began_at <= $__timeTo()::timestamptz AND coalesce(ended_at, now()) >= $__timeFrom()::timestamptz
  AND scope = 'platform'
ORDER BY began_at DESC LIMIT 200
"""


def annotations(entry: Entry, say: Say) -> Iterator[Builder[AnnotationQuery]]:
    """The annotations of a page: of the places that it chooses, or, where it chooses none, our own outages."""
    if "site" not in entry.variables:
        yield _marks(say("Outages", "中断"), "orange", OUR_OUTAGES, say)
        return
    scope = "devices" if "device" in entry.variables else "kinds"
    lifecycle = LIFECYCLE.format(kind=_spelt("kind", KINDS, say), state=_spelt("to_state", STATES, say), scope=scope)
    yield _marks(say("Steps of devices", "设备状态变化"), "blue", lifecycle, say)
    yield _marks(say("Outages", "中断"), "orange", OUTAGES.format(scope_word=_spelt("scope", SCOPES, say)), say)


def _marks(name: str, colour: str, query: str, say: Say) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(TIMESCALE)
        .enable(True)
        .icon_color(colour)
        .target(sql(query, say, ref_id="Anno"))
    )


def _spelt(column: str, words: Words, say: Say) -> str:
    """SQL for the text of a word: a mark shows what the query answers, without any mapping."""
    cases = " ".join(f"WHEN '{word}' THEN '{say(*texts)}'" for word, texts in words.items())
    return f"CASE {column} {cases} ELSE {column} END"
