"""Sheets and single devices into the ledger over HTTP."""

import io
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import psycopg
import pytest

from api.rim import SHEET_BYTES_MAX
from fleet.ledger.nouns import LEDGERS
from tests.integration.full_ledger import FULL, fill

pytestmark = pytest.mark.anyio
CSV = {"Content-Type": "text/csv"}
XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
MERCHANTS = "/api/v1/ledger/merchants/import"
ONE = "merchant_code,name,phone\n4101000010001,张记,13800138000\n".encode()
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def full(connection: Connection, settings: Any) -> None:
    """A ledger with something in every column, sealed with the key of the API."""
    folder = Path(settings.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    fill(connection, folder).key(connection, "personal")
    (folder / "key").rename(folder / "tracefleet.key")


def _count(connection: Connection, table: str) -> int:
    query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def test_import_says_what_it_would_do_and_then_does_it(
    client: httpx.AsyncClient, connection: Connection, as_role: Any
) -> None:
    """Dry-run by default; applied twice, it changes nothing; the audit has the reason."""
    headers = CSV | as_role("fleet_admin")
    dry = await client.post(MERCHANTS, content=ONE, headers=headers)
    assert (dry.status_code, dry.json()["created"], dry.json()["applied"]) == (200, ["4101000010001"], False)
    assert _count(connection, "merchants") == 0
    done = await client.post(MERCHANTS, content=ONE, headers=headers, params={"apply": "true", "reason": "年度盘点"})
    assert (done.status_code, done.json()["applied"]) == (200, True)
    again = await client.post(MERCHANTS, content=ONE, headers=headers, params={"apply": "true"})
    assert (again.json()["unchanged"], again.json()["created"]) == (1, [])
    found = connection.execute("SELECT actor, reason FROM audit WHERE entity = 'merchants' AND action = 'insert'")
    assert found.fetchall() == [("fleet_admin", "年度盘点")]


async def test_import_takes_a_workbook(client: httpx.AsyncClient, connection: Connection) -> None:
    """By its media type, and by what it is."""
    book = openpyxl.Workbook()
    for row in (("商户编码", "商户名称"), ("4101000010001", "张记")):
        book.active.append(row)  # type: ignore[union-attr]
    file = io.BytesIO()
    book.save(file)
    answer = await client.post(MERCHANTS, content=file.getvalue(), headers=XLSX, params={"apply": "true"})
    assert (answer.status_code, _count(connection, "merchants")) == (200, 1)


async def test_import_answers_422_with_the_report_when_rows_are_wrong(
    client: httpx.AsyncClient, connection: Connection, as_role: Any
) -> None:
    """Every error of every row, nothing personal in it, and nothing written."""
    wrong = ONE + b"M2,,13800138\nM/3,x,\n"
    answer = await client.post(MERCHANTS, content=wrong, headers=CSV | as_role("fleet_admin"), params={"apply": "true"})
    assert answer.status_code == 422
    errors = [(error["row"], error["column"], error["value"]) for error in answer.json()["errors"]]
    assert errors == [(3, "phone", "***"), (3, "name", ""), (4, "merchant_code", "M/3")]
    assert "13800138" not in answer.text
    assert _count(connection, "merchants") == 0


@pytest.mark.parametrize(
    ("path", "content", "headers", "expected"),
    [
        (MERCHANTS, ONE, {"Content-Type": "text/plain"}, (415, "unsupported-media-type")),
        (MERCHANTS, ONE, CSV | {"Content-Encoding": "gzip"}, (415, "unsupported-media-type")),
        (MERCHANTS, b"", CSV, (422, "unreadable-body")),
        (MERCHANTS, b"PK\x03\x04", XLSX, (422, "unreadable-body")),
        ("/api/v1/ledger/nothing/import", ONE, CSV, (404, "not-found")),
        (MERCHANTS, ONE, CSV | {"Content-Length": str(SHEET_BYTES_MAX + 1)}, (413, "too-large")),
    ],
)
async def test_what_is_no_sheet_is_a_problem(
    client: httpx.AsyncClient, path: str, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """With the reason, and nothing is read that need not be."""
    answer = await client.post(path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"].partition("#")[2]) == expected


async def test_sheet_may_be_larger_than_other_bodies(client: httpx.AsyncClient) -> None:
    """Some thousands of rows."""
    rows = "".join(f"410100001{number:04},{'某' * 60}\n" for number in range(9000))
    answer = await client.post(MERCHANTS, content=f"merchant_code,name\n{rows}".encode(), headers=CSV)
    assert (answer.status_code, answer.json()["rows"]) == (200, 9000)


@pytest.mark.usefixtures("full")
async def test_device_is_registered_changed_and_emptied(
    client: httpx.AsyncClient, connection: Connection, as_role: Any
) -> None:
    """Through the rules of the sheets; numbers may be numbers; the answer is the report."""
    new = {"device_no": "G-9", "model_no": "GW-1", "site_no": "000123", "原值": 1280.5, "is_fair_scale": False}
    made = await client.post("/api/v1/devices", json=new, params={"reason": "新到货"})
    assert (made.status_code, made.json()["created"]) == (201, ["G-9"])
    assert made.headers["location"] == "/api/v1/devices/G-9"
    key = as_role("fleet_admin")
    personal = {"seal_no": "007", "custodian_phone": "13800138009"}
    changed = await client.patch("/api/v1/devices/G-9", json=personal, headers=key)
    assert changed.json()["changed"][0]["fields"] == [
        {"column": "seal_no", "before": None, "after": "007"},
        {"column": "custodian_phone", "before": None, "after": "138****8009"},
    ]
    emptied = await client.patch("/api/v1/devices/G-9", json=dict.fromkeys(personal), headers=key)
    assert [field["after"] for field in emptied.json()["changed"][0]["fields"]] == [None, None]
    row = connection.execute(
        "SELECT original_value_fen, seal_no, custodian_phone_sealed, custodian_phone_masked FROM devices"
        " WHERE device_no = 'G-9'"
    )
    assert row.fetchall() == [(128_050, None, None, None)]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "", {"device_no": "GW-0001", "model_no": "GW-1", "site_no": "000123"}, 409),
        ("POST", "", {"设备编号": " GW-0001 ", "protocol": "x"}, 409),
        ("POST", "", {"device_no": "G-8", "model_no": "GW-2", "site_no": "000123"}, 422),
        ("POST", "", {"device_no": "G-8"}, 422),
        ("POST", "", ["device_no"], 422),
        ("POST", "", {"device_no": {"a": 1}}, 422),
        ("POST", "", {}, 422),
        ("POST", "", {"": "x"}, 409),
        ("PATCH", "/nothing", {"seal_no": "1"}, 404),
        ("PATCH", "/GW-0001", {"device_no": "GW-0002", "seal_no": "1"}, 409),
        ("PATCH", "/GW-0001", {"nothing": None}, 409),
        ("PATCH", "/GW-0001", {"nothing": "1"}, 422),
        ("PATCH", "/GW-0001", {"model_no": None}, 422),
        ("PATCH", "/GW-0001", {"state": "disposed"}, 422),
        ("PATCH", "/GW-0001", {}, 422),
    ],
)
async def test_device_that_breaks_a_rule_is_refused(
    client: httpx.AsyncClient, connection: Connection, method: str, path: str, body: Any, expected: int
) -> None:
    """And nothing of it is written."""
    before = _count(connection, "audit")
    answer = await client.request(method, f"/api/v1/devices{path}", json=body)
    assert answer.status_code == expected, answer.text
    assert _count(connection, "audit") == before


