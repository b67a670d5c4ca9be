"""What simulated devices say: valid by the product's own rules, contiguous, repeatable, wrong only when meant to be."""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.simulator.city import build
from deploy.simulator.dice import Dice
from deploy.simulator.faults import Level, clock_of
from deploy.simulator.hours import CityClock
from deploy.simulator.machine import Machine, World
from deploy.simulator.message import Outgoing
from deploy.simulator.outbox import Outbox
from deploy.simulator.weighing import amount_fen
from ingest.decode import decode
from ingest.refusal import Refused
from store.records import TELEMETRY

NOW = 1_795_000_000.0


def machines(
    seed: int, *, devices: int = 40, level: Level = "none", run: str = "r", bad_share: float = 0.0, hour: int = 8
) -> list[Machine]:
    """A city's devices, powered up at NOW."""
    dice = Dice(seed)
    world = World(dice, run, CityClock.starting_at(time(hour), NOW), bad_share)
    made = [Machine(d, world, clock_of(dice, d, level), Outbox(10_000)) for d in build(devices, seed).devices]
    for machine in made:
        machine.power_up(NOW)
    return made


def messages(of: list[Machine], count: int) -> Iterator[tuple[Outgoing, float]]:
    """The next *count* messages in the order in which they are due, each with its Unix time."""
    heap = [(machine.due, place) for place, machine in enumerate(of)]
    heapq.heapify(heap)
    while count:
        due, place = heap[0]
        message = of[place].act(NOW + due, due)
        heapq.heapreplace(heap, (of[place].due, place))
        if message is not None:
            count -= 1
            yield message, NOW + due


def refusals(message: Outgoing, now: float) -> int:
    """Records of *message* that ingest's decoder refuses."""
    try:
        return len(decode(message.payload(now), TELEMETRY[message.stream], datetime.fromtimestamp(now, UTC)).refusals)
    except Refused:
        return len(message.records)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), hour=st.integers(0, 23))
def test_every_record_is_valid(seed: int, hour: int) -> None:
    """The models of the store take it, ingest refuses nothing, amounts are price times weight, batches are bounded."""
    for message, now in messages(machines(seed, hour=hour, level="some"), 150):
        assert 1 <= len(message.records) <= 20
        assert refusals(message, now) == 0
        for raw in message.records:
            fields = orjson.loads(raw)
            TELEMETRY[message.stream].model.model_validate(fields)
            known = set(TELEMETRY[message.stream].columns) | {"at", "uptime_ms"}
            assert set(fields) <= known
            if message.stream == "weighing":
                assert fields["amount_fen"] == amount_fen(fields["net_g"], fields["unit_price_fen_per_kg"])
                assert fields["gross_g"] == fields["net_g"] + fields["tare_g"]
                assert len(fields["trace_code"]) == 20


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_spoiled_records_are_refused_and_nothing_else(seed: int) -> None:
    """What the account calls bad is exactly what ingest refuses."""
    for message, now in messages(machines(seed, bad_share=0.5, level="some"), 80):
        assert refusals(message, now) == message.bad_records


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_sequence_numbers_are_contiguous_across_streams(seed: int) -> None:
    """One counter a boot: each message begins where the device's last one ended, whatever their streams are."""
    following: dict[tuple[str, str], int] = defaultdict(int)
    for message, _ in messages(machines(seed), 300):
        boot = (message.device_no, message.boot)
        assert message.seq == following[boot]
        following[boot] += len(message.records)


def test_sequence_begins_anew_when_a_device_reboots() -> None:
    """Another boot, and seq 0."""
    (machine,) = machines(1, devices=1)
    before = [message for message, _ in messages([machine], 3)]
    machine.power_down(for_good=False)
    machine.power_up(NOW + 1000)
    ((after, _),) = messages([machine], 1)
    assert before[-1].seq > 0
    assert after.seq == 0
    assert after.boot not in {message.boot for message in before}


