"""The census against a real ledger."""

from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.acting import Actor, acting
from fleet.census import take_census
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import DEVICE_STATES
from fleet.metrics import Metrics
from fleet.retirement.states import STATES

Connection = psycopg.Connection[tuple[object, ...]]
SHEETS = {
    "regions": "region_code,name_zh,name_en\n410100,郑州,Zhengzhou\n",
    "sites": "site_no,name_zh,name_en,kind,region_code\nS1,市场,m,wet_market,410100\n",
    "models": "model_no,kind,vendor\nACS,trace_scale,V\nKS,kiosk,V\n",
    "devices": (
        "device_no,model_no,site_no,state,acquired_on\nA1,ACS,S1,,2016-05-01\nA2,ACS,S1,,2016-05-01\n"
        "A3,ACS,S1,,2016-05-01\nA4,ACS,S1,idle,2016-05-01\nK1,KS,S1,faulty,2017-03-01\n"
    ),
}
CASES = """
INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, opened_by, due_on)
SELECT 'RC-2026-' || device_no, device_id, 'state', CASE WHEN device_no = 'A4' THEN 'kept' ELSE 'opened' END, now(),
       '[]', 'li', current_date + CASE device_no WHEN 'A1' THEN -9 WHEN 'A2' THEN 9 END
FROM devices WHERE device_no IN ('A1', 'A2', 'A4')
"""
CREDENTIALS = """
INSERT INTO credentials (device_id, kind, secret_sha256, expires_at, revoked_at)
SELECT device_id, 'password', sha256(c.secret::bytea), now() + c.days * INTERVAL '1 day', c.revoked_at FROM (VALUES
    ('A1', 'a', 3, NULL::timestamptz), ('A2', 'b', -1, NULL), ('A2', 'c', NULL, NULL), ('A3', 'd', -1, NULL),
    ('A3', 'e', 90, now()), ('A4', 'f', 3, NULL), ('K1', 'g', -1, NULL)) AS c (device_no, secret, days, revoked_at)
JOIN devices USING (device_no);
INSERT INTO api_keys (key_id, name, secret_sha256, roles, created_at, expires_at)
SELECT k.key_id, k.key_id, sha256(k.key_id::bytea), '{viewer}', now() - INTERVAL '50 days',
       now() + k.days * INTERVAL '1 day' FROM (VALUES
    ('erpaaaaa', 20), ('erpbbbbb', 5), ('oldaaaaa', -9), ('rotatedx', 1)) AS k (key_id, days);
INSERT INTO api_keys (key_id, name, secret_sha256, roles, replaces)
VALUES ('newaaaaa', 'rotatedx', sha256('new'), '{viewer}', 'rotatedx');
INSERT INTO api_keys (key_id, name, secret_sha256, roles, created_at, expires_at)
VALUES ('drillaaa', 'drill', sha256('drill'), '{viewer}', now(), now() + INTERVAL '1 day');
"""
DAYS = """
INSERT INTO device_days (device_id, day, site_id, records, dead_lettered, missing)
SELECT device_id, (now() AT TIME ZONE 'Asia/Shanghai')::date - n, site_id, 100, 10, 1
FROM devices, generate_series(0, 2) AS n WHERE device_no IN ('A1', 'A2')
"""
HEARD = """
INSERT INTO device_presence (device_id, last_heard_at, state, boot_id, boot_at, state_at, told_at)
SELECT device_id, now() - %(ago)s::interval, %(state)s, 1, now(), now(), now()
FROM devices WHERE device_no = %(device_no)s
"""


