"""One batch, one transaction: rows, duplicates, conflicts, dead letters, current values and the account of it all.

Nothing here commits half: the caller acknowledges what :func:`write` returned from, and nothing else. Writing a batch
again after an unknown outcome finds its own rows and counts duplicates.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from ingest import account, dead_letters, identity, isolation
from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter, DeviceBoot
from ingest.births import enter_births
from ingest.boots import Boot, advance
from ingest.clock import BACKFILL, TOLERANCE
from ingest.copying import copy_rows
from ingest.latest import move_latest
from ingest.lines import Lines, Memory
from ingest.refusal import Refusal
from ingest.registry import Route
from ingest.rounds import rounds_of
from ingest.rows import AT, CLOCK_AHEAD, RECEIVED_AT, Portion, portions_of
from ingest.run import Run
from ingest.stale import StaleDays
from store.database import remedy_for
from store.records import PRESENCE


async def write(
    connection: AsyncConnection[Any],
    batch: Batch,
    *,
    worker: str,
    isolate: bool = False,
    memory: Memory | None = None,
) -> Account:
    """Store *batch* and return its account, committed.

    *connection* is in autocommit; the transaction is made here. Raises psycopg.Error with nothing stored, except when
    the connection is lost during the commit itself: then the outcome is unknown, and writing again is right either way.
    With *isolate*, what the database rejects is found and becomes dead letters; the rest is stored. With a *memory*,
    which is to be the same each time, devices that go on speaking are not written down as such all the time.
    """
    lines = Lines(memory or Memory())
    async with connection.transaction():
        entered = await (_write_isolating if isolate else _write_whole)(connection, batch, lines)
        _count_messages(batch, entered)
        await lines.move(connection)
        await account.enter(connection, entered, worker=worker, now=datetime.now(UTC))
    lines.remember()
    return entered


async def _write_whole(connection: AsyncConnection[Any], batch: Batch, lines: Lines) -> Account:
    return await _Part(connection, lines, isolate=False).write(batch)


async def _write_isolating(connection: AsyncConnection[Any], batch: Batch, lines: Lines) -> Account:
    """Rows that a table rejects are found by the copying itself; what else is rejected, by halving the batch."""
    part = _Part(connection, Lines(Memory()), isolate=True)
    try:
        async with connection.transaction():
            entered = await part.write(batch)
    except Exception as error:  # the rim of one record: what it raises is its own, unless it passes or stops all
        if remedy_for(error) not in ("isolate", None):
            raise
        if (rejected := isolation.bury(batch, error)) is not None:
            return await _write_isolating(connection, rejected, lines)
    else:
        lines.add(part.lines)
        return entered
    entered = Account()
    for half in isolation.halves(batch):
        entered.add(await _write_isolating(connection, half, lines))
    return entered


class _Part:
    """The writing of a batch, or of a part of it, within a transaction."""

    def __init__(self, connection: AsyncConnection[Any], lines: Lines, *, isolate: bool) -> None:
        self.lines = lines
        self._connection = connection
        self._isolate = isolate
        self._entered = Account()
        self._letters: list[DeadLetter] = []
        # Messages of devices that are retired by now, by their identity, and how many of their records could be stored.
        self._retired: dict[int, tuple[Route, Arrival, int]] = {}
        self._stale = StaleDays()

    async def write(self, batch: Batch) -> Account:
        """The account of what was entered."""
        self._letters += batch.dead_letters
        for stream, records in batch.repeated.items():
            self._entered.of(stream).received += records
            self._entered.of(stream).duplicate += records
        first, *later = rounds_of(batch)
        # One statement takes all the locks, so that two workers can never hold one each and wait for the other's.
        boots = await advance(self._connection, first, batch.births)
        stored = await self._write_round(first, boots)
        for round_ in later:
            stored += await self._write_round(round_, await advance(self._connection, round_))
        self._note_stored(stored)
        await self._stale.write(self._connection)
        await self._write_births(batch.births, boots)
        await move_latest(self._connection, stored)
        await self._bury()
        return self._entered

    async def _write_round(self, runs: Iterable[Run], boots: Mapping[DeviceBoot, Boot]) -> list[Portion]:
        """Store the records of messages in which no sequence number comes twice; what is new of each."""
        portions: list[Portion] = []
        for run in runs:
            boot = boots[run.route.device_id, run.boot]
            if boot.retired:
                self._note_retired(run)
            else:
                portions += portions_of(run, boot, self._letters)
        # A dead letter counts itself as received.
        for portion in portions:
            self._entered.of(portion.stream).received += portion.count
        await self._settle([portion for portion in portions if portion.boot.known_firsts])
        if not self._isolate:
            await copy_rows(self._connection, portions)
            return portions
        for portion, rejected in await isolation.copy_sound(self._connection, portions):
            portion.drop([one.row for one in rejected])
            self._entered.of(portion.stream).received -= len(rejected)
            self._letters += [one.letter for one in rejected]
        return portions

    def _note_retired(self, run: Run) -> None:
        for arrival in run.arrivals:
            *_, records = self._retired.get(id(arrival), (0,))
            self._retired[id(arrival)] = (run.route_of(arrival), arrival, records + 1)

    async def _settle(self, portions: Sequence[Portion]) -> None:
        if not portions:
            return
        settled = await identity.settle(self._connection, portions)
        for stream, records in settled.duplicates.items():
            self._entered.of(stream).duplicate += records
        for stream, records in settled.conflicts.items():
            self._entered.of(stream).conflict += records

    def _note_stored(self, portions: Iterable[Portion]) -> None:
        for portion in portions:
            if not portion.count:
                continue
            counts = self._entered.of(portion.stream)
            counts.stored += portion.count
            if portion.last_received_at - portion.oldest_at > TOLERANCE:
                ages = [row[RECEIVED_AT] - row[AT] for row in portion.rows]
                counts.late += sum(age > TOLERANCE for age in ages)
                counts.backfilled += sum(age > BACKFILL for age in ages)
            if portion.newest_at - portion.first_received_at > TOLERANCE:
                counts.clock_ahead += sum(row[CLOCK_AHEAD] for row in portion.rows)
            self._stale.note(portion)
            self.lines.heard(portion)
            self._entered.newest_ats += portion.newest_ats()

    async def _write_births(self, births: Sequence[Birth], boots: Mapping[DeviceBoot, Boot]) -> None:
        living: list[tuple[Birth, Boot]] = []
        for birth in births:
            boot = boots[birth.device_id, birth.presence.boot]
            if boot.retired:
                detail = f"{birth.device_no} was retired before this was written"
                self._letters.append(
                    DeadLetter(birth.arrival, Refusal("retired_device", detail), birth.device_no, PRESENCE)
                )
            else:
                living.append((birth, boot))
        news = await enter_births(self._connection, living)
        for (birth, boot), new in zip(living, news, strict=True):
            counts = self._entered.of(PRESENCE)
            self.lines.told(birth, boot)
            counts.received += 1
            counts.stored += new
            counts.duplicate += not new

    async def _bury(self) -> None:
        for route, arrival, records in self._retired.values():
            detail = f"{route.device_no} was retired before this was written"
            refusal = Refusal("retired_device", detail, records=records)
            self._letters.append(DeadLetter(arrival, refusal, route.device_no, route.stream))
        news = await dead_letters.keep(self._connection, self._letters)
        for letter, new in zip(self._letters, news, strict=True):
            records = letter.refusal.records
            counts = self._entered.of(letter.stream)
            counts.received += records
            if new:
                counts.dead_lettered += records
                self._entered.refused(letter.refusal.reason, records)
                self._entered.buried.append(letter)
            else:
                counts.duplicate += records
                self._entered.refused_again.append(letter)


def _count_messages(batch: Batch, entered: Account) -> None:
    streams: Counter[str | None] = Counter(batch.messages)
    streams[PRESENCE] += len(batch.births)
    # A refused record's message is counted among those.
    streams.update(letter.stream for letter in batch.dead_letters if letter.refusal.record_index < 0)
    for stream, messages in streams.items():
        if messages:
            entered.of(stream).messages += messages
