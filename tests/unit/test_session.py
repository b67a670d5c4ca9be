"""What paho hands to the session, whatever a broker lets through."""

import pytest
from paho.mqtt.client import MQTTMessage

from ingest.aiomqtt_session import AiomqttSession
from ingest.arrival import Receipt
from ingest.inbox import Inbox
from ingest.subscription import Subscription
from store.peer import peer_of


def arrived(session: AiomqttSession, topic: bytes, *, mid: int, qos: int = 1) -> None:
    """A message as paho's callback gets it."""
    message = MQTTMessage(mid, topic)
    message.payload = b"{}"
    message.qos = qos
    session._on_message(1, None, None, message)


@pytest.fixture
def inbox() -> Inbox:
    """Where the session puts what it takes; full at three small messages."""
    return Inbox(limit_bytes=900, on_room=lambda: None)


@pytest.fixture
def session(inbox: Inbox) -> AiomqttSession:
    """A session that is not connected."""
    return AiomqttSession(peer_of("mqtt://127.0.0.1:1"), client_id="t", subscription=Subscription(), inbox=inbox)


def test_topic_that_is_no_utf8_is_taken_in(session: AiomqttSession, inbox: Inbox) -> None:
    """Escaped, so that it is kept as a dead letter; raising would break every connection on which it comes again."""
    arrived(session, b"tracefleet/v1/\xff/#", mid=7)
    assert [one.topic for one in inbox.take(10_000)[0]] == ["tracefleet/v1/\\xff/#"]


def test_message_delivered_again_while_it_waits_is_held_once(session: AiomqttSession, inbox: Inbox) -> None:
    """By its packet id, which the broker keeps until the acknowledgement."""
    for mid in (7, 7, 8):
        arrived(session, b"t", mid=mid)
    assert inbox.take(10_000)[1] == [Receipt(1, 1, 7), Receipt(1, 1, 8)]
    assert session.unacknowledged == 2


def test_message_without_a_packet_id_needs_no_acknowledgement(session: AiomqttSession, inbox: Inbox) -> None:
    """QoS 0 is taken in like the others and acknowledged to nobody."""
    arrived(session, b"t", mid=0, qos=0)
    [arrival], receipts = inbox.take(10_000)
    assert (arrival.connection, receipts) == (0, [])


def test_drained_session_takes_nothing_more(session: AiomqttSession, inbox: Inbox) -> None:
    """What still comes stays with the broker."""
    session.drain()
    arrived(session, b"t", mid=7)
    assert (len(inbox), session.unacknowledged) == (0, 0)


def test_full_inbox_is_left_alone(session: AiomqttSession, inbox: Inbox) -> None:
    """What comes then is not acknowledged, so the broker brings it again; memory stays within its bound."""
    for mid in range(1, 9):
        arrived(session, b"t", mid=mid)
    assert (len(inbox), session.unacknowledged) == (3, 3)
