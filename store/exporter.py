"""Metrics and health of a process that has no HTTP of its own: ``/metrics``, ``/livez`` and ``/readyz`` from a thread.

A busy event loop still answers, and a registry is read as it stands: nothing here knows what is counted.
"""

import errno
import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from store.errors import PortTakenError, TracefleetError

# Checks by name: None for one that is fine, else the reason. Called from the thread of a request, so it must not block
# and may only read what another thread can safely write: plain attributes do.
Readiness = Callable[[], Mapping[str, str | None]]

POLL_SECONDS: Final = 0.05
REQUEST_SECONDS: Final = 5.0


class Exporter:
    """A listening server for one registry; ``with`` it, and it closes within a second.

    Entering binds *host*:*port* and raises PortTakenError when somebody else listens there; *setting* is the variable
    that the sentence tells the operator to change.
    """

    def __init__(
        self, registry: CollectorRegistry, *, host: str, port: int, readiness: Readiness, setting: str
    ) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._readiness = readiness
        self._setting = setting
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """The server, listening and answering."""
        self._server = self._bind()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="exporter", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(1)
            self._server = self._thread = None

    def _bind(self) -> "_Server":
        try:
            return _Server(self._host, self._port, self._registry, self._readiness)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"port {self._port} of {self._host} is in use, and metrics are to be served there. "
                    f"Stop what listens on it, or set {self._setting} to a free port."
                ) from error
            raise TracefleetError(
                f"metrics cannot be served at {self._host}:{self._port}: {error.strerror or error}. Set "
                f"TRACEFLEET_METRICS_HOST to an address of this machine, {self._setting} to a port this user may open."
            ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that reads slowly must not hold up the end: its thread ends with the process, or after REQUEST_SECONDS.
    block_on_close = False

    def __init__(self, host: str, port: int, registry: CollectorRegistry, readiness: Readiness) -> None:
        self.registry = registry
        self.readiness = readiness
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for its own name here, which can take seconds on a machine without DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's signature
        # A scraper that hangs up is its own business; anything else is a fault of ours and is shown.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        match urlsplit(self.path).path:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, encode(self.server.registry), content_type)
            case "/livez":
                self._answer_json(HTTPStatus.OK, {"alive": True})
            case "/readyz":
                self._answer_readiness()
            case _:
                known = "There are /metrics, /livez and /readyz."
                self._answer_json(HTTPStatus.NOT_FOUND, {"status": "not found", "detail": known})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer_readiness(self) -> None:
        # In the shape of the API's own.
        reasons = self.server.readiness()
        checks = {name: {"ok": reason is None, "reason": reason or "fine"} for name, reason in reasons.items()}
        ready = all(check["ok"] for check in checks.values())
        body = {"ready": ready, "checks": checks}
        self._answer_json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body)

    def _answer_json(self, status: HTTPStatus, body: Mapping[str, object]) -> None:
        self._answer(status, json.dumps(body, ensure_ascii=False).encode() + b"\n", "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Nothing: a scrape every few seconds is no event."""
