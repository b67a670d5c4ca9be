"""What a day of a cold store comes to, counted by hand, and the mean kinetic temperature of worked values."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.business_day import begin_of
from tests.integration.days.conftest import DAY, LATER, World, at


@pytest.fixture
def store(world: World) -> World:
    """A cold store with a logger that ought to keep 0 to 8 degrees and to read every ten minutes."""
    world.site("C", kind="cold_store")
    world.device("L1", "C", "logger")
    world.connection.execute("UPDATE coldchain_bands SET interval_seconds = 600")
    return world


def _read(world: World, since: datetime, *temperatures: float | None, minutes: int = 10, **more: Any) -> None:
    for number, temperature in enumerate(temperatures):
        fault: dict[str, Any] = {} if temperature is not None else {"fault": "open circuit"}
        moment = since + timedelta(minutes=number * minutes)
        world.record("coldchain", "L1", moment, temperature_c=temperature, **fault, **more)


def _day(world: World, *columns: str) -> Any:
    query = f"SELECT {', '.join(columns)} FROM coldchain_days JOIN devices USING (device_id) WHERE day = %s"  # noqa: S608
    return world.connection.execute(query.encode(), (DAY,)).fetchone()


def _excursions(world: World) -> list[tuple[Any, ...]]:
    return world.connection.execute(
        "SELECT began_at, ended_at, seconds, extreme_c, is_warm FROM grafana_excursions ORDER BY began_at"
    ).fetchall()


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([(5.0, 24)], 5.000),
        ([(2.0, 12), (8.0, 12)], 5.536),
        ([(5.0, 23), (25.0, 1)], 7.756),
        ([(-18.0, 12), (-10.0, 12)], -12.930),
    ],
)
def test_mean_kinetic_temperature_of_worked_values(
    world: World, held: list[tuple[float, int]], expected: float
) -> None:
    """By Haynes' equation with H/R = 10,000 K; hours as weights."""
    found = world.value(
        "SELECT mean_kinetic_c(sum(hours * kinetic_weight(c)), sum(hours))"
        " FROM unnest(%s::float8[], %s::float8[]) AS t (c, hours)",
        [temperature for temperature, _ in held],
        [hours for _, hours in held],
    )
    assert found == pytest.approx(expected, abs=0.0005)


def test_mean_kinetic_temperature_of_nothing_is_none(world: World) -> None:
    """And the coldest and the warmest reading that can be stored cost no sum its day."""
    assert world.value("SELECT mean_kinetic_c(0, 0)") is None
    assert world.value("SELECT mean_kinetic_c(kinetic_weight(-273.15) + kinetic_weight(1000), 2)") < 1000


def test_mean_kinetic_temperature_weighs_by_time(store: World) -> None:
    """23 hours at 5 degrees and one at 25, read at different intervals: the worked value all the same."""
    _read(store, at(0), *[5.0] * 138)
    _read(store, at(23), *[25.0] * 60, minutes=1)
    store.roll()
    found = store.value("SELECT mean_kinetic_c(kinetic_sum, held_seconds) FROM coldchain_days")
    assert found == pytest.approx(7.756, abs=0.0005)
    assert _day(store, "temperature_sum / held_seconds")[0] == pytest.approx(140 / 24)


def test_excursion_lasts_until_well_inside(store: World) -> None:
    """At 7.8 degrees it is not over yet; the same minutes outside without an excursion count as outside alone."""
    _read(store, at(8), 5, 9, 9, 10.5, 7.8, 8.2, 7, 5)
    _read(store, at(9, 20), 5, 9, 9, 5)
    store.roll()
    assert _excursions(store) == [(at(8, 10), at(9), 3000, 10.5, True)]
    assert _day(store, "outside_seconds") == (600 * 6,)


def test_exactly_what_is_tolerated_is_no_excursion(store: World) -> None:
    """Half an hour is; the cold side counts as well."""
    _read(store, at(8), 5, 9, 9, 9, 5)
    _read(store, at(12), 5, -1, -1, -2, -1, 5)
    store.roll()
    assert _excursions(store) == [(at(12, 10), at(12, 50), 2400, -2, False)]


def test_excursion_ends_where_nobody_knows(store: World) -> None:
    """A reading holds for two intervals; what was in a gap is not told, and a probe that fails tells nothing."""
    _read(store, at(8), 9, 9, 9)
    _read(store, at(8, 30), *[None] * 30)
    _read(store, at(13, 30), 9, 9, 5)
    store.roll()
    assert _excursions(store) == [(at(8), at(8, 40), 2400, 9, True)]
    # Each reading holds for twenty minutes before it is missed: what held and what is missing make up the day.
    missing = 8 * 3600 + (4 * 3600 + 3000) + (9 * 3600 + 3000)
    assert _day(store, "gaps", "gap_seconds", "held_seconds", "faults") == (3, missing, 24 * 3600 - missing, 30)


