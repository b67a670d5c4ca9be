"""The peer: ``mq-bridge``, which also takes MQTT to PostgreSQL by COPY and acknowledges late. What it runs with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from deploy.bench.brokers import HOST, Broker
from deploy.bench.children import helper
from deploy.bench.load import STREAM
from deploy.bench.peer_database import FIELDS, TABLE
from deploy.bench.publisher import forget_session

DISTRIBUTION: Final = "mq-bridge"
CLIENT_ID: Final = "bench-peer"
LOG: Final = "peer.log"
# As long as ours, so that its topics cost the same.
ROOT: Final = "benchpeers/v1"
# The best of those tried on two cores: smaller batches and queues are slower, larger ones and more at once no faster.
BATCH_SIZE: Final = 4096
CONCURRENCY: Final = 1
QUEUE_CAPACITY: Final = 8192
# Of ours, it has none of these; they are what our figures pay for besides.
DOES_NOT: Final = (
    "validate: a field that is missing or no scalar becomes NULL, and the database judges the rest",
    "keep dead letters: a batch that the database refuses goes again row by row, and its times are refused as text",
    "handle duplicates or conflicts: a message delivered twice is such a refusal: its batch is dropped, with log lines",
    "know a registry of devices, their boots and clocks: the message brings the finished row, with numbers for both",
    "keep latest values, presence or workers",
    "keep an account of what was received, stored, duplicate and refused",
)


@contextmanager
def serve(database_url: str, broker: Broker, folder: Path) -> Iterator[int]:
    """The id of a process of the peer; drained and ended with the block.

    Its session begins empty: it does not come up with more than a few messages waiting in one.
    It says that it runs before it has subscribed: only a message that arrived shows that.
    Raises TracefleetError, with the end of its log, when it does not come up.
    """
    forget_session(CLIENT_ID, HOST, broker.port)
    with helper("deploy.bench.peer_route", log=folder / LOG) as peer:
        peer.tell(json.dumps(route(database_url, broker)))
        peer.hear()
        yield peer.pid


def route(database_url: str, broker: Broker) -> dict[str, Any]:
    """Its configuration. Pure."""
    columns = ", ".join(FIELDS)
    values = ", ".join(f"${{payload:{name}}}" for name in FIELDS)
    return {
        "input": {
            "mqtt": {
                "url": f"mqtt://{HOST}:{broker.port}",
                "topic": f"{ROOT}/+/{STREAM}",
                "client_id": CLIENT_ID,
                "qos": 1,
                "clean_session": False,
                # The embedded broker speaks 3.1.1 only.
                "protocol": "v5" if broker.name.startswith("mosquitto") else "v3",
                "queue_capacity": QUEUE_CAPACITY,
                # Where the broker is the faster one, the peer without this takes all that it has at once and searches
                # it for each message: a fifth of the rate, at thirty times the processor's time.
                "delayed_ack": True,
            }
        },
        "output": {
            "sqlx": {
                "url": database_url,
                "table": TABLE,
                # Names of ours alone; by bulk_copy it becomes a COPY of these columns.
                "insert_query": f"INSERT INTO {TABLE} ({columns}) VALUES ({values})",  # noqa: S608
                "bulk_copy": True,
                "max_connections": CONCURRENCY,
            }
        },
        "batch_size": BATCH_SIZE,
        "concurrency": CONCURRENCY,
    }


def disclosed(broker: Broker) -> dict[str, Any]:
    """What it ran with, for the report."""
    told = route("postgresql://…", broker)
    told["input"]["mqtt"]["url"] = "mqtt://…"
    return {"name": DISTRIBUTION, "version": version(DISTRIBUTION), "route": told}