async def test_writing_needs_a_role(client: httpx.AsyncClient, as_role: Any) -> None:
    """A viewer reads."""
    key = as_role("viewer")
    for answer in (
        await client.post(MERCHANTS, content=ONE, headers=CSV | key),
        await client.post("/api/v1/devices", json={}, headers=key),
        await client.patch("/api/v1/devices/D", json={}, headers=key),
    ):
        assert (answer.status_code, answer.json()["type"].partition("#")[2]) == (403, "forbidden")


@pytest.mark.usefixtures("full")
async def test_entries_of_every_noun_are_listed(client: httpx.AsyncClient, walk: Any) -> None:
    """Page by page, in the order of their keys, with every column and personal data masked."""
    for noun, ledger in LEDGERS.items():
        pages = await walk(client, f"/api/v1/ledger/{noun}", {"limit": 1})
        entries = [entry for page in pages for entry in page]
        assert len(entries) >= len(FULL[noun].splitlines()) - 1
        assert list(entries[0]) == [column.name for column in ledger.columns]
    [merchant] = (await client.get("/api/v1/ledger/merchants", params={"limit": 1})).json()["items"]
    assert (merchant["phone"], merchant["identity_no"]) == ("138****8000", "1101**********002X")
    foreign = (await client.get("/api/v1/ledger/regions", params={"limit": 1})).json()["next_cursor"]
    answer = await client.get("/api/v1/ledger/sites", params={"cursor": foreign})
    assert (answer.status_code, answer.json()["type"].partition("#")[2]) == (422, "bad-cursor")
