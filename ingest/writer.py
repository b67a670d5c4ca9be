"""One batch, one transaction: rows, duplicates, conflicts, dead letters, current values and the account of it all.

Nothing here commits half: the caller acknowledges what :func:`write` returned from, and nothing else. Writing a batch
again after an unknown outcome finds its own rows and counts duplicates.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from ingest import account, currents, dead_letters, identity, isolation
from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter, DeviceBoot, Telling
from ingest.boots import Boot, advance
from ingest.clock import BACKFILL, TOLERANCE, after, check_window
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from ingest.rounds import Run, rounds_of
from ingest.rows import AT, CLOCK_AHEAD, Portion, Row, copy_rows
from store.database import remedy_for
from store.records import PRESENCE


async def write(connection: AsyncConnection[Any], batch: Batch, *, worker: str, isolate: bool = False) -> Account:
    """Store *batch* and return its account, committed.

    *connection* is in autocommit; the transaction is made here. Raises psycopg.Error with nothing stored, except when
    the connection is lost during the commit itself: then the outcome is unknown, and writing again is right either way.
    With *isolate*, what the database rejects is found by halving and becomes dead letters; the rest is stored.
    """
    async with connection.transaction():
        entered = await (_write_isolating if isolate else _write_part)(connection, batch)
        _count_messages(batch, entered)
        await account.enter(connection, entered, worker=worker, now=datetime.now(UTC))
    return entered


async def _write_isolating(connection: AsyncConnection[Any], batch: Batch) -> Account:
    try:
        async with connection.transaction():
            return await _write_part(connection, batch)
    except Exception as error:  # the rim of one record: what it raises is its own, unless it passes or stops all
        if remedy_for(error) not in ("isolate", None):
            raise
        if (rejected := isolation.bury(batch, error)) is not None:
            return await _write_isolating(connection, rejected)
    entered = Account()
    for half in isolation.halves(batch):
        entered.add(await _write_isolating(connection, half))
    return entered


async def _write_part(connection: AsyncConnection[Any], batch: Batch) -> Account:
    entered = Account()
    lines = currents.Lines()
    letters = list(batch.dead_letters)
    first, *later = rounds_of(batch.tellings, entered) or [[]]
    # One statement takes all the locks, so that two workers can never hold one each and wait for the other's.
    boots = await advance(connection, first, batch.births)
    stored = await _write_round(connection, first, boots, letters, entered)
    for round_ in later:
        stored += await _write_round(connection, round_, await advance(connection, round_), letters, entered)
    _note_stored(stored, lines, entered)
    await _write_births(connection, batch.births, boots, lines, letters, entered)
    await currents.move_latest(connection, stored)
    await lines.move(connection)
    await _bury(connection, letters, entered)
    return entered


async def _write_round(
    connection: AsyncConnection[Any],
    runs: Iterable[Run],
    boots: Mapping[DeviceBoot, Boot],
    letters: list[DeadLetter],
    entered: Account,
) -> list[Portion]:
    """Store the records of messages in which no sequence number comes twice; what is new of each."""
    portions: list[Portion] = []
    for run in runs:
        boot = boots[run.device_id, run.boot]
        portions += [_portion(telling, boot, letters) for telling in run.tellings]
    for portion in portions:
        entered.of(portion.telling.stream).received += len(portion.rows)
    suspects = [portion for portion in portions if portion.boot.knows(portion.telling.message)]
    if suspects:
        settled = await identity.settle(connection, suspects)
        for stream, records in settled.duplicates.items():
            entered.of(stream).duplicate += records
        for stream, records in settled.conflicts.items():
            entered.of(stream).conflict += records
    await copy_rows(connection, portions)
    return portions


def _portion(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Portion:
    """The rows of a message; a record whose time turns out impossible becomes a dead letter instead."""
    message = telling.message
    if boot.retired:
        if message.indexes:
            letters.append(_retired(telling.arrival, telling.device_no, telling.stream, len(message.indexes)))
        return Portion(telling, boot, [])
    if message.is_clockless:
        message = _with_times(telling, boot, letters)
    device_id, boot_id, seq, received_at = telling.device_id, boot.boot_id, message.seq, telling.arrival.received_at
    ahead = received_at + TOLERANCE
    rows: list[Row] = [
        (device_id, at, boot_id, seq + index, received_at, at > ahead, *fields)  # type: ignore[operator]  # all are times
        for index, at, fields in zip(message.indexes, message.moments, message.fields, strict=True)
    ]
    return Portion(telling, boot, rows)


def _with_times(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Message:
    """The message of a device without a clock, with times in place of what it counted since its boot."""
    message, received_at = telling.message, telling.arrival.received_at
    times: dict[int, datetime] = {}
    for index, moment in zip(message.indexes, message.moments, strict=True):
        try:
            times[index] = _time_after_boot(boot, moment, received_at) if isinstance(moment, int) else moment
        except Refused as refused:
            refusal = Refusal(refused.reason, refused.detail, index)
            letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
    told = message.only(times.__contains__)
    told.moments = list(times.values())
    return told


def _time_after_boot(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at


def _note_stored(portions: Sequence[Portion], lines: currents.Lines, entered: Account) -> None:
    for portion in portions:
        rows = portion.rows
        if not rows:
            continue
        arrival = portion.telling.arrival
        received_at = arrival.received_at
        counts = entered.of(portion.telling.stream)
        counts.stored += len(rows)
        ats = [row[AT] for row in rows]
        oldest_at, newest_at = min(ats), max(ats)
        if received_at - oldest_at > TOLERANCE:
            counts.late += sum(received_at - at > TOLERANCE for at in ats)
            counts.backfilled += sum(received_at - at > BACKFILL for at in ats)
        if newest_at - received_at > TOLERANCE:
            counts.clock_ahead += sum(row[CLOCK_AHEAD] for row in rows)
        lines.heard(portion.telling, portion.boot, newest_at)
        entered.newest_ats.append(newest_at)


def _retired(arrival: Arrival, device_no: str, stream: str, records: int) -> DeadLetter:
    refusal = Refusal("retired_device", f"{device_no} was disposed of before this was written", records=records)
    return DeadLetter(arrival, refusal, device_no, stream)


async def _write_births(
    connection: AsyncConnection[Any],
    births: Sequence[Birth],
    boots: Mapping[DeviceBoot, Boot],
    lines: currents.Lines,
    letters: list[DeadLetter],
    entered: Account,
) -> None:
    living: list[tuple[Birth, Boot]] = []
    for birth in births:
        boot = boots[birth.device_id, birth.presence.boot]
        if boot.retired:
            letters.append(_retired(birth.arrival, birth.device_no, PRESENCE, 1))
        else:
            living.append((birth, boot))
    news = await currents.enter_births(connection, living)
    for (birth, boot), new in zip(living, news, strict=True):
        counts = entered.of(PRESENCE)
        lines.told(birth, boot)
        counts.received += 1
        counts.stored += new
        counts.duplicate += not new


async def _bury(connection: AsyncConnection[Any], letters: Sequence[DeadLetter], entered: Account) -> None:
    news = await dead_letters.keep(connection, letters)
    for letter, new in zip(letters, news, strict=True):
        records = letter.refusal.records
        counts = entered.of(letter.stream)
        counts.received += records
        if new:
            counts.dead_lettered += records
            entered.refused(letter.refusal.reason, records)
            entered.buried.append(letter)
        else:
            counts.duplicate += records
            entered.refused_again.append(letter)


def _count_messages(batch: Batch, entered: Account) -> None:
    streams: Counter[str | None] = Counter(telling.stream for telling in batch.tellings)
    streams[PRESENCE] += len(batch.births)
    # A refused record's message is counted among the tellings.
    streams.update(letter.stream for letter in batch.dead_letters if letter.refusal.record_index < 0)
    for stream, messages in streams.items():
        if messages:
            entered.of(stream).messages += messages