def test_probe_that_is_silent_all_day_is_one_gap(store: World) -> None:
    """Day after day, as long as its device is expected; not before it ever spoke, nor once it is out of service."""
    _read(store, at(8), *[5.0] * 144)
    days = [DAY + timedelta(days=number) for number in range(-1, 12)]
    later = LATER + timedelta(days=30)
    for day in days[:-1]:
        store.roll(day, now=later)
    store.connection.execute("UPDATE devices SET state = 'idle', state_since = %s", (at(0) + timedelta(days=11),))
    store.roll(days[-1], now=later)
    told = store.connection.execute(
        "SELECT day, readings, gaps, gap_seconds FROM coldchain_days ORDER BY day"
    ).fetchall()
    assert [row[0] for row in told] == days[1:-1]
    assert told[0][1:3] == (96, 1)
    assert told[2:] == [(day, 0, 1, 24 * 3600) for day in days[3:-1]]


def test_probe_that_was_renamed_is_missed_for_a_week(store: World) -> None:
    """Its device goes on telling of another; whatever was rolled up just after midnight."""
    _read(store, at(8), 5.0, 5.0, probe="old")
    last = DAY + timedelta(days=12)
    for number in range(13):
        day = DAY + timedelta(days=number)
        if number:
            store.roll(day, now=begin_of(day) + timedelta(minutes=1))
            _read(store, begin_of(day) + timedelta(hours=8), 5.0, 5.0, probe="new")
        store.roll(day, now=LATER + timedelta(days=30))
    days = store.connection.execute("SELECT day FROM coldchain_days WHERE probe = 'old' ORDER BY day").fetchall()
    assert days == [(DAY + timedelta(days=number),) for number in range(8)]
    assert store.value("SELECT count(*) FROM coldchain_days WHERE probe = 'new' AND day = %s", last) == 1


def test_running_day_is_no_gap_before_it_is_one(store: World) -> None:
    """Two intervals after midnight, and not sooner."""
    _read(store, at(8), *[5.0] * 96)
    store.roll(DAY, now=LATER)
    tomorrow = DAY + timedelta(days=1)
    for minutes, expected in ((20, (0, 0.0)), (31, (1, 31 * 60.0))):
        store.roll(tomorrow, now=begin_of(tomorrow) + timedelta(minutes=minutes))
        found = store.connection.execute(
            "SELECT gaps, gap_seconds FROM coldchain_days WHERE day = %s", (tomorrow,)
        ).fetchone()
        assert found == expected


def test_open_doors_are_counted(store: World) -> None:
    """Twice opened; the longer one for half an hour, until the first reading with the door shut."""
    _read(store, at(8), 5, 5, 5, 5, door_open=True)
    _read(store, at(8, 40), 5, 5, door_open=False)
    _read(store, at(9), 5, door_open=True)
    _read(store, at(9, 10), 5, door_open=False)
    store.roll()
    assert _day(store, "door_openings", "door_seconds", "door_longest_seconds") == (2, 3000, 2400)


def test_running_day_has_no_gap_ahead(store: World) -> None:
    """What has not come yet is not missing."""
    _read(store, at(0), *[5.0] * 12)
    store.roll(now=at(2))
    assert _day(store, "gaps", "held_seconds") == (0, 7200)


def test_the_most_specific_band_counts(store: World) -> None:
    """A kind of site over the kind, the device over all; the day keeps the band it was judged by."""
    device_id = store.numbers["L1"]
    for site_kind, device, high in (("cold_store", None, 4), ("wet_market", None, 5), (None, device_id, 20)):
        store.connection.execute(
            "INSERT INTO coldchain_bands (kind, site_kind, device_id, goods_zh, goods_en, low_c, high_c, basis)"
            " VALUES ('logger', %s, %s, '测试', 'test', 0, %s, 'test')",
            (site_kind, device, high),
        )
        assert store.value("SELECT high_c FROM device_bands") == (20 if device else 4)


def test_rolling_again_writes_nothing(store: World) -> None:
    """Nor does one of a few devices; a late record is in the next one."""
    _read(store, at(8), 9, 9, 9, 9, 9, 5)
    store.roll()
    before = store.value("SELECT xmin::text FROM coldchain_days")
    store.roll(device_ids=[store.numbers["L1"]])
    store.roll()
    assert store.value("SELECT xmin::text FROM coldchain_days") == before
    assert len(_excursions(store)) == 1
    _read(store, at(8, 25), 3)
    store.roll(device_ids=[store.numbers["L1"]])
    assert _excursions(store) == []


def test_a_band_has_an_inside(store: World) -> None:
    """Else no excursion of it would end."""
    with pytest.raises(psycopg.errors.CheckViolation):
        store.connection.execute(
            "INSERT INTO coldchain_bands (kind, goods_zh, goods_en, low_c, high_c, basis)"
            " VALUES ('gateway', 'x', 'x', 4, 4.5, 'x')"
        )
