"""Dead letters once more on the way of every message, when what was wrong with them or around them is mended.

A step takes as many letters as one transaction should hold, whatever their size: their rows and their marks are
committed together or not at all. Each letter is locked for its step, so of two replays at once the second waits and
finds it done; what a device sends meanwhile is told apart by its identity, as ever.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.quarantine import CHOSEN, NO_END, Choice, count
from ingest.refusal import WHOLE_MESSAGE, Reason
from ingest.registry import DEVICES, Device, Registry
from ingest.writer import write
from store.database import remedy_for

# How the account names what a replay brought, beside the workers.
REPLAY_WORKER: Final = "replay"
# Of one step, whichever is reached first.
LETTERS_MAX: Final = 500
RECORDS_MAX: Final = 20_000
BYTES_MAX: Final = 16 * 1024 * 1024
# Of the letters that are refused again, so many are told one by one.
REFUSALS_MAX: Final = 50
# The server may end a transaction to save another.
TRIES: Final = 3

TAKE: Final = f"""
SELECT d.dead_letter_id, d.received_at, d.topic, d.device_no, d.record_index, d.records, d.payload_id,
       octet_length(p.payload) AS payload_bytes
FROM dead_letters AS d JOIN dead_letter_payloads AS p USING (payload_id)
WHERE {CHOSEN} ORDER BY d.dead_letter_id LIMIT %(limit)s FOR UPDATE OF d
"""  # noqa: S608 - a constant in a constant
PAYLOADS: Final = (
    "SELECT payload_id, payload FROM dead_letter_payloads WHERE payload_id = ANY (%(payload_ids)s::int8[])"
)
# Asked in the step itself: a device registered a moment ago is known, and no more than the letters' devices are read.
DEVICES_OF: Final = f"{DEVICES} WHERE d.device_no = ANY (%(device_nos)s::text[])"
MARK: Final = "UPDATE dead_letters SET replayed_at = now() WHERE dead_letter_id = ANY (%(ids)s::int8[])"
# The reason that holds now. A letter that never named a device keeps its first: a replay can only say of it that its
# topic is none.
RESTATE: Final = """
UPDATE dead_letters AS d SET reason = r.reason, detail = r.detail
FROM unnest(%(ids)s::int8[], %(reasons)s::text[], %(details)s::text[]) AS r (dead_letter_id, reason, detail)
WHERE d.dead_letter_id = r.dead_letter_id AND d.device_no IS NOT NULL
  AND (d.reason, d.detail) IS DISTINCT FROM (r.reason, r.detail)
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that is taken up."""

    dead_letter_id: int
    received_at: datetime
    topic: str
    device_no: str | None
    record_index: int
    records: int
    payload_id: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class RefusedAgain:
    """A letter that still cannot be stored, and why not now."""

    dead_letter_id: int
    reason: Reason
    detail: str


@dataclass(slots=True)
class Replayed:
    """What a replay brought: letters taken up, those refused again, and the records' outcomes.

    ``dead_lettered`` records came out of letters about whole messages, and have letters of their own now.
    """

    letters: int = 0
    refused_again: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead_lettered: int = 0
    refusals: list[RefusedAgain] = field(default_factory=list)

    def add(self, other: "Replayed") -> None:
        """Take over what another step brought."""
        for name in ("letters", "refused_again", "stored", "duplicate", "conflict", "dead_lettered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refusals += other.refusals[: REFUSALS_MAX - len(self.refusals)]


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction brought, and the id it ended at."""

    done: Replayed
    through: int
    account: Account


def waiting(
    *,
    ids: list[int] | None = None,
    reason: Reason | None = None,
    device_no: str | None = None,
    stream: str | None = None,
) -> Choice:
    """Of the letters that wait, those that are meant.

    What has ended a process may end this one: it is meant only when it is named, by its id or its reason.
    """
    unnamed = ids is None and reason is None
    return Choice(
        ids=ids,
        reason=reason,
        except_reason="crashed" if unnamed else None,
        device_no=device_no,
        stream=stream,
        replayed=False,
    )


async def replay(
    connection: AsyncConnection[Any], choice: Choice, *, progress: Callable[[Replayed], None] = lambda _: None
) -> Replayed:
    """Replay all chosen dead letters that are here now, any number of times; *progress* hears after each commit.

    *connection* is in autocommit. A letter that is refused again stays, with the reason that holds now. Raises
    psycopg.Error with the step undone and those before it done; to replay again is right then.
    """
    _, through = await count(connection, choice)
    done = Replayed()
    after = 0
    while (step := await _tried(connection, choice, after=after, through=through)) is not None:
        after = step.through
        done.add(step.done)
        progress(done)
    return done


async def replay_some(
    connection: AsyncConnection[Any],
    choice: Choice,
    *,
    after: int = 0,
    through: int = NO_END,
    limit: int = LETTERS_MAX,
) -> Step | None:
    """Replay the first of the chosen letters above *after*, in one transaction; None when there are none."""
    async with connection.transaction():
        letters = await _take(connection, choice.within(after=after, through=through) | {"limit": limit})
        if not letters:
            return None
        payloads = await _payloads(connection, {letter.payload_id for letter in letters})
        registry = await _registry(connection, {letter.device_no for letter in letters if letter.device_no is not None})
        batch = await _batch(letters, payloads, registry)
        account = await write(connection, batch, worker=REPLAY_WORKER, isolate=True)
        refused = _refused_again(letters, payloads, account)
        still = {one.dead_letter_id for one in refused}
        await connection.execute(
            MARK, {"ids": [one.dead_letter_id for one in letters if one.dead_letter_id not in still]}
        )
        await _restate(connection, refused)
    return Step(_counted(letters, refused, account), letters[-1].dead_letter_id, account)


