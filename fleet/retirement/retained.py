"""Has the broker forget what it retained of decommissioned devices. The fleet's only user of MQTT.

A retained message is one that the broker hands to everybody who subscribes later: without this a device that is gone
would be shown as online for ever. An empty message on the same topic takes it away.
"""

import asyncio
import secrets
import ssl
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

import aiomqtt
from psycopg import Connection

from fleet.errors import BrokerError
from store.peer import Peer, peer_of

ROOT: Final = "tracefleet/v1"
# The door closes a live connection within 5 s, and its last will, which may be retained, comes with the closing.
SETTLE: Final = timedelta(seconds=30)
# Devices of one round; the next is half a minute away.
AT_ONCE: Final = 500
CONNECT_SECONDS: Final = 10.0
# What is retained comes after a subscription and before what is said later: once a word of our own is back, and so long
# after the last of the rest (a broker may hand it out by another task), that was all.
QUIET_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 10.0
# Emptied what the first showed, two in a row show nothing any more: one does not do, for a broker that was just started
# still reads what it has on disk.
LOOKS: Final = 5
NOTHING_IN_A_ROW: Final = 2

# Whoever spoke since may have left something again.
DUE: Final = """
SELECT d.device_id, d.device_no FROM devices AS d LEFT JOIN retained_clearings AS r USING (device_id)
WHERE d.decommissioned_at <= %(before)s::timestamptz
  AND (r.cleared_at IS NULL OR EXISTS (
      SELECT FROM dead_letters AS l
      WHERE l.device_no = d.device_no AND l.reason = 'retired_device' AND l.received_at > r.cleared_at))
ORDER BY d.decommissioned_at, d.device_id LIMIT %(rows)s
"""
NOTE: Final = """
INSERT INTO retained_clearings AS known (device_id, topics, cleared_at)
SELECT g.device_id, coalesce(array_agg(g.topic ORDER BY g.topic) FILTER (WHERE g.topic <> ''), '{}'), %(now)s
FROM unnest(%(device_ids)s::int[], %(topics)s::text[]) AS g (device_id, topic)
GROUP BY g.device_id
ON CONFLICT (device_id) DO UPDATE SET cleared_at = excluded.cleared_at, topics = ARRAY(
    SELECT DISTINCT topic FROM unnest(known.topics || excluded.topics) AS t (topic) ORDER BY topic)
"""


def clear(connection: Connection[Any], broker_url: str, *, now: datetime) -> int:
    """How many devices the broker retains nothing of any more, as a look at it showed; noted with the topics.

    Asks the broker only when somebody is due. Raises BrokerError; nothing is noted then, and the next round tries
    again.
    """
    due = dict(connection.execute(DUE, {"before": now - SETTLE, "rows": AT_ONCE}).fetchall())
    if not due:
        return 0
    emptied = asyncio.run(empty(peer_of(broker_url), due.values()))
    # A row for each topic; an empty one for each device, since most have none.
    rows = [(device_id, "") for device_id in due]
    ids = {device_no: device_id for device_id, device_no in due.items()}
    rows += [(ids[topic.split("/")[2]], topic) for topic in emptied]
    connection.execute(NOTE, {"device_ids": [row[0] for row in rows], "topics": [row[1] for row in rows], "now": now})
    return len(due)


async def empty(peer: Peer, device_nos: Collection[str]) -> list[str]:
    """The topics of devices on which something was retained, and is not any more. Raises BrokerError."""
    emptied: set[str] = set()
    nothing = 0
    try:
        async with _client(peer) as client:
            for _ in range(LOOKS):
                found = await _retained(client, device_nos)
                nothing = 0 if found else nothing + 1
                if nothing == NOTHING_IN_A_ROW:
                    return sorted(emptied)
                for topic in sorted(found):
                    await client.publish(topic, b"", qos=1, retain=True)
                emptied |= found
    except aiomqtt.MqttError as error:
        raise BrokerError(f"The broker at {peer.name} cannot be asked what it retains: {error}.") from error
    raise BrokerError(
        f"The broker at {peer.name} retains messages of decommissioned devices, {min(emptied)} for one, and does not "
        f"let them be cleared: let the user of TRACEFLEET_BROKER_URL publish to {ROOT}/+/+."
    )


async def _retained(client: aiomqtt.Client, device_nos: Collection[str]) -> set[str]:
    """The topics of devices on which something is retained: asked for anew, it is sent anew."""
    await client.subscribe([(f"{ROOT}/{device_no}/+", 0) for device_no in device_nos])
    # To a device that is not there any more; what goes downward is nobody else's.
    word = secrets.token_bytes(16)
    await client.publish(f"{ROOT}/{min(device_nos)}/command", word, qos=1)
    found: set[str] = set()
    is_answered = False
    messages = aiter(client.messages)
    while True:
        try:
            message = await asyncio.wait_for(anext(messages), QUIET_SECONDS if is_answered else ANSWER_SECONDS)
        except TimeoutError:
            if not is_answered:
                raise aiomqtt.MqttError(f"no message came back in {ANSWER_SECONDS:.0f} s") from None
            return found
        is_answered = is_answered or message.payload == word
        # What somebody says just now, our own emptying among it, is not retained.
        if message.retain and message.payload:
            found.add(message.topic.value)


def _client(peer: Peer) -> aiomqtt.Client:
    return aiomqtt.Client(
        peer.host,
        peer.port,
        username=peer.username,
        password=peer.password,
        identifier=f"tracefleet-fleet-{secrets.token_hex(8)}",
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=True,
        timeout=CONNECT_SECONDS,
        tls_context=ssl.create_default_context() if peer.secure else None,
    )
