"""The application over the test's database, in the test or as a process, and a small city seeded by SQL."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from api.app import create_app
from api.writers import Writers
from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.roles import MACHINES, Role
from fleet.keys import Keys
from store.records import IDENTITY_COLUMNS
from store.settings import Settings
from tests.conftest import with_rights_of

PROGRAM = (
    "import asyncio; from api.server import run; from store.settings import Settings; asyncio.run(run(Settings()))"
)
SAMPLE: dict[str, dict[str, Any]] = {
    "weighing": {
        "trade_no": "T1",
        "kind": "sale",
        "net_g": 500,
        "unit_price_fen_per_kg": 3000,
        "amount_fen": 1500,
        "stable": True,
    },
    "scan": {"code": "4101000010001", "purpose": "lookup", "result": "ok", "elapsed_ms": 120},
    "coldchain": {"temperature_c": 2.5, "probe": "a", "humidity_pct": 81.0, "door_open": False},
    "status": {"uptime_s": 60, "errors": ["E1", "E2"]},
}


@dataclass
class City:
    """Rows a test wants, put where ingest and the ledger would put them."""

    connection: psycopg.Connection[tuple[Any, ...]]

    def add(self, table: str, returning: str | None = None, /, **row: object) -> Any:
        """Insert one row; the value of the column *returning*, or None."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        if returning:
            statement += sql.SQL(" RETURNING {}").format(sql.Identifier(returning))
        cursor = self.connection.execute(statement, list(row.values()))
        found = cursor.fetchone() if returning else None
        return found[0] if found else None

    def site(self, site_no: str, region_code: str = "410105", kind: str = "wet_market") -> int:
        """The id of a new site."""
        site_id = self.add(
            "sites",
            "site_id",
            site_no=site_no,
            name_zh="金水农贸市场",
            name_en="Jinshui",
            kind=kind,
            region_code=region_code,
        )
        return int(site_id)

    def model(self, model_no: str, kind: str) -> int:
        """The id of a new model."""
        return int(self.add("models", "model_id", model_no=model_no, kind=kind, vendor="Example"))

    def device(self, device_no: str, model_id: int, site_id: int, **more: object) -> int:
        """The id of a new device."""
        return int(self.add("devices", "device_id", device_no=device_no, model_id=model_id, site_id=site_id, **more))

    def boot(self, device_id: int, boot: str = "b1") -> int:
        """The id of a new power-up."""
        now = datetime.now(UTC)
        return int(self.add("boots", "boot_id", device_id=device_id, boot=boot, first_received_at=now))

    def record(self, stream: str, device_id: int, boot_id: int, seq: int, at: datetime, **fields: object) -> None:
        """A record of a stream, its fields from SAMPLE unless given; it came a second after it was made."""
        identity = (device_id, boot_id, seq, at + timedelta(seconds=1), False, at)
        row = dict(zip(IDENTITY_COLUMNS, identity, strict=True))
        self.add(stream, **row, **(SAMPLE[stream] | fields))

    def latest(self, device_id: int, stream: str, at: datetime, record: dict[str, Any], probe: str = "") -> None:
        """A latest value."""
        self.add(
            "latest",
            device_id=device_id,
            stream=stream,
            probe=probe,
            at=at,
            seq=7,
            received_at=at,
            record=Jsonb(record),
        )

    def worker(self, worker: str = "ingest-1", **more: object) -> None:
        """An ingest process that is well, and has just said so, unless told otherwise."""
        now = datetime.now(UTC)
        row = {"started_at": now, "heartbeat_at": now, "connected": True, "unacknowledged": 0, "lag_seconds": 0.1}
        self.add("workers", worker=worker, **(row | more))


def writers_of(client: httpx.AsyncClient) -> Writers:
    """The writers of the application behind *client*."""
    found: Writers = client._transport.app.state.writers  # type: ignore[attr-defined]
    return found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def city(connection: psycopg.Connection[tuple[Any, ...]]) -> City:
    return City(connection)


@pytest.fixture
def one_device(city: City) -> int:
    """The id of device D-1: a logger at one site."""
    return city.device("D-1", city.model("L-1", "logger"), city.site("410100001"))


@pytest.fixture
def make_settings(make_settings: Callable[..., Settings], database_url: str) -> Callable[..., Settings]:
    """The API under test may do in the database what its role may, and no more."""
    of_the_api = with_rights_of("tracefleet_api", database_url)
    return lambda **given: make_settings(**({"database_url": of_the_api} | given))


async def _client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    # Whoever shows nothing is the operator of this machine here; who may what is asked in test_api_permissions.
    app = create_app(settings.model_copy(update={"api_loopback_role": "operator"}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application. An exception that no handler caught would come out of its calls."""
    async for client in _client(settings):
        yield client


@pytest.fixture
def as_role(connection: psycopg.Connection[tuple[Any, ...]], settings: Settings) -> Callable[..., dict[str, str]]:
    """The headers of a person with a new key of these roles, who is named after them."""

    def made(*roles: Role) -> dict[str, str]:
        name = "-".join(roles)
        owner = None if MACHINES.issuperset(roles) else name
        with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
            if owner is not None:
                connection.execute("INSERT INTO users (name, roles) VALUES (%s, %s)", (owner, list(roles)))
            _, text = api_keys.make(connection, name, roles, owner=owner)
        return {"Authorization": f"Bearer {text}"}

    return made


@pytest.fixture
def make_client(make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    """A context manager of a client, with any setting given."""
    return lambda **given: asynccontextmanager(_client)(make_settings(**given))


@pytest.fixture
def walk() -> Callable[..., Any]:
    """All pages of a list: follows ``next_cursor`` to the end, and calls *between* after each page."""

    async def all_pages(
        client: httpx.AsyncClient, path: str, params: dict[str, Any], between: Callable[[], object] = lambda: None
    ) -> list[list[dict[str, Any]]]:
        pages: list[list[dict[str, Any]]] = []
        cursor: dict[str, str] = {}
        for _ in range(200):
            answer = await client.get(path, params=params | cursor)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            pages.append(body["items"])
            if body["next_cursor"] is None:
                return pages
            cursor = {"cursor": body["next_cursor"]}
            between()
        pytest.fail("the list does not end")

    return all_pages


@contextmanager
def running_api(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    """The API of *settings* as a process that answers."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=os.environ
        | {
            "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
            "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value(),
            "TRACEFLEET_API_PORT": str(settings.api_port),
            "TRACEFLEET_API_TRUSTED_PROXIES": settings.api_trusted_proxies,
            "TRACEFLEET_API_TLS_CERTIFICATE": str(settings.api_tls_certificate or ""),
            "TRACEFLEET_API_TLS_KEY": str(settings.api_tls_key or ""),
            "TRACEFLEET_API_LOOPBACK_ROLE": "operator",
            "TRACEFLEET_DATA_DIR": str(settings.data_dir),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not _answers(settings):
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline
        yield process
    finally:
        process.kill()
        process.communicate()


def _answers(settings: Settings) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", settings.api_port), timeout=1):
            return True
    except OSError:
        time.sleep(0.02)
        return False


@pytest.fixture
def running() -> Callable[..., Any]:
    """A context manager of the API as a process, with the settings given."""
    return running_api
