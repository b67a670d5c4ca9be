"""What paho hands to the session, whatever a broker lets through."""

import pytest
from paho.mqtt.client import MQTTMessage

from ingest.arrival import Arrival, Receipt
from ingest.mqtt import Session


def arrived(session: Session, topic: bytes, *, mid: int, qos: int = 1) -> None:
    """A message as paho's callback gets it."""
    message = MQTTMessage(mid, topic)
    message.payload = b"{}"
    message.qos = qos
    session._on_message(1, None, None, message)


@pytest.fixture
def taken() -> list[Arrival]:
    """What the session handed on."""
    return []


@pytest.fixture
def session(taken: list[Arrival]) -> Session:
    """A session that is not connected."""
    return Session("mqtt://127.0.0.1:1", client_id="t", take=taken.append)


def test_topic_that_is_no_utf8_is_taken_in(session: Session, taken: list[Arrival]) -> None:
    """Escaped, so that it is kept as a dead letter; raising would break every connection on which it comes again."""
    arrived(session, b"tracefleet/v1/\xff/#", mid=7)
    assert [one.topic for one in taken] == ["tracefleet/v1/\\xff/#"]


def test_message_delivered_again_while_it_waits_is_held_once(session: Session, taken: list[Arrival]) -> None:
    """By its packet id, which the broker keeps until the acknowledgement."""
    for mid in (7, 7, 8):
        arrived(session, b"t", mid=mid)
    assert [one.receipt for one in taken] == [Receipt(1, 7, 1), Receipt(1, 8, 1)]
    assert session.unacknowledged == 2


def test_message_without_a_packet_id_needs_no_receipt(session: Session, taken: list[Arrival]) -> None:
    """QoS 0 is taken in like the others and acknowledged to nobody."""
    arrived(session, b"t", mid=0, qos=0)
    assert [one.receipt for one in taken] == [None]


def test_drained_session_takes_nothing_more(session: Session, taken: list[Arrival]) -> None:
    """What still comes stays with the broker."""
    session.drain()
    arrived(session, b"t", mid=7)
    assert (taken, session.unacknowledged) == ([], 0)
