"""Every kind of bad input, end to end: bytes over a real broker, an ingest process, and what is in the database after.

One ingest is sent all cases, each followed by a good message of a neighbour. Where each kind is that the product
promises to survive:

=============================================  ====================================================================
kind                                           where
=============================================  ====================================================================
numbers, texts, depth, shape, size             ``values.py``
clocks, no time, ways to write a time          ``times.py``
unknown and retired devices, wrong stream,     ``senders.py``
duplicates, conflicts, order, topics
stale retained message, 1 in 10,000, clock     ``test_history.py``
edges, one device twice in a batch
the same over Mosquitto; topics no broker      ``test_brokers.py``
passes on
another device's topic                         with the broker's access control, which is to come
a payload that kills the decoder               with ingest's own tests
database or broker away, sessions taken over   the suite of faults
=============================================  ====================================================================
"""

from collections import Counter
from pathlib import Path

import pytest

from store.settings import Settings
from tests.integration.bad_inputs.checks import CASES, OUTCOMES, STREAMS, assert_case, expected_account
from tests.integration.bad_inputs.world import World, device_of, live_through


@pytest.fixture(scope="module")
def world(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What ingest made of all cases."""
    return live_through(CASES, module_settings, Path(tmp_path_factory.mktemp("ingest")))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.id for case in CASES])
def test_bad_input(world: World, number: int) -> None:
    """What cannot be stored is kept with its reason and its bytes; its siblings and its neighbour are stored."""
    assert_case(world, number)


@pytest.mark.parametrize("stream", STREAMS)
def test_account_holds_to_the_record(world: World, stream: str) -> None:
    """Per stream, everything received has exactly one outcome, and it is the one the cases expect."""
    expected = expected_account()[stream]
    got = world.account[stream]
    assert {name: got[name] for name in OUTCOMES} == {name: expected[name] for name in OUTCOMES}
    assert got["received"] == expected.total()


@pytest.mark.parametrize("stream", STREAMS)
def test_metrics_agree_with_the_account(world: World, stream: str) -> None:
    """What a scrape sees is what SQL says."""
    got = {name: world.metrics["tracefleet_ingest_records_total", (name, stream)] for name in OUTCOMES}
    assert got == {name: world.account[stream][name] for name in OUTCOMES}
    assert world.metrics["tracefleet_ingest_messages_total", (stream,)] == world.account[stream]["messages"]


def test_dead_letters_are_counted_by_reason(world: World) -> None:
    """As many as are kept, for as many records as they stand for."""
    kept: Counter[str] = Counter()
    for letter in world.letters:
        kept[letter["reason"]] += letter["records"]
    counted = {
        labels[0]: value
        for (name, labels), value in world.metrics.items()
        if name == "tracefleet_ingest_dead_letters_total" and value
    }
    assert counted == dict(kept)


def test_everything_was_acknowledged_at_the_first_try(world: World) -> None:
    """Bad input is no reason to write a batch twice, and none stays with the broker."""
    assert world.is_idle
    retries = {
        key: value for key, value in world.metrics.items() if key[0] == "tracefleet_ingest_retries_total" and value
    }
    assert retries == {}


def test_good_and_bad_share_their_commits(world: World) -> None:
    """The neighbours were in the same transactions as the dead letters, or the rest of this file says little."""
    assert world.shared_commits > 0


def test_latest_value_never_goes_back(world: World) -> None:
    """Records out of order are stored; the newest by its own time is the latest, whenever it came."""
    number = next(number for number, case in enumerate(CASES) if case.row == "out of order")
    latest = world.latest[device_of(number)]
    assert (latest["seq"], latest["record"]["temperature_c"]) == (30, 3.0)
