"""Within which temperatures a probe is well: ``coldchain_bands``, the one place that says so.

The most specific row counts: a device, a model at a kind of site, a model, a kind at a kind of site, a kind.

A changed band counts at once for the newest readings and the alert, and for each day that is rolled up from then on:
the running one within minutes, yesterday until its cut-off. Older days keep the band they were judged by, unless
something late has one rolled up again. :mod:`fleet.days.due` comes to all of it by itself: nothing is asked for here.
Change them within :func:`fleet.acting.acting`.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.ledger.words import SITE_KINDS
from store.records import COLDEST_C, WARMEST_C

Place = Literal["store", "vehicle"]
# An excursion ends half a degree inside, so there must be an inside; the table asks for the same.
LEAST_WIDTH_C: Final = 1
# Days are judged one by one, and what is missing for two intervals is a gap: beyond half a day nothing would ever be
# an excursion, or a gap.
SECONDS_MAX: Final = 43_200
# Probes tell every few minutes; by less than this, each of them would be missing most of the time.
INTERVAL_SECONDS_MIN: Final = 60
GOODS_MAX: Final = 128
BASIS_MAX: Final = 500
_SECONDS: Final = {
    "tolerated_seconds": 0,
    "door_seconds": 1,
    "interval_seconds": INTERVAL_SECONDS_MIN,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

LIST: Final[LiteralString] = """
SELECT band_id, b.kind, m.model_no, b.site_kind, d.device_no, goods_zh, goods_en, place, low_c, high_c,
       tolerated_seconds, door_seconds, interval_seconds, basis
FROM coldchain_bands AS b LEFT JOIN models AS m ON m.model_id = b.model_id
LEFT JOIN devices AS d ON d.device_id = b.device_id
ORDER BY b.kind, d.device_no NULLS FIRST, m.model_no NULLS FIRST, b.site_kind NULLS FIRST
"""
KINDS: Final = "SELECT kind, 'coldchain' = ANY (streams) FROM kinds ORDER BY kind"
MODEL: Final = "SELECT model_id, kind FROM models WHERE model_no = %(model_no)s"
DEVICE: Final = """
SELECT d.device_id, d.model_id, m.model_no, m.kind FROM devices AS d JOIN models AS m USING (model_id)
WHERE d.device_no = %(device_no)s
"""
# What would count before a row of the device that names no model.
BEFORE: Final = """
SELECT band_id FROM coldchain_bands
WHERE device_id = %(device_id)s AND model_id = %(model_id)s
  AND (site_kind IS NULL OR site_kind = %(site_kind)s::text)
ORDER BY band_id LIMIT 1
"""
# What a new row is not told is as the table has it by default; a test compares the two.
PUT: Final[LiteralString] = """
INSERT INTO coldchain_bands AS x (kind, model_id, site_kind, device_id, goods_zh, goods_en, place, low_c, high_c,
    tolerated_seconds, door_seconds, interval_seconds, basis)
VALUES (%(kind)s, %(model_id)s, %(site_kind)s, %(device_id)s, %(goods_zh)s, %(goods_en)s,
    coalesce(%(place)s::text, 'store'), %(low_c)s, %(high_c)s, coalesce(%(tolerated_seconds)s::int4, 1800),
    coalesce(%(door_seconds)s::int4, 600), coalesce(%(interval_seconds)s::int4, 900), %(basis)s)
ON CONFLICT (kind, model_id, site_kind, device_id) DO UPDATE
SET goods_zh = excluded.goods_zh, goods_en = excluded.goods_en, low_c = excluded.low_c, high_c = excluded.high_c,
    basis = excluded.basis, place = coalesce(%(place)s::text, x.place),
    tolerated_seconds = coalesce(%(tolerated_seconds)s::int4, x.tolerated_seconds),
    door_seconds = coalesce(%(door_seconds)s::int4, x.door_seconds),
    interval_seconds = coalesce(%(interval_seconds)s::int4, x.interval_seconds), updated_at = now()
WHERE (x.goods_zh, x.goods_en, x.low_c, x.high_c, x.basis, x.place, x.tolerated_seconds, x.door_seconds,
       x.interval_seconds)
   <> (excluded.goods_zh, excluded.goods_en, excluded.low_c, excluded.high_c, excluded.basis,
       coalesce(%(place)s::text, x.place), coalesce(%(tolerated_seconds)s::int4, x.tolerated_seconds),
       coalesce(%(door_seconds)s::int4, x.door_seconds), coalesce(%(interval_seconds)s::int4, x.interval_seconds))
