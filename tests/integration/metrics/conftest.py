"""A fleet of any size, and what each process serves to Prometheus about it after it has worked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api.app import create_app
from fleet.checks import Checks
from fleet.metrics import Metrics as FleetMetrics
from fleet.sweeps import sweeps
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.service import Service
from store.database import connect_service
from store.settings import Settings

PROCESSES = ("ingest", "fleet", "api")
# Of all kinds, in three prefectures; some flagged, some not heard, some whose credential ends.
GROW = """
INSERT INTO models (model_no, kind, vendor) SELECT 'M-' || kind, kind, 'V' FROM kinds ON CONFLICT DO NOTHING;
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)
SELECT 'S' || n, '市场', 'market', 'wet_market', '410' || n || '05' FROM generate_series(1, 3) AS n
ON CONFLICT DO NOTHING;
INSERT INTO devices (device_no, model_id, site_id, state)
SELECT 'D-' || n, m.model_id, s.site_id, CASE WHEN n % 5 = 0 THEN 'idle' ELSE 'in_service' END
FROM generate_series(1, {devices}) AS n
JOIN (SELECT model_id, row_number() OVER (ORDER BY model_no) AS place FROM models) AS m ON m.place = 1 + n % 8
JOIN sites AS s ON s.site_no = 'S' || 1 + n % 3
ON CONFLICT DO NOTHING;
INSERT INTO flags (device_id, flagged_on, flagged_at, policy_version, score, findings, sentence_zh, sentence_en)
SELECT device_id, current_date, now(), 1, 60, '{{}}', '沉睡', 'dormant' FROM devices WHERE device_id % 3 = 0
ON CONFLICT DO NOTHING;
INSERT INTO credentials (device_id, kind, secret_sha256, expires_at)
SELECT device_id, 'password', sha256(device_no::bytea), now() + make_interval(days => device_id % 40 - 1) FROM devices
ON CONFLICT DO NOTHING;
INSERT INTO device_presence (device_id, last_heard_at, state, boot_id, boot_at, state_at, told_at)
SELECT device_id, now() - make_interval(hours => device_id % 50), 'online', 1, now(), now(), now() FROM devices
ON CONFLICT DO NOTHING;
"""


@dataclass
class Installation:
    """A database, and the three processes one after the other on it."""

    settings: Settings
    connection: psycopg.Connection[tuple[Any, ...]]

    def grow(self, devices: int) -> None:
        """Have that many devices."""
        self.connection.execute(GROW.format(devices=devices).encode())

    async def ingest(self) -> str:
        """What a worker serves that has stored a message of each device, and refused one."""
        service = Service(self.settings)
        batch = Batch()
        now = datetime.now(UTC)
        async with await connect_service(self.settings.require_database_url(), application_name="test") as opened:
            await service._registry.load(opened)
        devices = [number for (number,) in self.connection.execute("SELECT device_no FROM devices")]
        for number in [*devices, "STRANGER"]:
            body = {"v": 1, "boot": "b", "seq": 0, "records": [{"at": now.isoformat(), "uptime_s": 1}]}
            arrival = Arrival(f"tracefleet/v1/{number}/status", orjson.dumps(body), now)
            take_in([arrival], service._registry, batch)
        try:
            account = await service._committer.commit(batch)
        finally:
            await service._committer.close()
            service._poison.close()
        service._metrics.committed(account, seconds=0.1, now=datetime.now(UTC))
        assert account.of("status").received == len(devices) + 1
        return generate_latest(service._prometheus).decode()

    async def fleet(self) -> str:
        """What a process serves each of whose sweeps has come round."""
        registry = CollectorRegistry()
        metrics, url = FleetMetrics(registry), self.settings.require_database_url()
        for sweep in sweeps(self.settings, metrics, Checks({})):
            async with await connect_service(url, application_name="test") as opened:
                with metrics.sweep_seconds.labels(sweep.name).time():
                    await sweep.work(opened)
            metrics.sweep_succeeded.labels(sweep.name).set_to_current_time()
        return generate_latest(registry).decode()

    async def api(self) -> str:
        """What a process serves that was asked about devices, and for things that are not there."""
        app = create_app(self.settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
        ):
            for number in range(1, 60):
                await client.get(f"/api/v1/devices/D-{number}")
                await client.get(f"/nowhere/{number}")
            await client.get("/api/v1/devices?limit=500")
            answer = await client.get("/metrics")
        return answer.text

    async def served_by(self, process: str) -> str:
        """The text of one process."""
        works = {"ingest": self.ingest, "fleet": self.fleet, "api": self.api}
        return await works[process]()


@pytest.fixture
def installation(
    make_settings: Callable[..., Settings], connection: psycopg.Connection[tuple[Any, ...]]
) -> Installation:
    """An installation without a device."""
    return Installation(make_settings(), connection)
