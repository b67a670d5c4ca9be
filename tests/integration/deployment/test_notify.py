"""What systemd hears of a service: from the real processes, and word by word."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.notify import notify
from deploy.ports import ListenPort
from store.settings import PREFIX, Settings, as_variable
from tests.conftest import end, free_port

LIMIT_SECONDS = 20.0


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Its end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(LIMIT_SECONDS)
        yield ear


@pytest.mark.parametrize("service", ["ingest", "fleet", "api"])
def test_service_is_ready_when_it_listens_and_shows_that_it_lives(
    service: str, systemd: socket.socket, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The first word comes when its port answers, the next ones as often as asked; it ends in order."""
    settings = make_settings()
    given = {name: getattr(settings, name) for name in Settings.model_fields}
    environment = {PREFIX + name.upper(): as_variable(value) for name, value in given.items() if value is not None}
    told = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "200000", "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", service],
        env=environment | told | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert systemd.recv(100) == b"READY=1"
        ports = {"ingest": settings.ingest_metrics_port, "fleet": settings.fleet_metrics_port, "api": settings.api_port}
        socket.create_connection(("127.0.0.1", ports[service]), timeout=5).close()
        assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_SECONDS) == 0
    finally:
        end(process)


async def _hear(environment: dict[str, str], port: int, *, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await notify(ListenPort("a test", "127.0.0.1", port, "X", ""), environment)


def test_nobody_is_told_who_does_not_ask() -> None:
    """It ends at once; without a watchdog it ends after the one word."""
    asyncio.run(asyncio.wait_for(_hear({}, free_port(), seconds=60), 5))


def test_one_word_without_a_watchdog(systemd: socket.socket) -> None:
    """Nor for the watchdog of another process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for more in ({}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
            environment = {"NOTIFY_SOCKET": systemd.getsockname(), **more}
            asyncio.run(asyncio.wait_for(_hear(environment, server.getsockname()[1], seconds=60), 5))
            assert systemd.recv(100) == b"READY=1"
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


def test_a_name_in_the_kernel_is_no_file(tmp_path: Path) -> None:
    """As user instances of systemd have it."""
    name = f"tracefleet-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear, socket.create_server(("127.0.0.1", 0)) as server:
        ear.bind(f"\0{name}")
        ear.settimeout(LIMIT_SECONDS)
        asyncio.run(_hear({"NOTIFY_SOCKET": f"@{name}"}, server.getsockname()[1], seconds=60))
        assert ear.recv(100) == b"READY=1"