def test_a_device_without_power_says_nothing() -> None:
    """And one that is dead leaves the schedule."""
    (machine,) = machines(1, devices=1)
    machine.power_down(for_good=False)
    assert [machine.act(NOW, 0) for _ in range(50)] == [None] * 50
    machine.power_down(for_good=True)
    assert machine.due == float("inf")


def test_first_messages_when_the_seed_is_the_same() -> None:
    """Two runs of one seed say the same, byte for byte, if they are the same run."""
    one, other = ([(m.topic, m.payload(at)) for m, at in messages(machines(9), 400)] for _ in range(2))
    assert one == other


def test_first_messages_of_another_run_have_other_boots() -> None:
    """So that the second run of a seed is new records, not duplicates; all else is the same."""
    one, other = ([m for m, _ in messages(machines(9, run=run), 400)] for run in ("first", "second"))
    assert [(m.topic, m.seq, m.records) for m in one] == [(m.topic, m.seq, m.records) for m in other]
    assert {m.boot for m in one}.isdisjoint({m.boot for m in other})


def test_a_device_without_a_clock_counts_from_its_boot() -> None:
    """No ``at``; milliseconds of uptime that never fall."""
    loggers = [m for m in machines(4, devices=2000, level="many") if not m.clock.has_clock]
    assert loggers
    for message, _ in messages(loggers, 200):
        uptimes = [orjson.loads(record)["uptime_ms"] for record in message.records]
        assert uptimes == sorted(uptimes)
        assert all("at" not in orjson.loads(record) for record in message.records)


def test_batches_cover_the_time_since_the_one_before() -> None:
    """A logger's readings are a minute apart, at its natural pace."""
    logger = next(m for m in machines(1) if m.device.role == "store_logger")
    moments = [
        datetime.fromisoformat(at)
        if isinstance(at := orjson.loads(raw)["at"], str)
        else datetime.fromtimestamp(at / 1000, UTC)
        for message, _ in messages([logger], 40)
        if message.stream == "coldchain"
        for raw in message.records
    ]
    gaps = [(after - before).total_seconds() for before, after in pairwise(moments[1:])]
    assert gaps == pytest.approx([60.0] * len(gaps), abs=0.01)


def test_cold_stores_have_all_their_troubles() -> None:
    """Doors that open, probes that cannot read and say so, stores that warm up."""
    loggers = [m for m in machines(2, devices=200) if m.device.role == "store_logger"]
    readings = [orjson.loads(raw) for m, _ in messages(loggers, 3000) if m.stream == "coldchain" for raw in m.records]
    assert any(reading["door_open"] for reading in readings)
    assert all((reading["temperature_c"] is None) == ("fault" in reading) for reading in readings)
    assert any("fault" in reading for reading in readings)


def test_scales_sell_return_and_void() -> None:
    """A return and a void name the sale they undo and repeat its weight and amount."""
    scales = [m for m in machines(6, devices=60) if m.device.role == "counter_scale"]
    trades: dict[str, dict[str, object]] = {}
    kinds = set()
    for message, _ in messages(scales, 4000):
        if message.stream != "weighing":
            continue
        fields = orjson.loads(message.records[0])
        kinds.add(fields["kind"])
        trades[fields["trade_no"]] = fields
        if fields["kind"] != "sale":
            undone = trades[fields["ref_trade_no"]]
            assert [undone[name] for name in ("net_g", "amount_fen")] == [fields["net_g"], fields["amount_fen"]]
    assert kinds == {"sale", "return", "void"}


def test_closed_markets_do_not_trade() -> None:
    """At three in the morning scales only say that they are alive."""
    scales = [m for m in machines(1, hour=0) if m.device.role == "counter_scale"]
    assert {message.stream for message, _ in messages(scales, 200)} == {"status"}


@pytest.mark.parametrize(
    ("net_g", "price", "expected"), [(500, 1, 1), (499, 1, 0), (1000, 2680, 2680), (55, 2690, 148)]
)
def test_amount_is_rounded_half_up(net_g: int, price: int, expected: int) -> None:
    """Half a fen is a fen."""
    assert amount_fen(net_g, price) == expected
