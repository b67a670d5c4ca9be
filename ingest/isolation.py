"""Finding what the database rejects, and making that a dead letter, so that the rest can be stored."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection

from ingest.batch import Batch, Birth, DeadLetter
from ingest.copying import by_stream, copy_stream
from ingest.refusal import Reason, Refusal
from ingest.rows import Portion, Row, letter_of
from ingest.run import Run, Span, Told
from store.database import remedy_for
from store.records import PRESENCE

Item: TypeAlias = Run | Told | Birth | DeadLetter

# Of a dead letter that the database would not take whole.
SURE_BYTES: Final = 64 * 1024
SURE_CHARACTERS: Final = 200


def halves(batch: Batch) -> list[Batch]:
    """*batch* in two parts that can be written by themselves; a single run is parted by its records."""
    items = _items(batch)
    if len(items) == 1 and isinstance(items[0], Run):
        items = list(_halves_of(items[0]))
    middle = len(items) // 2
    parts = [_only(part) for part in (items[:middle], items[middle:])]
    parts[0].repeated = batch.repeated
    return parts


def bury(batch: Batch, error: Exception) -> Batch | None:
    """A batch of one dead letter when *batch* is one record that *error* rejects; None when it can still be halved.

    A dead letter that cannot be stored itself is shortened; raises *error* when that has been tried.
    """
    items = _items(batch)
    if not items:
        raise error
    if len(items) > 1:
        return None
    reason, detail = _reason_of(error), _explain(error)
    match items[0]:
        case DeadLetter() as letter:
            part = _only([_shortened(letter, error)])
        case Birth() as birth:
            part = _only([DeadLetter(birth.arrival, Refusal(reason, detail), birth.device_no, PRESENCE)])
        case Told() as told:
            part = _only([letter_of(told, reason, detail)])
        case Run() as run:
            if len(run.seqs) + len(run.spans) > 1:
                return None
            # Of a span without records nothing is buried: those that were refused have their letters.
            part = _only(_buried(run.told(0), reason, detail) if run.seqs else [])
    part.repeated = batch.repeated
    return part


def _buried(told: Told, reason: Reason, detail: str) -> list[Item]:
    """The letter of a record, and its number, which has come all the same."""
    run = Run(told.route, told.boot)
    run.spans.append(Span(told.seq, told.seq + 1, told.arrival))
    return [run, letter_of(told, reason, detail)]


def _items(batch: Batch) -> list[Item]:
    return [*batch.runs.values(), *batch.overlapping, *batch.births, *batch.dead_letters]


def _halves_of(run: Run) -> Iterator[Run]:
    records, spans = range(len(run.seqs)), run.spans
    if records and spans:
        parts = [(records, spans[:0]), (records[:0], spans)]
    else:
        middle = (len(records) + len(spans)) // 2
        parts = [(records[:middle], spans[:middle]), (records[middle:], spans[middle:])]
    for own_records, own_spans in parts:
        part = run.only(own_records)
        part.measure()
        part.spans = own_spans
        yield part


def _only(items: Iterable[Item]) -> Batch:
    batch = Batch()
    for item in items:
        match item:
            case Run():
                batch.runs[item.route.device_id, item.boot] = item
            case Told():
                batch.overlapping.append(item)
            case Birth():
                batch.births.append(item)
            case DeadLetter():
                batch.dead_letters.append(item)
    return batch


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that a table does not take, and what becomes of it."""

    row: Row
    letter: DeadLetter


async def copy_sound(
    connection: AsyncConnection[Any], portions: Iterable[Portion]
) -> list[tuple[Portion, list[Rejected]]]:
    """Write the rows of *portions* that their tables take, and return the others of each that has any.

    A single bad row costs a handful of statements where the server says which it was, else two for each halving.
    """
    rejected: list[tuple[Portion, list[Rejected]]] = []
    for stream, own in by_stream(portions).items():
        rows = [(portion, row) for portion in own for row in portion.rows]
        for place, error in await _SoundCopy(connection, stream).copy([row for _, row in rows]):
            portion, row = rows[place]
            letter = letter_of(portion.told(row), _reason_of(error), _explain(error))
            # Those of a portion stand together.
            if not rejected or rejected[-1][0] is not portion:
                rejected.append((portion, []))
            rejected[-1][1].append(Rejected(row, letter))
    return rejected


