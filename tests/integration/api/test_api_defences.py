"""What each address of the API is defended by: other sites' pages, too many requests, headers, TLS off this machine."""

import asyncio
import http.client
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import server
from api.rates import network_of
from store.errors import SettingsError
from store.settings import Settings

FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for this machine, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    folder = tmp_path_factory.mktemp("tls")
    line = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=here"
    subprocess.run(
        [openssl, *line.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True
    )
    return folder


async def test_page_of_another_site_is_refused_before_anything_else(client: httpx.AsyncClient) -> None:
    """Without a word about whether the address exists; reading is no matter."""
    for path in ("/api/v1/telemetry", "/api/v1/sessions", "/api/v1/nothing"):
        answer = await client.post(path, json={}, headers=FOREIGN)
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("#cross-site")
    assert (await client.get("/livez", headers=FOREIGN)).status_code == 200


async def test_who_asks_too_often_waits(make_client: Callable[..., Any]) -> None:
    """Each caller for itself, and reading apart from changing; probes and telemetry are never counted."""
    async with make_client(api_reads_per_minute=5, api_writes_per_minute=1) as client:
        one, other = ({"Authorization": f"Bearer tf_{name}"} for name in ("one", "other"))
        answers = [await client.get("/api/v1/devices", headers=one) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert answers[-1].json()["type"].endswith("#too-often")
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert (await client.get("/api/v1/devices", headers=other)).status_code == 401
        assert (await client.delete("/api/v1/devices/X", headers=one)).status_code != 429
        assert (await client.delete("/api/v1/devices/X", headers=one)).status_code == 429
        for path in ("/livez", "/metrics"):
            assert {(await client.get(path, headers=one)).status_code for _ in range(8)} == {200}
        assert {(await client.post("/api/v1/telemetry", headers=one)).status_code for _ in range(4)} == {401}


async def test_callers_that_invent_keys_are_counted_by_their_address(make_client: Callable[..., Any]) -> None:
    """Ten callers' worth of them."""
    async with make_client(api_reads_per_minute=2) as client:
        statuses = [
            (await client.get("/api/v1/devices", headers={"Authorization": f"Bearer {number}"})).status_code
            for number in range(25)
        ]
    assert statuses == [401] * 20 + [429] * 5


@pytest.mark.parametrize("path", ["/", "/login", "/livez", "/api/v1/openapi.json", "/api/v1/docs", "/api/v1/nothing"])
async def test_every_answer_has_the_headers_of_defence(client: httpx.AsyncClient, path: str) -> None:
    """Pages and errors alike: no script, frame or style of anywhere but here."""
    headers = (await client.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";") if part.strip())
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers
    assert "Access-Control-Allow-Origin" not in headers


async def test_neighbours_do_not_pay_for_who_asks_too_often(make_client: Callable[..., Any]) -> None:
    """What is refused to one is not taken from what its address has."""
    async with make_client(api_reads_per_minute=2) as client:
        greedy, other = ({"Authorization": f"Bearer {name}"} for name in ("greedy", "other"))
        for _ in range(30):
            await client.get("/api/v1/devices", headers=greedy)
        assert (await client.get("/api/v1/devices", headers=other)).status_code == 401


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_household_counts_as_one_address(host: str, network: str) -> None:
    """It has more addresses of IPv6 than could be counted."""
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("evil.example", 401)]
)
async def test_page_whose_name_leads_here_is_nobody(client: httpx.AsyncClient, host: str, status: int) -> None:
    """A browser of this machine asks by the name of the page: who has the role of this machine asks by its own."""
    assert (await client.get("/api/v1/devices", headers={"Host": host})).status_code == status


async def test_body_that_never_says_its_length_is_bounded(client: httpx.AsyncClient) -> None:
    """Sent in pieces, two mebibytes of them."""

    async def pieces() -> Any:
        for _ in range(32):
            yield b'{"name": "' + b"x" * 65536

    answer = await client.post("/api/v1/sessions", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - refused
def test_off_this_machine_it_speaks_tls_or_not_at_all(make_settings: Callable[..., Settings], host: str) -> None:
    """The sentence says what to set, and what to type behind a proxy."""
    with pytest.raises(SettingsError, match=r"without TLS.*TRACEFLEET_API_TLS_CERTIFICATE.*--insecure"):
        asyncio.run(server.run(make_settings(api_host=host)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("cert.pem", None), "are set together"),
        ((None, "key.pem"), "are set together"),
        (("nowhere.pem", "key.pem"), "Give a certificate and its key"),
        (("key.pem", "cert.pem"), "Give a certificate and its key"),
    ],
)
def test_certificate_that_is_none_is_refused(
    make_settings: Callable[..., Settings], certificate: Path, given: tuple[str | None, str | None], told: str
) -> None:
    """Before it listens to anybody."""
    names = ("api_tls_certificate", "api_tls_key")
    files = {name: certificate / file for name, file in zip(names, given, strict=True) if file}
    with pytest.raises(SettingsError, match=told):
        asyncio.run(server.run(make_settings(**files)))


def test_api_speaks_tls_with_its_certificate(
    make_settings: Callable[..., Settings], running: Callable[..., Any], certificate: Path
) -> None:
    """TLS alone, and browsers are told to come back so."""
    settings = make_settings(api_tls_certificate=certificate / "cert.pem", api_tls_key=certificate / "key.pem")
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")
    with running(settings):
        connection = http.client.HTTPSConnection("127.0.0.1", settings.api_port, timeout=10, context=trust)
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"alive":true}')
        assert answer.getheader("Strict-Transport-Security") == "max-age=31536000"
        connection.close()
        plain = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=10)
        plain.request("GET", "/livez")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
        plain.close()


@pytest.mark.parametrize(("trusted", "status"), [("", 200), ("192.0.2.0/24", 200), ("127.0.0.0/8", 401)])
def test_only_a_proxy_of_ours_may_say_for_whom_it_asks(
    make_settings: Callable[..., Settings], running: Callable[..., Any], trusted: str, status: int
) -> None:
    """Who is on this machine may read here; who comes through the proxy is not."""
    settings = make_settings(api_trusted_proxies=trusted)
    with running(settings):
        connection = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=10)
        connection.request("GET", "/api/v1/devices", headers={"X-Forwarded-For": "198.51.100.7"})
        assert connection.getresponse().status == status
        connection.close()


async def test_no_statement_of_the_api_lasts_for_ever(make_client: Callable[..., Any]) -> None:
    """Whichever of its connections runs it: those that read, that change the ledger, and that write telemetry."""
    asked = "SELECT current_setting('statement_timeout') AS most"
    async with make_client() as client:
        state = client._transport.app.state
        assert await state.database.fetch_one(asked) == {"most": "5s"}
        assert await state.desk.read(lambda connection: connection.execute(asked).fetchone()) == ("1min",)

        async def work(connection: Any) -> Any:
            return await (await connection.execute(asked)).fetchone()

        assert await state.writers.run(work) == ("20s",)
