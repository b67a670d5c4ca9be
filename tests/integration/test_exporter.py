"""Metrics and health over HTTP, from a thread."""

import http.client
import json
import socket
import time

import pytest
from prometheus_client import CollectorRegistry, Counter

from api.readiness import Check, Readiness
from deploy.ports import free_port
from store.errors import PortTakenError, TracefleetError
from store.exporter import Exporter

SETTING = "TRACEFLEET_FLEET_METRICS_PORT"


def _exporter(port: int, *, host: str = "127.0.0.1", reasons: dict[str, str | None] | None = None) -> Exporter:
    registry = CollectorRegistry()
    Counter("tried", "Tries.", registry=registry).inc(3)
    return Exporter(registry, host=host, port=port, readiness=lambda: reasons or {}, setting=SETTING)


def _get(port: int, path: str, *, accept: str = "*/*", method: str = "GET") -> tuple[int, str, str]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request(method, path, headers={"Accept": accept})
    answer = client.getresponse()
    body = answer.read().decode()
    client.close()
    return answer.status, answer.getheader("Content-Type", ""), body


def test_metrics_are_served_as_prometheus_asks_for_them() -> None:
    """Text by default, OpenMetrics when it is accepted; a query string changes nothing."""
    port = free_port("127.0.0.1")
    with _exporter(port):
        status, content_type, body = _get(port, "/metrics?name=x")
        assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "tried_total 3.0" in body.splitlines()
        _, content_type, body = _get(port, "/metrics", accept="application/openmetrics-text; version=1.0.0")
        assert content_type.startswith("application/openmetrics-text")
        assert body.endswith("# EOF\n")


def test_readiness_gives_each_check_with_its_reason() -> None:
    """503 as long as one is not fine; being alive is another question."""
    port = free_port("127.0.0.1")
    reasons: dict[str, str | None] = {"database": "it is away", "census": None}
    with _exporter(port, reasons=reasons):
        status, content_type, body = _get(port, "/readyz")
        assert (status, content_type) == (503, "application/json")
        checks = {"database": {"ok": False, "reason": "it is away"}, "census": {"ok": True, "reason": "fine"}}
        assert json.loads(body) == {"ready": False, "checks": checks}
        # As the API says it, so that one reader reads all.
        assert Readiness.model_fields.keys() == json.loads(body).keys()
        assert Check.model_fields.keys() == checks["database"].keys()
        status, _, body = _get(port, "/livez")
        assert (status, json.loads(body)) == (200, {"alive": True})
        reasons["database"] = None
        status, _, body = _get(port, "/readyz")
        assert (status, json.loads(body)["ready"]) == (200, True)


def test_other_paths_are_not_found_and_head_has_no_body() -> None:
    """Nothing else is served, and other methods are refused."""
    port = free_port("127.0.0.1")
    with _exporter(port):
        assert _get(port, "/")[0] == 404
        assert _get(port, "/metrics", method="HEAD")[::2] == (200, "")
        assert _get(port, "/metrics", method="POST")[0] == 501


def test_taken_port_is_refused_with_the_setting_to_change() -> None:
    """And an address of another machine as well."""
    port = free_port("127.0.0.1")
    with _exporter(port):
        with pytest.raises(PortTakenError, match=f"port {port} of 127.0.0.1 is in use.*set {SETTING} to a free port"):
            _exporter(port).__enter__()
        with pytest.raises(TracefleetError, match=r"192\.0\.2\.1.*TRACEFLEET_METRICS_HOST"):
            _exporter(port, host="192.0.2.1").__enter__()


def test_port_is_free_again_after_the_end_even_with_a_client_that_says_nothing() -> None:
    """The end waits for nobody."""
    port = free_port("127.0.0.1")
    with socket.socket() as silent:
        with _exporter(port):
            silent.connect(("127.0.0.1", port))
            assert _get(port, "/livez")[0] == 200
            began = time.monotonic()
        assert time.monotonic() - began < 1
    with _exporter(port):
        assert _get(port, "/livez")[0] == 200


def test_client_that_hangs_up_is_no_event(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is written anywhere, by requests or by their failure."""
    port = free_port("127.0.0.1")
    with _exporter(port):
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            rude.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert _get(port, "/metrics")[0] == 200
    assert capfd.readouterr() == ("", "")
