"""Arrays as query parameters, in PostgreSQL's binary form.

psycopg writes a list item by item in Python, and a batch hands over a dozen columns of thousands: packing a column in
one call halves what a small message costs. Columns hold no NULL: where a value can be missing, a stand-in is agreed.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from typing import Final

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

_HEAD: Final = struct.Struct(">iiIii")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# PostgreSQL's -infinity: no device ever sends it, and NULLIF takes it out again.
NO_TIME: Final = -(2**63)


class Int4s(list[int]):
    """An ``int4[]``."""


class Int8s(list[int]):
    """An ``int8[]``."""


class Texts(list[str]):
    """A ``text[]``."""


class Blobs(list[bytes]):
    """A ``bytea[]``."""


class Times(list[int]):
    """A ``timestamptz[]``: microseconds since 2000, or NO_TIME."""


def times(instants: Iterable[datetime | None]) -> Times:
    """*instants* as an array; None becomes ``-infinity``."""
    return Times([NO_TIME if at is None else (at - _EPOCH) // _MICROSECOND for at in instants])


def register(adapters: AdaptersMap) -> None:
    """Teach a connection these arrays."""
    for kind, name, item in (
        (Int4s, "int4", "i"),
        (Int8s, "int8", "q"),
        (Times, "timestamptz", "q"),
        (Texts, "text", ""),
        (Blobs, "bytea", ""),
    ):
        info: TypeInfo | None = adapters.types.get(name)
        if info is None:
            raise LookupError(name)
        adapters.register_dumper(kind, _dumper(info, item))


@cache
def _dumper(info: TypeInfo, item: str) -> type[Dumper]:
    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = info.array_oid

        def dump(self, obj: list[object]) -> Buffer:
            head = _HEAD.pack(1, 0, info.oid, len(obj), 1) if obj else _HEAD.pack(0, 0, info.oid, 0, 0)[:12]
            return head + (_fixed(obj, item) if item else _varying(obj))

    return ArrayDumper


def _fixed(items: list[object], item: str) -> bytes:
    size = struct.calcsize(f">{item}")
    flat: list[object] = [size] * (2 * len(items))
    flat[1::2] = items
    return struct.pack(">" + f"i{item}" * len(items), *flat)


def _varying(items: list[object]) -> bytes:
    parts = [item if isinstance(item, bytes) else str(item).encode() for item in items]
    sizes = map(struct.Struct(">i").pack, map(len, parts))
    return b"".join(chain.from_iterable(zip(sizes, parts, strict=True)))
