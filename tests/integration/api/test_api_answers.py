"""What every answer has in common: shapes of errors, headers, documents, pages."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from api.ledger import EXAMPLE_DEVICE, EXAMPLE_LOGGER
from api.problems import CATALOGUE
from deploy.simulator.city import build

pytestmark = pytest.mark.anyio


async def test_unknown_address_is_a_problem(client: httpx.AsyncClient) -> None:
    """404, with where to look; a slash too many is no redirect."""
    for address in ("/nothing", "/api/v1/devices/", "/api/v2/devices"):
        answer = await client.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), address
        assert answer.json()["type"] == "/api/v1/problems#not-found"


async def test_wrong_method_is_a_problem_that_names_the_right_ones(client: httpx.AsyncClient) -> None:
    """405 with Allow."""
    answer = await client.post("/api/v1/sites", json={})
    assert (answer.status_code, answer.json()["type"]) == (405, "/api/v1/problems#method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_announced_body_is_refused_when_it_is_too_large(client: httpx.AsyncClient) -> None:
    """413 before a byte of it is read."""
    answer = await client.request("GET", "/livez", headers={"Content-Length": "1048577"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/api/v1/problems#too-large")


async def test_head_is_answered_like_get_without_the_body(client: httpx.AsyncClient) -> None:
    """Load balancers ask so."""
    for address in ("/livez", "/api/v1/devices", "/", "/nothing"):
        got, head = await client.get(address), await client.head(address)
        assert (head.status_code, head.content) == (got.status_code, b"")


async def test_answers_carry_the_security_headers(client: httpx.AsyncClient) -> None:
    """Errors and pages, too; nothing is for other origins."""
    for address in ("/livez", "/api/v1/devices", "/nothing", "/", "/api/v1/docs"):
        headers = (await client.get(address, headers={"Origin": "https://elsewhere.example"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert not [name for name in headers if name.startswith("access-control-")]


async def test_mistake_of_the_server_is_a_problem_and_is_logged(client: httpx.AsyncClient, city: Any) -> None:
    """A row that cannot be shown: 500 without a word of the cause, which is in the log."""
    device = city.device("D-1", city.model("m", "logger"), city.site("1"))
    now = datetime.now(UTC)
    line = {"boot_id": 1, "boot_at": now, "state": "online", "state_at": now, "told_at": now}
    city.add("device_presence", device_id=device, last_heard_at="infinity", **line)
    with capture_logs() as logs:
        answer = await client.get("/api/v1/devices/D-1")
    assert (answer.status_code, answer.json()["type"]) == (500, "/api/v1/problems#internal")
    assert "timestamp" not in answer.text
    assert [(line["event"], line["route"]) for line in logs] == [("request failed", "/api/v1/devices/{device_no}")]


CASE_STEPS = (
    "keep",
    "propose",
    "appraise",
    "approve",
    "reject",
    "withdraw",
    "execute",
    "recover",
    "wipe",
    "dispose",
    "write-off",
    "archive",
)


async def test_openapi_documents_every_error_of_every_route(client: httpx.AsyncClient) -> None:
    """One model for all of them, in its media type; every parameter is described."""
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"key": []}, {"session": []}]
    paths = document["paths"]
    assert set(paths) == {
        "/api/v1/outages",
        "/api/v1/outages/{outage_id}/dismiss",
        "/api/v1/outages/{outage_id}/end",
        "/api/v1/presence-thresholds",
        "/api/v1/presence-thresholds/{threshold_id}",
        "/api/v1/approval-tiers",
        "/api/v1/approval-tiers/{tier}",
        "/api/v1/audit",
        "/api/v1/broker/authenticate",
        "/api/v1/broker/authorize",
        "/api/v1/case-deadlines",
        "/api/v1/case-deadlines/{state}",
        "/api/v1/cases",
        "/api/v1/cases/bulk",
        "/api/v1/cases/{case_no}",
        "/api/v1/cases/{case_no}/documents",
        *(f"/api/v1/cases/{{case_no}}/{step}" for step in CASE_STEPS),
        "/api/v1/code-profiles",
        "/api/v1/coldchain-bands",
        "/api/v1/coldchain-bands/{band_id}",
        "/api/v1/dead-letters",
        "/api/v1/dead-letters/purge",
        "/api/v1/dead-letters/replay",
        "/api/v1/dead-letters/{dead_letter_id}",
        "/api/v1/dead-letters/{dead_letter_id}/payload",
        "/api/v1/devices",
        "/api/v1/devices/{device_no}",
        "/api/v1/devices/{device_no}/board",
        "/api/v1/devices/{device_no}/credentials",
        "/api/v1/devices/{device_no}/credentials/{credential_id}",
        "/api/v1/devices/{device_no}/enrolments",
        "/api/v1/devices/{device_no}/explanation",
        "/api/v1/devices/{device_no}/health",
        "/api/v1/devices/{device_no}/health/days",
        "/api/v1/devices/{device_no}/history",
        "/api/v1/devices/{device_no}/holds",
        "/api/v1/devices/{device_no}/holds/{hold_id}",
        "/api/v1/devices/{device_no}/label",
        "/api/v1/devices/{device_no}/latest",
        "/api/v1/devices/{device_no}/lineage",
        "/api/v1/devices/{device_no}/lose",
        "/api/v1/devices/{device_no}/on/{day}",
        "/api/v1/devices/{device_no}/personal",
        "/api/v1/devices/{device_no}/records/{stream}",
        "/api/v1/devices/{device_no}/recover",
        "/api/v1/devices/{device_no}/swap",
        "/api/v1/devices/{device_no}/transfer",
        "/api/v1/devices/{device_no}/transitions",
        "/api/v1/enrolments",
        "/api/v1/findings",
        "/api/v1/findings/{finding_id}",
        "/api/v1/flags",
        "/api/v1/events",
        "/api/v1/fleet/client-ids",
        "/api/v1/fleet/ghosts",
        "/api/v1/fleet/retired",
        "/api/v1/fleet/shared-credentials",
        "/api/v1/fleet/strangers",
        "/api/v1/fleet/strangers/{device_no}/adopt",
        "/api/v1/health",
        "/api/v1/health/checks",
        "/api/v1/ingest/stats",
        "/api/v1/keys",
        "/api/v1/keys/{key_id}",
        "/api/v1/keys/{key_id}/rotate",
        "/api/v1/labels",
        "/api/v1/ledger/devices/export",
        "/api/v1/ledger/{noun}",
        "/api/v1/ledger/{noun}/export",
        "/api/v1/ledger/{noun}/import",
        "/api/v1/ledger/{noun}/template",
        "/api/v1/lifecycle",
        "/api/v1/merchants",
        "/api/v1/merchants/{merchant_code}",
        "/api/v1/merchants/{merchant_code}/personal",
        "/api/v1/models",
        "/api/v1/moves",
        "/api/v1/parties",
        "/api/v1/parties/{party_no}",
        "/api/v1/parties/{party_no}/personal",
        "/api/v1/regions",
        "/api/v1/password",
        "/api/v1/programmes",
        "/api/v1/programmes/{programme_no}",
        "/api/v1/programmes/{programme_no}/blockers",
        "/api/v1/programmes/{programme_no}/devices",
        "/api/v1/programmes/{programme_no}/export.csv",
        "/api/v1/programmes/{programme_no}/export.xlsx",
        "/api/v1/programmes/{programme_no}/progress",
        "/api/v1/registration-gates",
        "/api/v1/rule-policy",
        "/api/v1/rules",
        "/api/v1/rules/what-if",
        "/api/v1/rules/{rule}",
        "/api/v1/security-events",
        "/api/v1/security-events/{security_event_id}/settle",
        "/api/v1/sessions",
        "/api/v1/sessions/current",
        "/api/v1/site-lookups",
        "/api/v1/sites",
        "/api/v1/sites/{site_no}",
        "/api/v1/sites/{site_no}/lookups/{day}",
        "/api/v1/telemetry",
        "/api/v1/tombstones",
        "/api/v1/users",
        "/api/v1/users/{name}",
        "/api/v1/users/{name}/password",
        "/livez",
        "/metrics",
        "/readyz",
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, method, operation in ((path, *one) for path, operations in paths.items() for one in operations.items()):
        assert operation["summary"], path
        assert operation["description"], path
        if not path.startswith("/api/"):
            continue
        answers = operation["responses"]
        # A broker is answered, whatever it asks.
        asks = "/broker/" in path
        assert {"401", "500", "503"} | (set() if asks else {"422"}) <= set(answers), path
        if not asks and "`key-unusable`" not in answers["503"]["description"]:  # not one of the ledger desk
            assert ("504" if method == "get" else "429") in answers, path
        if "{" in path or method == "get":
            assert ("404" in answers) == ("{" in path), path
        errors = [answer["content"] for status, answer in answers.items() if not status.startswith("2")]
        # A report of what is wrong, row by row, is an answer of its own beside the problem.
        assert all(problem.items() <= error.items() for error in errors), path
        assert {name for error in errors for name in error} <= {*problem, "application/json"}, path
        assert [item["name"] for item in operation.get("parameters", []) if not item.get("description")] == []


async def test_openapi_has_no_reference_that_leads_nowhere(client: httpx.AsyncClient) -> None:
    """The records of store are among the schemas."""
    answer = await client.get("/api/v1/openapi.json")
    schemas = answer.json()["components"]["schemas"]
    assert {"Weighing", "Scan", "Coldchain", "Status", "Problem"} <= set(schemas)
    assert set(re.findall(r'"#/components/schemas/(\w+)"', answer.text)) <= set(schemas)
    assert "HTTPValidationError" not in schemas


async def test_docs_show_every_route_and_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    """Plain HTML: no script, no address of another host, and every link within it has a target."""
    page = (await client.get("/api/v1/docs")).text
    for path, operations in (await client.get("/api/v1/openapi.json")).json()["paths"].items():
        assert f"{next(iter(operations)).upper()} {path}</code>" in page
    key = "-H &quot;Authorization: Bearer $KEY&quot;"
    assert f"curl {key} 'http://localhost/api/v1/devices/TD-410100-TH-900001-1/latest'" in page
    assert f"curl -X DELETE {key} 'http://localhost/api/v1/devices/" in page
    assert "curl 'http://localhost/livez'" in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


async def test_docs_show_calls_of_the_demo_city(client: httpx.AsyncClient) -> None:
    """Devices that `make demo` has, its own site, and no span in which nothing was reported."""
    city = build(200, 1)
    devices = {device.device_no: device for device in (*city.devices, city.spare)}
    assert {EXAMPLE_DEVICE, EXAMPLE_LOGGER} <= set(devices)
    assert (devices[EXAMPLE_DEVICE].model.kind, EXAMPLE_LOGGER) == ("trace_scale", city.spare.device_no)
    calls = re.findall(r"<pre>curl (?:-H [^']+)?'([^']+)'</pre>", (await client.get("/api/v1/docs")).text)
    assert any(call.endswith(f"/{EXAMPLE_LOGGER}/records/coldchain") for call in calls)
    for call in calls:
        asked = parse_qs(unescape(urlsplit(call).query))
        assert not {"from", "to"} & set(asked)
        assert set(asked.get("site_no", [])) <= {site.site_no for site in city.sites}


async def test_type_of_every_problem_leads_to_its_explanation(client: httpx.AsyncClient) -> None:
    """The catalogue has an anchor for each, and no slug twice."""
    page = (await client.get("/api/v1/problems")).text
    assert [kind.type for kind in CATALOGUE] == [
        f"/api/v1/problems#{slug}" for slug in re.findall(r'<span id="([^"]+)">', page)
    ]
    assert len({kind.slug for kind in CATALOGUE}) == len(CATALOGUE)


async def test_home_shows_counts_readiness_and_first_steps(client: httpx.AsyncClient, city: Any) -> None:
    """In both languages; the records of this minute and the last are counted."""
    city.device("D-1", city.model("m", "logger"), city.site("1"))
    city.worker(stopped_reason="<b>disk</b>")
    city.connection.execute(
        "INSERT INTO ingest_stats SELECT date_trunc('minute', now()) - make_interval(mins => n), 'w', 'scan',"
        " 1, 40 + n, 40 + n, 0, 0, 0, 0 FROM generate_series(0, 0) AS n"
    )
    answer = await client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>1</b>台账设备" in answer.text
    assert "<b>40</b>近 1–2 分钟入库记录" in answer.text
    assert "食品追溯" in answer.text
    assert "IoT telemetry" in answer.text
    assert "&lt;b&gt;disk&lt;/b&gt;" in answer.text
    assert "<script" not in answer.text


async def test_home_shows_a_device_that_has_something_to_show(client: httpx.AsyncClient, city: Any) -> None:
    """One with a temperature, else any, else the place where a number goes."""
    assert "/api/v1/devices/DEVICE_NO/latest" in (await client.get("/")).text
    model, site = city.model("m", "logger"), city.site("1")
    city.device("D-1", model, site)
    assert "/api/v1/devices/D-1/latest" in (await client.get("/")).text
    city.latest(city.device("D-2", model, site), "coldchain", datetime.now(UTC), {"temperature_c": 2.0})
    page = (await client.get("/")).text
    assert "/api/v1/devices/D-2/latest" in page
    assert "/api/v1/devices/D-2/records/coldchain" in page


async def test_home_leads_to_the_runbook(client: httpx.AsyncClient) -> None:
    """Whoever is woken by an alert begins here, and reads one of two languages."""
    page = (await client.get("/")).text
    assert '<a href="/runbook">/runbook</a>' in page
    assert "运行手册：各告警的含义与处置 what each alert means" in page
    assert (await client.get("/runbook")).status_code == 200


async def test_home_uses_the_words_of_the_trade(client: httpx.AsyncClient) -> None:
    """One Chinese word for a thing, the same on every page."""
    page = (await client.get("/")).text
    assert all(word in page for word in ("接入 ingest", "消息代理 broker", "手持读写终端"))
    assert "采集" not in page


async def test_home_shows_the_host_as_text(client: httpx.AsyncClient) -> None:
    """What a caller claims as its host is escaped."""
    page = (await client.get("/", headers={"Host": 'x"><script>alert(1)</script>'})).text
    assert "<script" not in page
