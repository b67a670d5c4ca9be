"""The simulated city into a ledger: what is written, what is refused, and what is never touched."""

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.simulator.city import City, build
from deploy.simulator.seeding import seed
from fleet.keys import Keys
from store.errors import TracefleetError

Connection = psycopg.Connection[tuple[object, ...]]
CITY = build(20, 7)
DEVICES = "SELECT device_no, state, model_no FROM devices JOIN models USING (model_id) ORDER BY device_no"


def _ledger(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(DEVICES).fetchall()


def _numbers(city: City) -> set[str]:
    return {device.device_no for device in (*city.devices, city.spare)}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of the test's own installation."""
    return Keys(tmp_path / "key")


@pytest.mark.parametrize("is_wanted", [None, True])
def test_empty_ledger_gets_the_city(
    database_url: str, connection: Connection, keys: Keys, is_wanted: bool | None
) -> None:
    """And the operator is told what and where, without a password."""
    done = seed(database_url, CITY, keys=keys, is_wanted=is_wanted)
    assert done.has_written
    assert {str(number) for number, _, _ in _ledger(connection)} == _numbers(CITY)
    where = urlsplit(database_url)
    assert f"the ledger in {where.hostname}:{where.port}{where.path}: " in done.sentence
    assert "21 new and 0 changed devices" in done.sentence
    assert str(where.password) not in done.sentence


@pytest.mark.parametrize("is_wanted", [None, True])
def test_ledger_with_every_device_is_left_alone(
    database_url: str, connection: Connection, keys: Keys, is_wanted: bool | None
) -> None:
    """What an operator changed since stays changed, the spare's absence included."""
    seed(database_url, CITY, keys=keys, is_wanted=None)
    connection.execute("UPDATE devices SET state = 'suspended' WHERE device_no = %s", (CITY.devices[0].device_no,))
    connection.execute("UPDATE sites SET name_en = 'Renamed'")
    connection.execute("DELETE FROM devices WHERE device_no = %s", (CITY.spare.device_no,))
    before = _ledger(connection)
    done = seed(database_url, CITY, keys=keys, is_wanted=is_wanted)
    assert not done.has_written
    assert "nothing was written" in done.sentence
    assert _ledger(connection) == before
    assert connection.execute("SELECT DISTINCT name_en FROM sites").fetchall() == [("Renamed",)]


def test_ledger_of_another_city_is_refused_unless_it_is_asked_for(
    database_url: str, connection: Connection, keys: Keys
) -> None:
    """One sentence with the numbers and the four ways out, and nothing is touched; --seed-store writes over it."""
    seed(database_url, CITY, keys=keys, is_wanted=None)
    before = _ledger(connection)
    other = build(40, 7)
    missing = len(_numbers(other) - _numbers(CITY))
    with pytest.raises(TracefleetError) as refused:
        seed(database_url, other, keys=keys, is_wanted=None)
    told = str(refused.value)
    assert f"holds 21 devices, and {missing} of this city's 40 are not among them" in told
    assert all(way in told for way in ("an empty database", "--devices and --seed", "--seed-store", "--no-seed"))
    assert _ledger(connection) == before
    assert seed(database_url, other, keys=keys, is_wanted=True).has_written
    assert {str(number) for number, _, _ in _ledger(connection)} == _numbers(CITY) | _numbers(other)


def test_city_that_does_not_fit_is_not_half_written(database_url: str, connection: Connection, keys: Keys) -> None:
    """The sheets are one transaction."""
    connection.execute(
        "INSERT INTO regions (region_code, name_zh, name_en, valid_from) VALUES ('410100', '郑', 'Z', '1980-01-01')"
    )
    connection.execute("ALTER TABLE devices ADD CHECK (stall_no IS NULL)")
    with pytest.raises(psycopg.errors.CheckViolation):
        seed(database_url, CITY, keys=keys, is_wanted=None)
    assert connection.execute("SELECT name_en FROM regions").fetchall() == [("Z",)]
    assert connection.execute("SELECT count(*) FROM sites").fetchone() == (0,)


def test_city_has_begun_to_retire_what_nobody_uses(database_url: str, connection: Connection, keys: Keys) -> None:
    """A campaign, cases at each step by three people, and one device that is out and still plugged in; once."""
    city = build(200, 1)
    told = seed(database_url, city, keys=keys, is_wanted=None).sentence
    seed(database_url, city, keys=keys, is_wanted=True)
    states = [str(state) for (state,) in connection.execute("SELECT state FROM cases ORDER BY case_id")]
    assert f"{len(states)} cases of retirement" in told
    assert states[0] == "executing"
    assert {"opened", "proposed", "appraised"} < set(states)
    assert connection.execute("SELECT kinds, ended_on FROM programmes").fetchall() == [(["kiosk"], None)]
    out = connection.execute("SELECT device_no FROM devices WHERE is_retired(state, decommissioned_at)")
    assert out.fetchall() == [("TD-410100-KS-000001-0",)]
    people = connection.execute(
        "SELECT DISTINCT proposed_by, appraised_by, approved_by FROM cases WHERE approval <> ''"
    )
    assert people.fetchall() == [("李（仿真）", "王（仿真）", "赵（仿真）")]
