"""Days that were over when something of them came: whoever rolls days up is told, and does it again."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.lines import BUSINESS_ZONE
from ingest.rows import AT, DEVICE_ID, RECEIVED_AT, Portion
from store.arrays import Int4s, Texts

# In the order of the key, as every worker does. Counted, and not left as it is: that locks the row until our commit,
# so whoever has just read it, but not what we store, cannot take it for done.
NOTE_STALE: Final = """
INSERT INTO stale_days AS s (device_id, day)
SELECT device_id, day FROM unnest(%(device_ids)s::int4[], %(days)s::text[]::date[]) AS n (device_id, day)
ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE SET noted = s.noted + 1
"""


class StaleDays:
    """The days of a batch that were over when it came. A day to come is rolled up when it is there."""

    def __init__(self) -> None:
        self._days: set[tuple[int, date]] = set()

    def note(self, portion: Portion) -> None:
        """Look at *portion*: one comparison, where it came on its own day."""
        if portion.oldest_at >= _day_begins_at(portion.last_received_at):
            return
        for row in portion.rows:
            if row[AT] < _day_begins_at(row[RECEIVED_AT]):
                self._days.add((row[DEVICE_ID], row[AT].astimezone(BUSINESS_ZONE).date()))

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Write them down, in the transaction that stores the records; no statement where there is none."""
        if self._days:
            days = sorted(self._days)
            await connection.execute(
                NOTE_STALE,
                {"device_ids": Int4s(each[0] for each in days), "days": Texts(each[1].isoformat() for each in days)},
            )


# The messages of one read came at the same instant. In UTC, as arrivals are: times of one zone compare several times as
# fast.
@lru_cache(maxsize=1024)
def _day_begins_at(received_at: datetime) -> datetime:
    local = received_at.astimezone(BUSINESS_ZONE)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