"""
GENERAL: Final = """
SELECT kind, model_id IS NULL AND site_kind IS NULL AND device_id IS NULL FROM coldchain_bands
WHERE band_id = %(band_id)s
"""
REMOVE: Final = "DELETE FROM coldchain_bands WHERE band_id = %(band_id)s"


@dataclass(frozen=True, slots=True)
class Band:
    """Of a kind of device; of one model of it, at one kind of site, or of one device, where those are named."""

    band_id: int
    kind: str
    model_no: str | None
    site_kind: str | None
    device_no: str | None
    goods_zh: str
    goods_en: str
    place: str
    low_c: float
    high_c: float
    tolerated_seconds: int
    door_seconds: int
    interval_seconds: int
    basis: str


@dataclass(frozen=True, slots=True)
class Order:
    """What is to count, for whom, and from which norm or decision it is.

    What is None of the last four stays as it is in a band that stands, and is the table's default in a new one.
    """

    kind: str
    low_c: float
    high_c: float
    goods_zh: str
    goods_en: str
    basis: str
    model_no: str | None = None
    site_kind: str | None = None
    device_no: str | None = None
    place: Place | None = None
    tolerated_seconds: int | None = None
    door_seconds: int | None = None
    interval_seconds: int | None = None


def bands(connection: Connection[Any]) -> list[Band]:
    """All, by kind, the general before the particular, those of single devices last."""
    with connection.cursor(row_factory=class_row(Band)) as cursor:
        return cursor.execute(LIST.encode()).fetchall()


def put(connection: Connection[Any], order: Order) -> None:
    """Set the band of a kind, a model of it, one device, at all sites or at a kind of site; same again changes nothing.

    Raises UnknownEntryError; RefusedError for a kind that tells no temperatures, what is of another kind or model, a
    band that would never count, and values that make no sense.
    """
    _require_kind(connection, order.kind)
    if order.site_kind is not None and order.site_kind not in SITE_KINDS:
        raise UnknownEntryError(f"there is no kind of site {order.site_kind!r}; there are {', '.join(SITE_KINDS)}.")
    model_id = _model_id(connection, order)
    device_id = _device_id(connection, order)
    _require_band(order.low_c, order.high_c)
    _require_seconds(order)
    for name, text, at_most in (
        ("goods_zh", order.goods_zh, GOODS_MAX),
        ("goods_en", order.goods_en, GOODS_MAX),
        ("basis", order.basis, BASIS_MAX),
    ):
        _require_text(name, text, at_most)
    row = asdict(order) | {"model_id": model_id, "device_id": device_id}
    connection.execute(PUT.encode(), row)


def remove(connection: Connection[Any], band_id: int) -> None:
    """Let the next general band count again. Raises UnknownEntryError; RefusedError for the general one of a kind."""
    found = connection.execute(GENERAL, {"band_id": band_id}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no band has the number {band_id}.")
    kind, is_general = found
    if is_general:
        raise RefusedError(
            f"band {band_id} is the general one of {kind}: probes that no other band fits would vanish from the "
            "dashboards and the alerts. Set it to other values instead."
        )
    connection.execute(REMOVE, {"band_id": band_id})


def _require_kind(connection: Connection[Any], kind: str) -> None:
    kinds = dict(connection.execute(KINDS).fetchall())
    if kind not in kinds:
        raise UnknownEntryError(f"there is no kind of device {kind!r}.")
    if not kinds[kind]:
        telling = ", ".join(name for name, tells in kinds.items() if tells)
        raise RefusedError(f"a {kind} tells no temperatures: a band is of one of these kinds: {telling}.")


def _model_id(connection: Connection[Any], order: Order) -> int | None:
    if order.model_no is None:
        return None
    found = connection.execute(MODEL, {"model_no": order.model_no}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no model has the number {order.model_no!r}.")
    model_id, kind = found
    if kind != order.kind:
        raise RefusedError(f"{order.model_no} is a {kind}, not a {order.kind}: name its own kind.")
    return int(model_id)


def _device_id(connection: Connection[Any], order: Order) -> int | None:
    if order.device_no is None:
        return None
    found = connection.execute(DEVICE, {"device_no": order.device_no}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no device has the number {order.device_no!r}.")
    device_id, model_id, model_no, kind = found
    if kind != order.kind:
        raise RefusedError(f"{order.device_no} is a {kind}, not a {order.kind}: name its own kind.")
    if order.model_no is None:
        asked = {"device_id": device_id, "model_id": model_id, "site_kind": order.site_kind}
        before = connection.execute(BEFORE, asked).fetchone()
        if before is not None:
            raise RefusedError(
                f"band {before[0]} names {order.device_no} with its model and would count before this one: "
                f"name the model {model_no} too, or remove that one first."
            )
    elif order.model_no != model_no:
        raise RefusedError(
            f"{order.device_no} is of the model {model_no}, not {order.model_no}: name its own, or none."
        )
    return int(device_id)


def _require_band(low_c: float, high_c: float) -> None:
    # Whatever is no number is in no span.
    if not (COLDEST_C <= low_c <= WARMEST_C and COLDEST_C <= high_c <= WARMEST_C):
        raise RefusedError(
            f"no probe tells a temperature beyond {COLDEST_C:g} to {WARMEST_C:g} °C: give low_c and high_c within."
        )
    if not high_c >= low_c + LEAST_WIDTH_C:
        raise RefusedError(
            f"an excursion ends half a degree inside its band: give high_c at least {LEAST_WIDTH_C} °C above low_c."
        )


def _require_seconds(order: Order) -> None:
    for name, least in _SECONDS.items():
        seconds = getattr(order, name)
        if seconds is not None and not least <= seconds <= SECONDS_MAX:
            raise RefusedError(f"{name} is {seconds}: give {least} to {SECONDS_MAX}, which is half a day.")


def _require_text(name: str, text: str, at_most: int) -> None:
    if not text.strip():
        raise RefusedError(
            f"{name} is empty: a band says for which goods it is, in both languages, and on which basis."
        )
    if len(text) > at_most or _CONTROL.search(text):
        raise RefusedError(f"{name} is one line of at most {at_most} characters.")
