"""Messages as a worker would write them, and devices of the ledger."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson
import psycopg
import pytest

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service


@pytest.fixture
def zhengzhou(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """The region 410100 is in the ledger."""
    connection.execute("INSERT INTO regions (region_code, name_zh, name_en) VALUES ('410100', '郑州市', 'Zhengzhou')")


@pytest.fixture
def register(connection: psycopg.Connection[tuple[object, ...]]) -> Callable[..., None]:
    """Puts a device of a kind, a logger unless told otherwise, into the ledger."""

    def put(device_no: str, kind: str = "logger") -> None:
        connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
            " VALUES ('S', '冷库', 'Store', 'cold_store', '410100') ON CONFLICT DO NOTHING"
        )
        connection.execute(
            "INSERT INTO models (model_no, kind, vendor) VALUES (%(kind)s, %(kind)s, 'v') ON CONFLICT DO NOTHING",
            {"kind": kind},
        )
        connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id)"
            " SELECT %s, m.model_id, s.site_id FROM models m, sites s WHERE m.kind = %s",
            (device_no, kind),
        )

    return put


@pytest.fixture
def receive(database_url: str) -> Callable[..., Awaitable[None]]:
    """Writes one cold-chain message of a device, as a worker would."""

    async def written(device_no: str, *records: object, seq: int = 0, boot: str = "b") -> None:
        async with await connect_service(database_url, application_name="test") as connection:
            registry = Registry()
            await registry.load(connection)
            batch = Batch()
            payload = orjson.dumps({"v": 1, "boot": boot, "seq": seq, "records": list(records)})
            take_in([Arrival(f"tracefleet/v1/{device_no}/coldchain", payload, datetime.now(UTC))], registry, batch)
            await write(connection, batch, worker="w", isolate=True)

    return written
