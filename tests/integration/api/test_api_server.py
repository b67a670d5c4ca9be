"""The API as a process: its port, its signals, its logs."""

import asyncio
import http.client
import json
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from api import server
from store.errors import PortTakenError, SettingsError
from store.settings import Settings


def _answers(settings: Settings) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", settings.api_port), timeout=1):
            return True
    except OSError:
        time.sleep(0.02)
        return False


def _get(settings: Settings, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.api_port}{path}", timeout=5) as answer:
        body: dict[str, object] = json.load(answer)
        return body


def _on_one_connection(settings: Settings, *requests: tuple[str, str]) -> list[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=5)
    bodies = []
    for method, path in requests:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.getheader("Content-Length") == "14"
        bodies.append(answer.read())
    connection.close()
    return bodies


def test_answers_do_not_wait_for_acknowledgements(settings: Settings) -> None:
    """A connection takes over that nothing is held back: the head of an answer and its body are sent at once."""
    with server.listen(settings) as listener, socket.create_connection(listener.getsockname()):
        taken, _ = listener.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_ends_well_when_told_to(settings: Settings, running: Callable[..., Any], number: signal.Signals) -> None:
    """Exit status 0 within seconds, whatever a lazy client does; the log has its two ends and no access."""
    with running(settings) as process:
        assert _get(settings, "/livez") == {"alive": True}
        assert _get(settings, "/api/v1/devices")["items"] == []
        assert _on_one_connection(settings, ("HEAD", "/livez"), ("GET", "/livez")) == [b"", b'{"alive":true}']
        with socket.create_connection(("127.0.0.1", settings.api_port), timeout=5) as lazy:
            lazy.sendall(b"GET /livez HTTP/1.1\r\n")
            process.send_signal(number)
            output, _ = process.communicate(timeout=10)
    assert process.returncode == 0, output
    assert re.findall(r"\] (api \w+)", output) == ["api listens", "api ended"], output
    assert "/livez" not in output


def test_server_refuses_a_taken_port(make_settings: Callable[..., Settings]) -> None:
    """Before anything else, and the sentence names the setting; the database is not even asked."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = make_settings(api_port=port, database_url="postgresql://127.0.0.1:1/none")
        with pytest.raises(PortTakenError, match=f"port {port} .* TRACEFLEET_API_PORT"):
            asyncio.run(server.run(settings))


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_server_refuses_an_address_of_others(make_settings: Callable[..., Settings], host: str) -> None:
    """The sentence names the setting."""
    with pytest.raises(SettingsError, match="TRACEFLEET_API_HOST"):
        asyncio.run(server.run(make_settings(api_host=host)))


def test_connections_send_at_once(settings: Settings) -> None:
    """On a connection that is kept, the body of an answer does not wait until its head is acknowledged."""
    with server.listen(settings) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_server_ends_in_order_when_cancelled(settings: Settings) -> None:
    """Whoever runs it as a task may cancel it: it stops listening and gives its signals back."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def serve_and_cancel() -> None:
        task = asyncio.create_task(server.run(settings))
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", settings.api_port)
                    break
                except OSError:
                    await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with asyncio.Runner() as runner:
        runner.run(serve_and_cancel())
    assert not _answers(settings)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
