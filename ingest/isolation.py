"""Finding what the database rejects: halve the batch until one record stands alone, and make that a dead letter."""

from dataclasses import replace
from typing import Final

import msgspec
import psycopg

from ingest.batch import Batch, Birth, DeadLetter, Telling
from ingest.refusal import WHOLE_MESSAGE, Reason, Refusal
from store.database import remedy_for

# Of a dead letter that the database would not take whole.
SURE_BYTES: Final = 64 * 1024
SURE_CHARACTERS: Final = 200


def halves(batch: Batch) -> list[Batch]:
    """*batch* in two parts that can be written by themselves; a single message is parted by its records."""
    if len(batch.tellings) == 1 and not batch.births and not batch.dead_letters:
        return [_only(tellings=[part]) for part in _telling_halves(batch.tellings[0])]
    items: list[Telling | Birth | DeadLetter] = [*batch.tellings, *batch.births, *batch.dead_letters]
    middle = len(items) // 2
    return [
        _only(
            tellings=[item for item in part if isinstance(item, Telling)],
            births=[item for item in part if isinstance(item, Birth)],
            dead_letters=[item for item in part if isinstance(item, DeadLetter)],
        )
        for part in (items[:middle], items[middle:])
    ]


def bury(batch: Batch, error: Exception) -> Batch | None:
    """A batch of one dead letter when *batch* is one record that *error* rejects; None when it can still be halved.

    A dead letter that cannot be stored itself is shortened; raises *error* when that has been tried.
    """
    if len(batch.tellings) + len(batch.births) + len(batch.dead_letters) != 1:
        return None
    if batch.dead_letters:
        return _only(dead_letters=[_shortened(batch.dead_letters[0], error)])
    # The server's or the driver's word about a value; anything else is a fault of ours.
    reason: Reason = "database_rejected" if remedy_for(error) == "isolate" else "crashed"
    detail = _explain(error)
    if batch.births:
        birth = batch.births[0]
        refusal = Refusal(reason, detail)
        return _only(dead_letters=[DeadLetter(birth.arrival, refusal, birth.device_no, "presence")])
    telling = batch.tellings[0]
    indexes = telling.message.indexes
    if len(indexes) > 1:
        return None
    refusal = Refusal(reason, detail, indexes[0] if indexes else WHOLE_MESSAGE)
    return _only(dead_letters=[DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream)])


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


def _telling_halves(telling: Telling) -> list[Telling]:
    indexes = telling.message.indexes
    middle = len(indexes) // 2
    return [
        msgspec.structs.replace(telling, message=telling.message.only(set(part).__contains__))
        for part in (indexes[:middle], indexes[middle:])
    ]


def _only(
    *,
    tellings: list[Telling] | None = None,
    births: list[Birth] | None = None,
    dead_letters: list[DeadLetter] | None = None,
) -> Batch:
    return Batch(tellings or [], births or [], dead_letters or [])


def _explain(error: Exception) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return f"SQLSTATE {error.sqlstate}: {error.diag.message_primary}"
    return f"{type(error).__name__}: {error}"[:300]