async def _tried(connection: AsyncConnection[Any], choice: Choice, *, after: int, through: int) -> Step | None:
    for tries_left in reversed(range(TRIES)):
        try:
            return await replay_some(connection, choice, after=after, through=through)
        except psycopg.Error as error:
            if not tries_left or connection.closed or remedy_for(error) != "retry":
                raise
    raise AssertionError("the last try returns or raises")


async def _take(connection: AsyncConnection[Any], parameters: Mapping[str, object]) -> Sequence[Letter]:
    """The letters of a step, locked: as many as it should hold, and one at least."""
    async with connection.cursor(row_factory=class_row(Letter)) as cursor:
        await cursor.execute(TAKE, parameters)
        letters = await cursor.fetchall()
    seen: set[int] = set()
    records = size_bytes = 0
    for place, letter in enumerate(letters):
        more_bytes = 0 if letter.payload_id in seen else letter.payload_bytes
        is_full = records + letter.records > RECORDS_MAX or (more_bytes and size_bytes + more_bytes > BYTES_MAX)
        if place and is_full:
            return letters[:place]
        records += letter.records
        size_bytes += more_bytes
        seen.add(letter.payload_id)
    return letters


async def _payloads(connection: AsyncConnection[Any], payload_ids: set[int]) -> dict[int, bytes]:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(PAYLOADS, {"payload_ids": list(payload_ids)})
        return {payload_id: bytes(payload) async for payload_id, payload in cursor}


async def _registry(connection: AsyncConnection[Any], device_nos: set[str]) -> Registry:
    cursor = await connection.execute(DEVICES_OF, {"device_nos": list(device_nos)})
    registry = Registry()
    registry.replace(
        {
            device_no: Device(device_id, frozenset(streams), retired)
            async for device_no, device_id, retired, _, streams in cursor
        }
    )
    return registry


async def _batch(letters: Sequence[Letter], payloads: Mapping[int, bytes], registry: Registry) -> Batch:
    """What *letters* hold, as if it came when it came; a message with several letters is read once."""
    wanted: dict[tuple[str, int, datetime], set[int]] = {}
    for letter in letters:
        wanted.setdefault((letter.topic, letter.payload_id, letter.received_at), set()).add(letter.record_index)
    batch = Batch()
    for (topic, payload_id, received_at), indexes in wanted.items():
        part = Batch()
        take_in([Arrival(topic, payloads[payload_id], received_at)], registry, part)
        if WHOLE_MESSAGE not in indexes:
            _keep_only(part, indexes)
        batch.add(part)
        # A message may hold 500 records that have to be explained: others get their turn in between.
        await asyncio.sleep(0)
    return batch


def _keep_only(part: Batch, indexes: set[int]) -> None:
    """Of a message of which some records were stored at the time, only the *indexes* that were not.

    Refused as a whole now, it is so for each of them: a letter for all of it would hold again what was stored.
    """
    for key, run in list(part.runs.items()):
        first = run.spans[0].first if run.spans else run.seqs[0]
        part.runs[key] = kept = run.only([place for place, seq in enumerate(run.seqs) if seq - first in indexes])
        kept.measure()
        kept.spans = run.spans
    part.dead_letters[:] = [
        replace(letter, refusal=replace(letter.refusal, record_index=index, records=1))
        for letter in part.dead_letters
        for index in sorted(indexes)
        if letter.refusal.record_index in (WHOLE_MESSAGE, index)
    ]


def _refused_again(letters: Sequence[Letter], payloads: Mapping[int, bytes], account: Account) -> list[RefusedAgain]:
    """Those of *letters* that stay, because the account names them, or their whole message, among the refused."""
    named = {
        (one.arrival.topic, one.arrival.payload, one.refusal.record_index): one.refusal
        for one in (*account.buried, *account.refused_again)
    }
    refused = []
    for letter in letters:
        place = (letter.topic, payloads[letter.payload_id])
        refusal = named.get((*place, letter.record_index)) or named.get((*place, WHOLE_MESSAGE))
        if refusal is not None:
            # It may quote half a character, or a NUL.
            detail = refusal.detail.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
            refused.append(RefusedAgain(letter.dead_letter_id, refusal.reason, detail))
    return refused


async def _restate(connection: AsyncConnection[Any], refused: Sequence[RefusedAgain]) -> None:
    if refused:
        columns = {
            "ids": [one.dead_letter_id for one in refused],
            "reasons": [one.reason for one in refused],
            "details": [one.detail for one in refused],
        }
        await connection.execute(RESTATE, columns)


def _counted(letters: Sequence[Letter], refused: Sequence[RefusedAgain], account: Account) -> Replayed:
    done = Replayed(letters=len(letters), refused_again=len(refused), refusals=list(refused[:REFUSALS_MAX]))
    for counts in account.streams.values():
        done.stored += counts.stored
        done.duplicate += counts.duplicate
        done.conflict += counts.conflict
        done.dead_lettered += counts.dead_lettered
    # The account counts a refusal that is here already as a duplicate.
    done.duplicate -= sum(one.refusal.records for one in account.refused_again)
    return done
