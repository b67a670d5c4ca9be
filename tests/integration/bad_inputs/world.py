"""One running ingest that is sent every case, and what its database and its metrics say afterwards."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from store.settings import Settings
from tests.integration.bad_inputs.case import KIND, Case, Sent, good, message
from tests.integration.bad_inputs.process import Ingest, Metrics, until
from tests.integration.bad_inputs.wire import Wire

LIMIT_SECONDS: Final = 60
# Sends a good message after each case, with the case's number as its sequence number.
NEIGHBOUR: Final = "NEIGHBOUR"
COUNTS: Final = ("messages", "received", "stored", "duplicate", "conflict", "dead_lettered")
Connection = psycopg.Connection[Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class World:
    """Everything that ingest left behind once all cases were sent."""

    # Whether the broker took each publication of each case.
    taken: list[list[bool]]
    letters: Rows
    # By device and stream, in the order of their sequence numbers.
    rows: dict[tuple[str, str], Rows]
    conflicts: Counter[str]
    latest: dict[str, dict[str, Any]]
    account: dict[str, dict[str, int]]
    metrics: Metrics
    # Rows that were committed in one transaction with a dead letter.
    shared_commits: int
    is_idle: bool


def device_of(number: int) -> str:
    """The device of the case so numbered."""
    return f"B-{number}"


def topic_of(case: Case, number: int, topic: bytes | None) -> bytes:
    """Where the case sends to: the topic it names, or its device's own."""
    return (topic or b"tracefleet/v1/%b/" + case.stream.encode()).replace(b"%b", device_of(number).encode())


def live_through(cases: Sequence[Case], settings: Settings, folder: Path) -> World:
    """What is there once *cases* have been sent, each with a good message of a neighbour behind it."""
    expected = sum(_records(case) for case in cases) + len(cases)
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        register(connection, NEIGHBOUR, "logger")
        for number, case in enumerate(cases):
            if case.state is not None:
                register(connection, device_of(number), KIND[case.stream], case.state)
        with Ingest(settings, folder) as ingest:
            taken = _send_all(cases, settings)
            # What never comes is found by the case that misses it.
            until(lambda: _received(connection) >= expected and ingest.is_idle(), LIMIT_SECONDS)
            return _look(connection, ingest, taken)


def register(connection: Connection, device_no: str, kind: str, state: str = "in_service") -> None:
    """Enter a device, with what it stands on."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S1', '一号冷库', 'Cold store 1', 'cold_store', '410100') ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO models (model_no, kind, vendor) VALUES (%(k)s, %(k)s, 'v') ON CONFLICT DO NOTHING", {"k": kind}
    )
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id, state) SELECT %s, m.model_id, s.site_id, %s"
        " FROM models m, sites s WHERE m.kind = %s AND s.site_no = 'S1'",
        (device_no, state, kind),
    )


def _records(case: Case) -> int:
    return sum(letter.records for letter in case.letters) + len(case.stored) + case.duplicate + case.conflict


def _send_all(cases: Iterable[Case], settings: Settings) -> list[list[bool]]:
    taken = []
    with Wire(settings.broker_url.get_secret_value()) as wire:
        for number, case in enumerate(cases):
            taken.append([_send(wire, topic_of(case, number, sent.topic), sent) for sent in case.sent])
            neighbour = message(good(), boot='"n"', seq=str(number))
            assert wire.publish(f"tracefleet/v1/{NEIGHBOUR}/coldchain".encode(), neighbour), f"after {case.id}"
    return taken


def _send(wire: Wire, topic: bytes, sent: Sent) -> bool:
    taken = wire.publish(topic, sent.payload, qos=sent.qos, retain=sent.retain, dup=sent.dup)
    if topic.startswith(b"$"):
        # Mosquitto acknowledges what it forbids, and at times cuts the line after it.
        wire.close()
    return taken


def _received(connection: Connection) -> int:
    row = connection.execute("SELECT coalesce(sum(received), 0)::int FROM ingest_stats").fetchone()
    return int(row[0]) if row else 0


def _look(connection: Connection, ingest: Ingest, taken: list[list[bool]]) -> World:
    connection.row_factory = dict_row
    rows: dict[tuple[str, str], Rows] = {}
    for stream in KIND:
        for row in connection.execute(
            sql.SQL("SELECT * FROM {} JOIN devices USING (device_id) ORDER BY seq").format(sql.Identifier(stream))
        ):
            rows.setdefault((row["device_no"], stream), []).append(row)
    columns = sql.SQL(", ").join(sql.SQL("sum({0})::int AS {0}").format(sql.Identifier(name)) for name in COUNTS)
    account = connection.execute(sql.SQL("SELECT stream, {} FROM ingest_stats GROUP BY stream").format(columns))
    shared = "SELECT count(*) FROM coldchain AS c WHERE c.xmin IN (SELECT d.xmin FROM dead_letters AS d)"
    return World(
        taken,
        connection.execute("SELECT * FROM dead_letters JOIN dead_letter_payloads USING (payload_id)").fetchall(),
        rows,
        Counter(
            row["device_no"] for row in connection.execute("SELECT * FROM conflicts JOIN devices USING (device_id)")
        ),
        {row["device_no"]: row for row in connection.execute("SELECT * FROM latest JOIN devices USING (device_id)")},
        {str(row.pop("stream")): row for row in account},
        ingest.metrics(),
        connection.execute(shared).fetchall()[0]["count"],
        ingest.is_idle(),
    )
