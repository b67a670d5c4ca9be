"""Within which temperatures a probe is well: what may be entered, what counts, and from when on."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fleet.days.bands import Band, Order, bands, put, remove
from fleet.days.due import CUT_OFF, Rolled, is_due
from fleet.errors import RefusedError, UnknownEntryError
from store.records import COLDEST_C, WARMEST_C
from tests.integration.days.conftest import DAY, LATER, World, at

FREEZER = Order(kind="logger", low_c=-30, high_c=-15, goods_zh="冷冻肉", goods_en="frozen meat", basis="规程")
AUDITED = "SELECT count(*) FROM audit WHERE entity = 'coldchain_bands'"


@pytest.fixture
def store(world: World) -> World:
    """A cold store with a logger, L1, and a market with a scale, S1."""
    world.site("C", kind="cold_store")
    world.site("M")
    world.device("L1", "C", "logger")
    world.device("S1", "M")
    return world


def _high(world: World, device_no: str = "L1") -> float | None:
    """The upper limit that counts for a device; None where no band does."""
    query = "SELECT max(high_c) FROM device_bands JOIN devices USING (device_id) WHERE device_no = %s"
    high: float | None = world.value(query, device_no)
    return high


def _band(world: World, **asked: object) -> Band:
    """The one band with these values."""
    [found] = [each for each in bands(world.connection) if all(getattr(each, key) == asked[key] for key in asked)]
    return found


def _put(world: World, **changed: Any) -> None:
    put(world.connection, replace(FREEZER, **changed))


def test_most_specific_band_counts(store: World) -> None:
    """A device, a model at a kind of site, a model, a kind at a kind of site, a kind; each gives way when gone."""
    keys: list[dict[str, Any]] = [
        {"site_kind": "cold_store"},
        {"model_no": "logger"},
        {"model_no": "logger", "site_kind": "cold_store"},
        {"device_no": "L1"},
    ]
    highs = [8.0]
    assert _high(store) == 8
    for high, key in enumerate(keys, -20):
        _put(store, high_c=high, **key)
        highs.append(high)
        assert _high(store) == high
    for key in reversed(keys):
        assert _high(store) == highs.pop()
        remove(store.connection, _band(store, **{"model_no": None, "site_kind": None, "device_no": None} | key).band_id)
    assert [_high(store)] == highs
    assert [each.kind for each in bands(store.connection)] == ["door_sensor", "logger"]


def test_list_names_what_a_band_is_of(store: World) -> None:
    """By its numbers and not by ours; those of a kind before those of a model, and of a device."""
    _put(store, device_no="L1", model_no="logger")
    _put(store, model_no="logger", site_kind="cold_store")
    _put(store, site_kind="cold_store")
    keys = [(each.kind, each.site_kind, each.model_no, each.device_no) for each in bands(store.connection)]
    assert keys == [
        ("door_sensor", None, None, None),
        ("logger", None, None, None),
        ("logger", "cold_store", None, None),
        ("logger", "cold_store", "logger", None),
        ("logger", None, "logger", "L1"),
    ]


def test_new_band_is_as_the_table_has_it_by_default(store: World) -> None:
    """Where it is told nothing of place and times."""
    _put(store, device_no="L1")
    mine = _band(store, device_no="L1")
    store.add(
        "coldchain_bands",
        kind="logger",
        site_kind="ecommerce",
        goods_zh="x",
        goods_en="x",
        low_c=0,
        high_c=1,
        basis="x",
    )
    tables = _band(store, site_kind="ecommerce")
    names = ("place", "tolerated_seconds", "door_seconds", "interval_seconds")
    assert [getattr(mine, name) for name in names] == [getattr(tables, name) for name in names]


def test_what_is_left_out_stays(store: World) -> None:
    """Of a band that stands; what is given is set."""
    _put(store, device_no="L1", place="vehicle", tolerated_seconds=0, door_seconds=60, interval_seconds=300)
    before = _band(store, device_no="L1")
    _put(store, device_no="L1", high_c=-18)
    assert _band(store, device_no="L1") == replace(before, high_c=-18)
    _put(store, device_no="L1", high_c=-18, tolerated_seconds=600, basis="另一规程")
    assert _band(store, device_no="L1") == replace(before, high_c=-18, tolerated_seconds=600, basis="另一规程")


@pytest.mark.parametrize(
    "changed",
    [
        {"low_c": -29.5},
        {"high_c": -18},
        {"goods_zh": "冰淇淋"},
        {"goods_en": "ice cream"},
        {"basis": "y"},
        {"place": "vehicle"},
        {"tolerated_seconds": 0},
        {"door_seconds": 60},
        {"interval_seconds": 600},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_audit_has_a_row_where_something_differs(store: World, changed: dict[str, Any]) -> None:
    """And none where the same is set again, whether the defaults are said or not."""
    _put(store)
    count = store.value(AUDITED)
    _put(store)
    _put(store, place="store", tolerated_seconds=1800, door_seconds=600, interval_seconds=900)
    assert store.value(AUDITED) == count
    _put(store, **changed)
    assert store.value(AUDITED) == count + 1
    name, value = next(iter(changed.items()))
    assert getattr(_band(store, kind="logger"), name) == value


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"kind": "toaster"}, UnknownEntryError, "no kind of device 'toaster'"),
        ({"kind": "trace_scale"}, RefusedError, "tells no temperatures: .*: door_sensor, logger"),
        ({"site_kind": "cold-store"}, UnknownEntryError, "no kind of site 'cold-store'; there are .*cold_store"),
        ({"model_no": "X"}, UnknownEntryError, "no model has the number 'X'"),
        ({"model_no": "trace_scale"}, RefusedError, "trace_scale is a trace_scale, not a logger"),
        ({"device_no": "X"}, UnknownEntryError, "no device has the number 'X'"),
        ({"device_no": "S1"}, RefusedError, "S1 is a trace_scale, not a logger"),
        ({"device_no": "L1", "model_no": "L-9"}, RefusedError, "L1 is of the model logger, not L-9"),
        ({"high_c": -29.5}, RefusedError, "at least 1 °C above low_c"),
        ({"high_c": -31}, RefusedError, "at least 1 °C above low_c"),
        ({"low_c": COLDEST_C - 0.1}, RefusedError, "beyond -273.15 to 1000 °C"),
        ({"high_c": WARMEST_C + 0.1}, RefusedError, "beyond -273.15 to 1000 °C"),
        ({"low_c": math.nan}, RefusedError, "beyond -273.15 to 1000 °C"),
        ({"high_c": math.inf}, RefusedError, "beyond -273.15 to 1000 °C"),
        ({"tolerated_seconds": -1}, RefusedError, "tolerated_seconds is -1: give 0 to 43200"),
        ({"tolerated_seconds": 43_201}, RefusedError, "tolerated_seconds is 43201"),
        ({"door_seconds": 0}, RefusedError, "door_seconds is 0: give 1 to 43200"),
        ({"door_seconds": 43_201}, RefusedError, "door_seconds is 43201"),
        ({"interval_seconds": 59}, RefusedError, "interval_seconds is 59: give 60 to 43200"),
        ({"interval_seconds": 43_201}, RefusedError, "interval_seconds is 43201"),
        ({"goods_zh": ""}, RefusedError, "goods_zh is empty"),
        ({"goods_en": " "}, RefusedError, "goods_en is empty"),
        ({"basis": "\u3000"}, RefusedError, "basis is empty"),
        ({"goods_en": "x" * 129}, RefusedError, "goods_en is one line of at most 128"),
        ({"basis": "a\nb"}, RefusedError, "basis is one line of at most 500"),
    ],
)
def test_band_is_refused(store: World, changed: dict[str, Any], error: type[Exception], sentence: str) -> None:
    """With a sentence that says what is wrong, and nothing is changed."""
    store.add("models", model_no="L-9", kind="logger", vendor="v")
    before = bands(store.connection)
    with pytest.raises(error, match=sentence) as raised:
        _put(store, **changed)
    assert type(raised.value) is error
    assert str(raised.value).endswith(".")
    assert bands(store.connection) == before


def test_widest_and_narrowest_that_are_taken(store: World) -> None:
    """At the limits themselves."""
    _put(
        store, low_c=COLDEST_C, high_c=WARMEST_C, tolerated_seconds=43_200, door_seconds=43_200, interval_seconds=43_200
    )
    _put(store, low_c=0, high_c=1, tolerated_seconds=0, door_seconds=1, interval_seconds=60)
    assert _high(store) == 1


def test_band_of_a_device_that_would_never_count_is_refused(store: World) -> None:
    """One of the device with its model comes before it; of another kind of site it does not stand in the way."""
    _put(store, device_no="L1", model_no="logger", site_kind="wet_market")
    _put(store, device_no="L1")
    _put(store, device_no="L1", model_no="logger", high_c=-20)
    number = _band(store, device_no="L1", model_no="logger", site_kind=None).band_id
    for site_kind in (None, "cold_store"):
        with pytest.raises(RefusedError, match=rf"band {number} names L1 with its model .* name the model logger too"):
            _put(store, device_no="L1", site_kind=site_kind)
    remove(store.connection, number)
    _put(store, device_no="L1", high_c=-18)
    assert _high(store) == -18


def test_general_band_of_a_kind_stays(store: World) -> None:
    """Without it a probe is in no dashboard and has no day; whoever wants another sets it to other values."""
    for kind in ("logger", "door_sensor"):
        number = _band(store, kind=kind).band_id
        with pytest.raises(RefusedError, match=f"band {number} is the general one of {kind}.* Set it to other values"):
            remove(store.connection, number)
    store.record("coldchain", "L1", at(8))
    latest = "INSERT INTO latest (device_id, stream, probe, at, seq, received_at, record)"
    values = " SELECT device_id, 'coldchain', '', now(), 1, now(), '{\"temperature_c\": 2.5}' FROM devices"
    store.connection.execute(f"{latest}{values} WHERE device_no = 'L1'".encode())
    shown = "SELECT count(*) FROM grafana_coldchain_probes"
    assert store.value(shown) == 1
    store.connection.execute("DELETE FROM coldchain_bands WHERE kind = 'logger'")
    store.roll()
    assert store.value(shown) == store.value("SELECT count(*) FROM coldchain_days") == 0


def test_unknown_band_is_not_removed(store: World) -> None:
    """It is told by its number."""
    with pytest.raises(UnknownEntryError, match="no band has the number 1000000"):
        remove(store.connection, 10**6)


def test_changed_band_counts_for_the_day_that_is_rolled_up_next(store: World) -> None:
    """Newest readings at once; the running day whole; a day before it keeps its own until it is rolled up again."""
    before = DAY - timedelta(days=1)
    for day in (before, DAY):
        store.record("coldchain", "L1", at(8, day=day))
        store.roll(day, now=at(9, day=day))
    _put(store, site_kind="cold_store")
    assert _high(store) == -15
    store.roll(now=at(9, 10))
    judged = dict(store.connection.execute("SELECT day, high_c FROM coldchain_days").fetchall())
    assert judged == {before: 8, DAY: -15}
    # As it is at its cut-off, without anybody asking.
    assert is_due(before, Rolled(before, at(0, 30), 1, 1.0), now=at(0, day=before) + CUT_OFF)
    store.roll(before, now=LATER)
    assert store.value("SELECT count(*) FROM coldchain_days WHERE high_c = -15") == 2
