"""Exports and templates over HTTP: files that an import takes back."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fleet.ledger.nouns import LEDGERS
from fleet.ledger.sheet import read_sheet
from tests.integration.full_ledger import fill

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _full(connection: psycopg.Connection[tuple[Any, ...]], tmp_path: Path) -> None:
    fill(connection, tmp_path)


async def _names(client: httpx.AsyncClient, path: str, **params: str) -> list[str]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [row.cells[0] for row in read_sheet(answer.content).rows]


async def test_every_noun_is_exported_in_both_forms(client: httpx.AsyncClient) -> None:
    """As an attachment that says how long it is, in the language asked for."""
    for noun in LEDGERS:
        for form, media in (("csv", "text/csv; charset=utf-8"), ("xlsx", "application/vnd.openxmlformats")):
            answer = await client.get(f"/api/v1/ledger/{noun}/export", params={"format": form, "language": "en"})
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith(media)
            assert answer.headers["content-disposition"] == f'attachment; filename="{noun}.{form}"'
            assert int(answer.headers["content-length"]) == len(answer.content)
            sheet = read_sheet(answer.content)
            assert sheet.header.cells == tuple(column.name for column in LEDGERS[noun].columns)
            assert sheet.rows


async def test_export_of_devices_takes_the_filters_of_their_list(client: httpx.AsyncClient) -> None:
    """Those of `/api/v1/devices`; other parts of the ledger have none."""
    path = "/api/v1/ledger/devices/export"
    assert await _names(client, path, format="xlsx") == ["-0001", "GW-0001"]
    assert await _names(client, path, kind="gateway", site_no="000123", state="in_service", q="GW") == ["GW-0001"]
    assert await _names(client, path, region_code="4102") == []
    assert (await client.get("/api/v1/ledger/sites/export", params={"kind": "gateway"})).status_code == 422


async def test_template_is_a_workbook(client: httpx.AsyncClient) -> None:
    """With headers in the language asked for and no rows."""
    answer = await client.get("/api/v1/ledger/devices/template", params={"language": "zh"})
    sheet = read_sheet(answer.content)
    assert (sheet.header.cells[0], sheet.rows) == ("设备编号", ())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/ledger/devices/export?format=pdf",
        "/api/v1/ledger/devices/export?language=fr",
        "/api/v1/ledger/devices/export?kind=toaster",
        "/api/v1/ledger/devices/template?format=csv",
    ],
)
async def test_request_is_refused_when_it_asks_for_what_there_is_not(client: httpx.AsyncClient, path: str) -> None:
    """With the problem that names the parameter."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/problems#invalid-request")


async def test_many_exports_at_once_all_come(client: httpx.AsyncClient) -> None:
    """They wait for each other and leave connections to those who change the ledger."""
    paths = [f"/api/v1/ledger/devices/export?format={form}" for form in ("csv", "xlsx") * 6]
    answers = await asyncio.gather(*(client.get(path) for path in paths))
    assert {answer.status_code for answer in answers} == {200}


async def test_part_that_the_ledger_has_not_is_not_found(client: httpx.AsyncClient) -> None:
    """The answer names those there are."""
    for path in ("/api/v1/ledger/nothing/export", "/api/v1/ledger/nothing/template"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "it has regions, code_profiles, sites" in answer.json()["detail"]
