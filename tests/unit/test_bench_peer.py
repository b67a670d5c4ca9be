"""The pure parts of the comparison with the peer: the flat message, the peer's route, medians and ratios."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from deploy.bench import peer
from deploy.bench.brokers import Broker
from deploy.bench.load import STREAM, Load, encoder
from deploy.bench.peer_database import FIELDS
from deploy.bench.peer_report import TESTED, Measured, entry, sentence, summary, verdict
from ingest.decode import decode
from store.records import IDENTITY_COLUMNS, TELEMETRY

EPOCH = int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp())
LOAD = Load(messages=500, records_per_message=1, devices=50, troubled_share=0.0, first_seq=7, epoch_seconds=EPOCH)


def test_flat_message_says_what_the_contracts_message_says() -> None:
    """The same record: time, number and readings; and its fields are the columns that the peer fills."""
    for number in (0, 51, 499):
        flat = json.loads(encoder("flat")(LOAD, number))
        message = decode(encoder("contract")(LOAD, number), TELEMETRY[STREAM], datetime.fromtimestamp(EPOCH + 60, UTC))
        assert message.indexes == range(1)
        assert set(flat) == set(FIELDS)
        assert (datetime.fromisoformat(flat["at"]), flat["seq"]) == (message.readings[0][0], message.seq)
        told = json.loads(encoder("contract")(LOAD, number))["records"][0]
        readings = {name: value for name, value in told.items() if name != "at"}
        assert {name: flat[name] for name in readings} == readings
        assert flat["device_id"] == LOAD.device_of(number) + 1


def test_peer_fills_columns_that_the_stream_has() -> None:
    """Every field is a column of ours, and those of the row's identity are all there."""
    columns = (*IDENTITY_COLUMNS, *TELEMETRY[STREAM].columns)
    assert set(FIELDS) <= set(columns)
    assert set(IDENTITY_COLUMNS) <= set(FIELDS)


@pytest.mark.parametrize(("name", "protocol"), [("mosquitto 2.0.11", "v5"), ("nats-server 2.15.1", "v3")])
def test_route_speaks_the_brokers_protocol_and_keeps_its_session(name: str, protocol: str) -> None:
    """MQTT 5 where there is one; QoS 1, acknowledged late; and what is disclosed holds no password."""
    broker = Broker(1883, 1, name, "in memory", 4096)
    route = peer.route("postgresql://somebody:secret@127.0.0.1/x", broker)
    told = route["input"]["mqtt"]
    assert (told["protocol"], told["qos"], told["clean_session"], told["delayed_ack"]) == (protocol, 1, False, True)
    assert route["output"]["sqlx"]["bulk_copy"]


def measured(messages: int, seconds: float, cpu: Mapping[str, float], *, stored: int | None = None) -> Measured:
    """A run of so many messages."""
    return Measured(
        messages, messages if stored is None else stored, seconds, seconds / 2, cpu, messages * 300, 50_000_000
    )


def test_entry_counts_what_was_stored() -> None:
    """Lost messages are no throughput."""
    told = entry(measured(1000, 2.0, {TESTED: 0.5, "broker": 0.3}, stored=900))
    expected = {
        "messages_per_second": 450.0,
        "messages_per_cpu_second": 1800.0,
        "messages_per_cpu_second_of_all": 1125.0,
        "cpu_microseconds_per_message": {TESTED: 500.0, "broker": 300.0},
        "busy_cores": {TESTED: 0.25, "broker": 0.15},
        "wal_bytes_per_message": 300.0,
        "rss_mb": 50.0,
        "sent": 1000,
        "stored": 900,
        "lost": 100,
    }
    assert {name: told[name] for name in expected} == expected
    assert "100 of 1,000 lost" in sentence("ours", told)


def test_summary_compares_the_medians() -> None:
    """One bad round decides nothing, and every round stays in the report."""
    ours = [measured(1000, seconds, {TESTED: 1.0}) for seconds in (1.0, 9.0, 2.0)]
    peers = [measured(1000, seconds, {TESTED: 0.5}) for seconds in (4.0, 1.0, 5.0)]
    told = summary([{"ours": one, "peer": other} for one, other in zip(ours, peers, strict=True)])
    assert told["median"]["ours"]["messages_per_second"] == 500.0
    assert told["median"]["peer"]["messages_per_second"] == 250.0
    assert told["median"]["ours"]["busy_cores"] == {TESTED: 0.5}
    assert told["ratio"] == {
        "messages_per_second": 2.0, "messages_per_cpu_second": 0.5, "messages_per_cpu_second_of_all": 0.5
    }  # fmt: skip
    assert told["ratio_of_each_round"]["messages_per_second"] == [4.0, 0.111, 2.5]
    assert told["lost"] == {"ours": 0, "peer": 0}
    assert [one["ours"]["seconds"] for one in told["rounds"]] == [1.0, 9.0, 2.0]
    assert verdict(told).startswith("ours is 2.0 × the peer per second, 0.5 × per CPU-second of the process")
    assert json.loads(json.dumps(told)) == told


def test_summary_without_cpu_time_has_no_ratio_of_it() -> None:
    """A run shorter than the clock's tick says nothing about CPU, rather than dividing by nothing."""
    told = summary([{"ours": measured(10, 0.1, {TESTED: 0.0}), "peer": measured(10, 0.1, {TESTED: 0.01})}])
    assert told["ratio"]["messages_per_cpu_second"] is None
    assert told["ratio"]["messages_per_second"] == 1.0
