"""Outages and thresholds over HTTP and on the command line: declared, ended, dismissed, refused, and in the audit."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from fleet.errors import RefusedError

pytestmark = pytest.mark.anyio
OUTAGES = "/api/v1/outages"
THRESHOLDS = "/api/v1/presence-thresholds"
Connection = psycopg.Connection[tuple[Any, ...]]
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.usefixtures("one_device")
async def test_outage_is_declared_ended_and_dismissed(client: httpx.AsyncClient, connection: Connection) -> None:
    """Each is told to whoever watches, and in the audit with its reason, sealed."""
    began_at = (NOW - timedelta(hours=2)).isoformat()
    order = {"scope": "site", "site_no": "410100001", "began_at": began_at, "reason": "停电"}
    declared = await client.post(OUTAGES, json=order)
    assert (declared.status_code, declared.json()["ended_at"], declared.json()["source"]) == (200, None, "declared")
    number = declared.json()["outage_id"]
    assert (await client.post(OUTAGES, json=order)).status_code == 409
    ended = await client.post(f"{OUTAGES}/{number}/end", json={"reason": "来电"})
    assert ended.json()["ended_at"] is not None
    dismissed = await client.post(f"{OUTAGES}/{number}/dismiss", json={"reason": "误报"})
    assert dismissed.json()["dismissed_at"] is not None
    assert (await client.post(f"{OUTAGES}/9999/end", json={"reason": "x"})).status_code == 404
    told = connection.execute("SELECT kind, subject FROM events ORDER BY event_id").fetchall()
    assert told == [("outage.began", "410100001"), ("outage.ended", "410100001")]
    reasons = connection.execute("SELECT reason FROM audit WHERE entity = 'outages' ORDER BY audit_id").fetchall()
    assert reasons == [("停电",), ("来电",), ("误报",)]
    assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


async def test_list_of_outages_is_filtered(client: httpx.AsyncClient, city: Any, walk: Callable[..., Any]) -> None:
    """By whom they concern, whether they last, and when they were over; page by page."""
    sites = [city.site(f"41010000{number}") for number in range(3)]
    for hours, site_id in enumerate(sites, 1):
        row = {"source": "detected", "reason": "x", "began_at": NOW - timedelta(hours=hours, minutes=30)}
        ended_at = None if hours == 1 else NOW - timedelta(hours=hours)
        city.add("outages", scope="site", site_id=site_id, ended_at=ended_at, **row)
    city.add("outages", scope="platform", source="declared", reason="y", began_at=NOW - timedelta(days=3), ended_at=NOW)

    async def found(**asked: object) -> list[str | None]:
        pages = await walk(client, OUTAGES, {"limit": 1, **asked})
        return [item["site_no"] for page in pages for item in page]

    assert await found() == [None, "410100002", "410100001", "410100000"]
    assert await found(scope="platform") == [None]
    assert await found(site_no="410100001") == ["410100001"]
    assert await found(open="true") == ["410100000"]
    assert await found(since=(NOW - timedelta(hours=2, minutes=10)).isoformat()) == [None, "410100001", "410100000"]
    assert (await client.get(OUTAGES, params={"opened": "true"})).status_code == 422


async def test_who_may(client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]) -> None:
    """Operators declare outages; fleet administrators alone change thresholds."""
    order = {"scope": "platform", "began_at": NOW.isoformat(), "reason": "x"}
    assert (await client.post(OUTAGES, json=order, headers=as_role("viewer"))).status_code == 403
    assert (await client.post(OUTAGES, json=order, headers=as_role("fleet_admin"))).status_code == 200
    change = {"kind": "logger", "late_seconds": 60, "silent_seconds": 120, "reason": "x"}
    assert (await client.put(THRESHOLDS, json=change)).status_code == 403


async def test_threshold_is_set_and_removed(
    client: httpx.AsyncClient, one_device: int, city: Any, as_role: Callable[..., dict[str, str]]
) -> None:
    """The list of devices judges by it at once."""
    heard_at = datetime.now(UTC) - timedelta(seconds=300)
    row = {"boot_id": 1, "boot_at": heard_at, "state": "online", "state_at": heard_at, "told_at": heard_at}
    city.add("device_presence", device_id=one_device, last_heard_at=heard_at, **row)

    async def freshness() -> object:
        listed = (await client.get("/api/v1/devices")).json()["items"][0]["freshness"]
        one = (await client.get("/api/v1/devices/D-1")).json()["freshness"]
        return listed, one["status"], one["expected_seconds"]

    admin = as_role("fleet_admin")
    assert await freshness() == ("fresh", "fresh", 600)
    change = {"kind": "logger", "model_no": "L-1", "late_seconds": 60, "silent_seconds": 120, "reason": "x"}
    answer = await client.put(THRESHOLDS, json=change, headers=admin)
    assert answer.status_code == 200, answer.text
    assert await freshness() == ("silent", "silent", 30)
    number = next(item["threshold_id"] for item in answer.json()["items"] if item["model_no"] == "L-1")
    assert (await client.put(THRESHOLDS, json=change | {"silent_seconds": 60}, headers=admin)).status_code == 409
    gone = await client.delete(f"{THRESHOLDS}/{number}", params={"reason": "y"}, headers=admin)
    assert len(gone.json()["items"]) == 8
    assert await freshness() == ("fresh", "fresh", 600)


@pytest.mark.usefixtures("one_device")
def test_outages_on_the_command_line(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and a day reckoned again."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["fleet", *arguments])
        assert result.exit_code == 0, result.output or result.exception
        return result.stdout

    span = ("--began", "2026-01-02T08:00", "--ended", "2026-01-02T09:00")
    declared = json.loads(run("outage-declare", "--site", "410100001", *span, "--reason", "停电", "--json"))
    assert (declared["began_at"], declared["ended_at"]) == ("2026-01-02T00:00:00+00:00", "2026-01-02T01:00:00+00:00")
    assert "lasts" not in run("outages")
    run("outage-declare", "--reason", "升级")
    assert "lasts" in run("outages", "--open")
    numbers = [each["outage_id"] for each in json.loads(run("outages", "--json"))]
    assert "is over" in run("outage-end", str(numbers[0]), "--reason", "完成")
    assert "is dismissed" in run("outage-dismiss", str(numbers[1]), "--reason", "误报")
    assert len(json.loads(run("thresholds", "--json"))) == 8
    assert "trace_scale" in run("thresholds")
    assert "is reckoned" in run("roll", "--day", "2026-01-02")
    assert json.loads(run("roll", "--day", "2026-01-02", "--json")) == {"day": "2026-01-02", "changed": 0}
    refused = CliRunner().invoke(app, ["fleet", "roll", "--day", "2999-01-01"])
    assert isinstance(refused.exception, RefusedError)
