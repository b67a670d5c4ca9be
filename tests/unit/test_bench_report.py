"""The pure parts of the benchmark: what is sent, when it was seen, what is reported."""

import json
from collections import Counter
from datetime import UTC, datetime

from deploy.bench import wire
from deploy.bench.load import STREAM, Load, first_slots, payload, schedule
from deploy.bench.report import Capacity, Ceilings, Latency, Outcome, distribution_ms, entry, sentence
from deploy.bench.scenario import Scenario, scenarios
from deploy.bench.watch import read_sight, seen_at_seconds
from ingest.decode import decode
from store.records import TELEMETRY

EPOCH = int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp())
LOAD = Load(messages=2000, records_per_message=3, devices=50, troubled_share=0.1, first_seq=7, epoch_seconds=EPOCH)


def test_scenarios_cover_every_combination() -> None:
    """Quick is the fleet of 100 at each message size; the full run has all 27, and bad records, each by its name."""
    assert [one.name for one in scenarios(quick=True)] == ["1rec-100dev", "20rec-100dev", "100rec-100dev"]
    names = {one.name for one in scenarios(quick=False)}
    assert len(names) == 30
    assert "20rec-100000dev-10pct" in names


def test_payload_is_what_ingest_takes_the_short_way() -> None:
    """Whole, without refusals, without fields nobody knows."""
    message = decode(payload(LOAD, 51), TELEMETRY[STREAM], datetime.fromtimestamp(EPOCH + 60, UTC))
    assert [message.seq + index for index in message.indexes] == [10, 11, 12]
    assert message.readings[0][0] == datetime(2026, 11, 23, 8, 0, 0, 10_000, UTC)
    assert ([*message.refusals], message.unknown_fields) == ([], 0)


def test_messages_of_a_load_never_share_a_record() -> None:
    """Each record belongs to one message, which is found from it, and the next load begins above all of them."""
    firsts = {(LOAD.device_of(message), LOAD.seq_of(message)) for message in range(LOAD.messages)}
    assert len(firsts) == LOAD.messages
    assert all(LOAD.message_of(*first) in range(LOAD.messages) for first in firsts)
    assert LOAD.message_of(3, LOAD.seq_of(153) + 2) == 153
    assert max(seq for _, seq in firsts) + LOAD.records_per_message == LOAD.next_seq


def test_schedule_sends_everything_and_its_copies_after_it() -> None:
    """A tenth is sent twice, a tenth changes places with the same device's next message."""
    slots = schedule(LOAD)
    sent = Counter(slots)
    assert set(sent) == set(range(2000))
    assert len(slots) == 2200
    seen: dict[int, int] = {}
    behind = 0
    for message in slots:
        device = LOAD.device_of(message)
        behind += message < seen.get(device, 0) and sent[message] == 1
        seen[device] = max(seen.get(device, 0), message)
    assert behind > 50
    due = first_slots(slots)
    assert all(slots[slot] == message for message, slot in due.items())


def test_schedule_without_trouble_is_the_order_of_the_messages() -> None:
    """Once each."""
    assert schedule(Load(300, 1, 100, 0.0, 0, EPOCH)) == list(range(300))


def test_transaction_is_seen_in_the_first_snapshot_that_shows_it() -> None:
    """Not while it runs, not before it began; ids of rows have 32 bits, those of snapshots 64."""
    wrap = 2**32
    told = [(1.0, "5:7:5"), (2.0, "5:9:5,8"), (3.0, "8:9:8"), (4.0, "10:10:")]
    sights = [
        read_sight(at, ":".join([*(str(wrap + int(n)) for n in text.split(":")[:2]), running(text, wrap)]), 0)
        for at, text in told
    ]
    assert [seen_at_seconds(sights, xid) for xid in (4, 5, 6, 7, 8, 9)] == [1.0, 3.0, 1.0, 2.0, 4.0, 4.0]
    assert seen_at_seconds(sights, 2**32 - 1) == 1.0
    assert seen_at_seconds([], 5) is None


def running(text: str, above: int) -> str:
    """The third part of a snapshot's text, moved up."""
    return ",".join(str(above + int(n)) for n in text.split(":")[2].split(",") if n)


def test_distribution_is_made_of_values_that_occurred() -> None:
    """Nearest rank; nothing gives nothing."""
    assert distribution_ms(n / 1000 for n in range(1, 201)) == {"p50": 100, "p95": 190, "p99": 198, "max": 200}
    assert distribution_ms([]) == {"p50": None, "p95": None, "p99": None, "max": None}


def test_entry_counts_messages_once_and_says_what_is_lost() -> None:
    """Rates, shares of the ceilings, and the sum of sent and stored."""
    told = entry(
        Scenario(100, 10_000, 0.1),
        Capacity(1000, 100_000, 2.0, 0.5, 23_000_000, {"ingest": 1.6, "broker": 0.2}),
        Latency(250.0, [0.05, 0.1], [0.001]),
        Ceilings(200_000.0, 20_000.0, 40_000.0, 1_000_000.0),
        Outcome(sent=120_000, stored=119_998, received=130_000, duplicates=10_000, conflicts=0, dead_lettered=1),
        rss_bytes=150_000_000,
    )
    expected = {
        "name": "100rec-10000dev-10pct",
        "messages_per_second": 500.0,
        "records_per_second": 50_000.0,
        "copy_share": 0.25,
        "null_subscriber_share": 0.025,
        "decode_share": 0.05,
        "messages_per_cpu_second": 625.0,
        "cpu_seconds_per_million_messages": 1600.0,
        "busy_cores": {"ingest": 0.8, "broker": 0.1},
        "latency_ms": {"p50": 50.0, "p95": 100.0, "p99": 100.0, "max": 100.0},
        "rss_mb": 150.0,
        "wal_bytes_per_record": 230.0,
        "lost": 1,
    }
    assert {name: told[name] for name in expected} == expected
    assert "25% of COPY" in sentence(told)
    assert json.loads(json.dumps(told)) == told


def test_packets_are_taken_whole_whatever_the_cuts() -> None:
    """A stream cut at every place gives the same packets; what is not whole waits."""
    stream = wire.publish("a/b", b"x" * 300, 513) + wire.puback(b"\x00\x07")
    for cut in range(len(stream)):
        buffer = bytearray(stream[:cut])
        packets = list(wire.take_packets(buffer))
        buffer += stream[cut:]
        packets += wire.take_packets(buffer)
        assert [first for first, _ in packets] == [wire.PUBLISH_QOS_1, wire.PUBACK]
        assert wire.packet_id_of(packets[0][1]) == b"\x02\x01"
        assert not buffer
