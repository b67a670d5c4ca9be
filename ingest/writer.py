"""One batch, one transaction: rows, duplicates, conflicts, dead letters, current values and the account of it all.

Nothing here commits half: the caller acknowledges what :func:`write` returned from, and nothing else. Writing a batch
again after an unknown outcome finds its own rows and counts duplicates.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from ingest import account, currents, dead_letters, identity, isolation
from ingest.account import Account
from ingest.batch import Batch, Birth, DeadLetter, Telling
from ingest.boots import Boot, advance
from ingest.clock import TOLERANCE, after, check_window, is_late
from ingest.refusal import Refusal, Refused
from ingest.rounds import rounds_of
from ingest.rows import AT, Portion, Row, copy_rows
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
    boots = await advance(connection, [*first, *batch.births])
    stored = await _write_round(connection, first, boots[: len(first)], letters, entered)
    for round_ in later:
        stored += await _write_round(connection, round_, await advance(connection, round_), letters, entered)
    _note_stored(stored, lines, entered)
    await _write_births(connection, batch.births, boots[len(first) :], lines, letters, entered)
    await currents.move_latest(connection, stored)
    await lines.move(connection)
    await _bury(connection, letters, entered)
    return entered


async def _write_round(
    connection: AsyncConnection[Any],
    tellings: Sequence[Telling],
    boots: Sequence[Boot],
    letters: list[DeadLetter],
    entered: Account,
) -> list[Portion]:
    """Store the records of messages in which no sequence number comes twice; what is new of each."""
    portions = [_portion(telling, boot, letters, entered) for telling, boot in zip(tellings, boots, strict=True)]
    suspects = [portion for portion in portions if portion.boot.suspect]
    if suspects:
        settled = await identity.settle(connection, suspects)
        for stream, records in settled.duplicates.items():
            entered.of(stream).duplicate += records
        for stream, records in settled.conflicts.items():
            entered.of(stream).conflict += records
    await copy_rows(connection, portions)
    return portions


def _portion(telling: Telling, boot: Boot, letters: list[DeadLetter], entered: Account) -> Portion:
    """The rows of a message; a record whose time turns out impossible becomes a dead letter instead."""
    if boot.retired:
        if telling.message.samples:
            letters.append(_retired(telling, len(telling.message.samples)))
        return Portion(telling, boot, [])
    device_id, boot_id, received_at = telling.device_id, boot.boot_id, telling.arrival.received_at
    ahead = received_at + TOLERANCE
    rows: list[Row] = []
    for sample in telling.message.samples:
        at = sample.at
        if at is None:
            try:
                at = _time_after_boot(boot, sample.uptime_ms or 0, received_at)
            except Refused as refused:
                refusal = Refusal(refused.reason, refused.detail, sample.index)
                letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
                continue
        rows.append((device_id, at, boot_id, sample.seq, received_at, at > ahead, *sample.fields))
    # A dead letter counts itself as received.
    entered.of(telling.stream).received += len(rows)
    return Portion(telling, boot, rows)


def _time_after_boot(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at


def _note_stored(portions: Sequence[Portion], lines: currents.Lines, entered: Account) -> None:
    for portion in portions:
        if not portion.rows:
            continue
        arrival = portion.telling.arrival
        counts = entered.of(portion.telling.stream)
        ats = [row[AT] for row in portion.rows]
        counts.stored += len(ats)
        if is_late(min(ats), arrival.received_at):
            counts.late += sum(is_late(at, arrival.received_at) for at in ats)
        newest_at = max(ats)
        lines.heard(portion.telling.device_id, portion.boot, newest_at, arrival)
        entered.newest_ats.append(newest_at)


def _retired(item: Telling | Birth, records: int) -> DeadLetter:
    refusal = Refusal("retired_device", f"{item.device_no} was disposed of before this was written", records=records)
    stream = item.stream if isinstance(item, Telling) else PRESENCE
    return DeadLetter(item.arrival, refusal, item.device_no, stream)


async def _write_births(
    connection: AsyncConnection[Any],
    births: Sequence[Birth],
    boots: Sequence[Boot],
    lines: currents.Lines,
    letters: list[DeadLetter],
    entered: Account,
) -> None:
    living = [(birth, boot) for birth, boot in zip(births, boots, strict=True) if not boot.retired]
    letters += [_retired(birth, 1) for birth, boot in zip(births, boots, strict=True) if boot.retired]
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
    for telling in batch.tellings:
        entered.of(telling.stream).messages += 1
    for _ in batch.births:
        entered.of(PRESENCE).messages += 1
    for letter in batch.dead_letters:
        # A refused record's message is counted among the tellings.
        entered.of(letter.stream).messages += letter.refusal.record_index < 0
