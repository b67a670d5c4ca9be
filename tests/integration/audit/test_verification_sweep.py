"""The sweep that verifies the audit: what it found is in the metrics until the next one finds it mended."""

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.acting import Actor, acting
from fleet.checks import Checks
from fleet.keys import Keys
from fleet.metrics import Metrics
from fleet.sweeps import sweeps
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]
pytestmark = pytest.mark.anyio
EDIT = """
SET session_replication_role = replica;
UPDATE audit SET actor = reverse(actor) WHERE audit_id = (SELECT min(audit_id) FROM audit);
SET session_replication_role = origin;
"""


# What the migrations wrote waits for its seal since then.
AGE = """
SET session_replication_role = replica;
UPDATE audit SET at = at - INTERVAL '1 hour';
SET session_replication_role = origin;
"""


async def test_what_a_verification_finds_is_told(settings: Settings, connection: Connection) -> None:
    """Nothing on what was migrated an hour ago, nor on what is whole; an edited entry, until it is mended."""
    connection.execute(AGE.encode())
    registry = CollectorRegistry()
    [sweep] = [each for each in sweeps(settings, Metrics(registry), Checks({})) if each.name == "verification"]

    async def found() -> float | None:
        async with await psycopg.AsyncConnection.connect(settings.require_database_url(), autocommit=True) as opened:
            await sweep.work(opened)
        return registry.get_sample_value("tracefleet_fleet_audit_findings")

    assert await found() == 0
    with acting(connection, Actor("li", "tests"), keys=Keys.of(settings)):
        connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'kiosk', 'V')")
    assert await found() == 0
    for expected in (1, 0):
        connection.execute(EDIT.encode())
        assert await found() == expected