# A renewed one keeps what was copied since, and keeps the stack of them flat.
_HOLD: Final[LiteralString] = "SAVEPOINT sound"
_RENEW: Final[LiteralString] = "RELEASE SAVEPOINT sound; SAVEPOINT sound"
_UNDO: Final[LiteralString] = "ROLLBACK TO SAVEPOINT sound"
# "COPY coldchain, line 7", in whatever language the server speaks.
_LINE: Final = re.compile(r"COPY [^,]+,\D*(\d+)")


class _SoundCopy:
    """A COPY that goes on past the rows that are rejected."""

    def __init__(self, connection: AsyncConnection[Any], stream: str) -> None:
        self._connection = connection
        self._stream = stream

    async def copy(self, rows: Sequence[Row]) -> list[tuple[int, Exception]]:
        """The places of the rejected rows, and why."""
        rejected: list[tuple[int, Exception]] = []
        await self._connection.execute(_HOLD)
        start = 0
        while start < len(rows) and (error := await self._try(rows[start:])) is not None:
            start += await self._copy_before_bad(rows[start:], error)
            if (error := await self._try(rows[start : start + 1])) is not None:
                rejected.append((start, error))
            start += 1
        return rejected

    async def _copy_before_bad(self, rows: Sequence[Row], error: Exception) -> int:
        """Write the rows before the first bad one; how many those are."""
        hint = _line_of(error)
        if hint is not None and hint < len(rows) and (hint == 0 or await self._try(rows[:hint]) is None):
            return hint
        good, bad = 0, len(rows)
        while bad - good > 1:
            middle = (good + bad) // 2
            if await self._try(rows[good:middle]) is None:
                good = middle
            else:
                bad = middle
        return good

    async def _try(self, rows: Sequence[Row]) -> Exception | None:
        """Write *rows*, all or none; the error when none. Raises what passes by itself, or stops everything."""
        try:
            await copy_stream(self._connection, self._stream, rows)
        except Exception as error:  # the rim of one row: what it raises is its own
            if remedy_for(error) not in ("isolate", None):
                raise
            await self._connection.execute(_UNDO)
            return error
        await self._connection.execute(_RENEW)
        return None


def _line_of(error: Exception) -> int | None:
    """The row that the server was at, from 0. A hint to save time: nothing is decided by it."""
    context = error.diag.context if isinstance(error, psycopg.Error) else None
    found = _LINE.search(context) if context else None
    return int(found[1]) - 1 if found is not None else None


def _reason_of(error: Exception) -> Reason:
    """The server's or the driver's word about a value; anything else is a fault of ours."""
    return "database_rejected" if remedy_for(error) == "isolate" else "crashed"


def _shortened(letter: DeadLetter, error: Exception) -> DeadLetter:
    """*letter* with as much of it as can surely be kept."""
    arrival, refusal = letter.arrival, letter.refusal
    if len(arrival.payload) <= SURE_BYTES and len(arrival.topic) <= SURE_CHARACTERS:
        raise error
    detail = f"kept shortened, was {len(arrival.payload)} bytes ({_explain(error)}); {refusal.detail}"
    return replace(
        letter,
        arrival=msgspec.structs.replace(
            arrival, topic=arrival.topic[:SURE_CHARACTERS], payload=arrival.payload[:SURE_BYTES]
        ),
        refusal=replace(refusal, detail=detail[:600]),
    )


def _explain(error: Exception) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return f"SQLSTATE {error.sqlstate}: {error.diag.message_primary}"
    return f"{type(error).__name__}: {error}"[:300]