class Counted:
    """A registry, and its values by name and labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def get(self, name: str, /, **labels: str) -> float | None:
        """The value of a series, None when there is none."""
        return self.registry.get_sample_value(f"tracefleet_fleet_{name}", labels)

    def series(self, name: str) -> int:
        """How many series a metric has."""
        wanted = f"tracefleet_fleet_{name}"
        return sum(len(metric.samples) for metric in self.registry.collect() if metric.name == wanted)


@pytest.fixture
def counted() -> Counted:
    """Fresh metrics."""
    return Counted()


@pytest.fixture
def ledger(connection: Connection, tmp_path: Path) -> Connection:
    """A connection to a ledger of five devices."""
    keys = Keys(tmp_path / "key")
    with acting(connection, Actor("tester", "tests"), keys=keys):
        for noun, text in SHEETS.items():
            assert import_sheet(connection, noun, text.encode(), apply=True, keys=keys).applied  # type: ignore[arg-type]
    return connection


async def _take(url: str, counted: Counted) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await take_census(connection, counted.metrics)


@pytest.mark.anyio
async def test_every_kind_and_state_is_zero_when_the_ledger_is_empty(database_url: str, counted: Counted) -> None:
    """A panel shows 0, not “no data”; before the census nothing is claimed."""
    assert counted.series("devices") == 0
    await _take(database_url, counted)
    assert counted.series("devices") == 8 * len(DEVICE_STATES)
    assert counted.get("devices", kind="gateway", state="lost") == 0
    assert counted.get("devices_online", kind="gateway") == 0


@pytest.mark.anyio
async def test_devices_are_counted_by_kind_and_state(ledger: Connection, database_url: str, counted: Counted) -> None:
    """And a state that empties goes back to zero."""
    await _take(database_url, counted)
    assert counted.get("devices", kind="trace_scale", state="in_service") == 3
    assert counted.get("devices", kind="trace_scale", state="idle") == 1
    assert counted.get("devices", kind="kiosk", state="faulty") == 1
    ledger.execute("UPDATE devices SET state = 'idle' WHERE device_no = 'K1'")
    await _take(database_url, counted)
    assert counted.get("devices", kind="kiosk", state="faulty") == 0
    assert counted.get("devices", kind="kiosk", state="idle") == 1


@pytest.mark.anyio
async def test_device_is_online_when_heard_lately_and_not_gone(
    ledger: Connection, database_url: str, counted: Counted
) -> None:
    """Ten minutes; a goodbye counts at once; one never heard is not online."""
    for device_no, ago, state in (
        ("A1", "9 min", "online"),
        ("A2", "11 min", "online"),
        ("A3", "1 min", "offline"),
        ("K1", "1 min", "online"),
    ):
        ledger.execute(HEARD, {"device_no": device_no, "ago": ago, "state": state})
    await _take(database_url, counted)
    assert counted.get("devices_online", kind="trace_scale") == 1
    assert counted.get("devices_online", kind="kiosk") == 1


@pytest.mark.anyio
async def test_failures_of_jobs_are_shown(connection: Connection, database_url: str, counted: Counted) -> None:
    """By the job's name, whoever runs it."""
    connection.execute("INSERT INTO housekeeping_runs (job, last_started_at, failures) VALUES ('sweep up', now(), 3)")
    await _take(database_url, counted)
    assert counted.get("job_failures", name="sweep up") == 3


def test_sweep_timings_and_the_release_are_named_as_promised(counted: Counted) -> None:
    """The names of the contract."""
    counted.metrics.sweep_seconds.labels("census").observe(1)
    assert counted.get("sweep_seconds_count", sweep="census") == 1
    assert [metric.name for metric in counted.registry.collect() if metric.name == "tracefleet_build"] == [
        "tracefleet_build"
    ]


@pytest.mark.anyio
async def test_cases_are_counted_by_state_and_those_overdue(
    ledger: Connection, database_url: str, counted: Counted
) -> None:
    """Every state has its number, zero where no case is."""
    ledger.execute(CASES.encode())
    await _take(database_url, counted)
    assert counted.series("cases") == counted.series("cases_overdue") == len(STATES)
    states = ("opened", "kept", "archived")
    assert [counted.get("cases", state=state) for state in states] == [2, 1, 0]
    assert [counted.get("cases_overdue", state=state) for state in states] == [1, 0, 0]


@pytest.mark.anyio
async def test_whose_credential_ends_is_counted_once(ledger: Connection, database_url: str, counted: Counted) -> None:
    """A device in service by what lasts longest; a key unless made for some days, long over, or rotated."""
    await _take(database_url, counted)
    assert counted.get("credentials_ending", holder="device", within="ended") == 0
    ledger.execute(CREDENTIALS.encode())
    await _take(database_url, counted)
    found = {
        (holder, within): counted.get("credentials_ending", holder=holder, within=within)
        for holder in ("device", "api_key")
        for within in ("ended", "7d", "30d")
    }
    expected = {("device", "ended"): 1, ("device", "7d"): 1, ("api_key", "7d"): 1, ("api_key", "30d"): 1}
    assert found == dict.fromkeys(found, 0) | expected


@pytest.mark.anyio
async def test_what_is_missing_of_two_days_is_told(ledger: Connection, database_url: str, counted: Counted) -> None:
    """Beside what was received, refused records among it; older days are history."""
    ledger.execute(DAYS.encode())
    await _take(database_url, counted)
    assert counted.get("day_records", outcome="received") == 440
    assert counted.get("day_records", outcome="missing") == 4


@pytest.mark.anyio
async def test_one_that_numbers_wrongly_does_not_stand_for_all(
    ledger: Connection, database_url: str, counted: Counted
) -> None:
    """It lacks as much as devices send on average at most or, where that is more, as much as it sent."""
    insert = (
        "INSERT INTO device_days (device_id, day, site_id, records, missing)"
        " SELECT device_id, (now() AT TIME ZONE 'Asia/Shanghai')::date, site_id, %s, %s"
        " FROM devices WHERE device_id = %s"
    )
    devices = [row[0] for row in ledger.execute("SELECT device_id FROM devices ORDER BY device_id LIMIT 3").fetchall()]
    for device_id, records, missing in zip(devices, (1, 199, 400), (2 * 10**9, 0, 401), strict=True):
        ledger.execute(insert, (records, missing, device_id))
    await _take(database_url, counted)
    assert counted.get("day_records", outcome="received") == 600
    assert counted.get("day_records", outcome="missing") == 200 + 400


@pytest.mark.anyio
async def test_jobs_are_there_before_they_ran(database_url: str, counted: Counted) -> None:
    """At zero, so that the first failure is a growth."""
    await _take(database_url, counted)
    for job in ("retention dead_letters", "unreferenced dead-letter payloads"):
        assert counted.get("job_failures", name=job) == 0
