"""Days that were over when something of them came: whoever rolls days up is told, and does it again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.lines import BUSINESS_ZONE
from ingest.rows import AT, DEVICE_ID, Portion
from store.arrays import Int4s, Texts

# In the order of the key, as every worker does. Counted, and not left as it is: that locks the row until our commit,
# so whoever has just read it, but not what we store, cannot take it for done.
NOTE_STALE: Final = """
INSERT INTO stale_days AS s (device_id, day)
SELECT device_id, day FROM unnest(%(device_ids)s::int4[], %(days)s::text[]::date[]) AS n (device_id, day)
ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE SET noted = s.noted + 1
"""
_DAY: Final = timedelta(days=1)


class StaleDays:
    """The days of a batch that were over when it came. A day to come is rolled up when it is there."""

    def __init__(self) -> None:
        self._days: set[tuple[int, date]] = set()
        # The day of the last arrival: nearly all of a batch came on one. In UTC, as arrivals are: times of one zone
        # compare several times as fast.
        self._begins_at = self._ends_at = datetime.min.replace(tzinfo=UTC)

    def note(self, portion: Portion, oldest_at: datetime) -> None:
        """Look at *portion*, whose oldest record is of *oldest_at*: two comparisons, where it came on its own day."""
        received_at = portion.telling.arrival.received_at
        if not self._begins_at <= received_at < self._ends_at:
            local = received_at.astimezone(BUSINESS_ZONE)
            self._begins_at = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
            self._ends_at = self._begins_at + _DAY
        if oldest_at >= self._begins_at:
            return
        begins_at = self._begins_at
        for row in portion.rows:
            if row[AT] < begins_at:
                self._days.add((row[DEVICE_ID], row[AT].astimezone(BUSINESS_ZONE).date()))

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Write them down, in the transaction that stores the records; no statement where there is none."""
        if self._days:
            days = sorted(self._days)
            await connection.execute(
                NOTE_STALE,
                {"device_ids": Int4s(each[0] for each in days), "days": Texts(each[1].isoformat() for each in days)},
            )
