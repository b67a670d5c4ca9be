"""Strangers, ghosts and identities gone astray: the lists as commands, adoption, deletion and retired numbers."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from deploy.commands import outsiders
from fleet.census import take_census
from fleet.errors import RefusedError, UnknownEntryError
from fleet.metrics import Metrics
from store.database import connect_service

pytestmark = pytest.mark.anyio

Run = Callable[..., Result]
Connection = psycopg.Connection[tuple[object, ...]]
RECORD = {"at": "2026-11-20T08:00:00Z", "temperature_c": 2.0}


@pytest.fixture
def run(database_url: str, register: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a ledger whose device D-1 was never heard."""
    register("D-1")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    outsiders.add_to(app)
    app.add_typer(outsiders.app, name="outsiders")
    return lambda *arguments: CliRunner().invoke(app, arguments)


async def test_stranger_is_listed_and_not_adopted_against_a_rule(
    run: Run, receive: Callable[..., Awaitable[None]], connection: Connection
) -> None:
    """With its remedy; the rules of every import hold, and without --apply it is only said."""
    await receive("X-1", RECORD)
    listed = json.loads(run("outsiders", "strangers", "--json").stdout)
    assert (listed["total"], listed["items"][0]["device_no"]) == (1, "X-1")
    assert "adopt" in listed["remedy"]["en"]
    assert "adopt" in listed["remedy"]["zh"]
    wrong = run("adopt", "X-1", "--model", "logger", "--site", "NONE", "--apply", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)["replay"]) == (1, None)
    said = run("adopt", "X-1", "--model", "logger", "--site", "S")
    assert (said.exit_code, "--apply" in said.stdout) == (0, True)
    assert connection.execute("SELECT count(*) FROM devices").fetchone() == (1,)


def test_strangers_are_records_where_their_columns_have_no_room(
    run: Run, receive: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve columns are no table at 110: the number and the times are whole all the same."""
    asyncio.run(receive("TD-410100-TH-000777-6", RECORD))  # type: ignore[arg-type]
    monkeypatch.setenv("COLUMNS", "110")
    told = run("outsiders", "strangers").stdout
    assert re.search(r"^ +device_no  TD-410100-TH-000777-6$", told, re.MULTILINE)
    assert re.search(r"^ +last_received_at  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", told, re.MULTILINE)
    assert "Asia/Shanghai" in told


def test_adoption_stores_what_was_said(
    run: Run, connection: Connection, receive: Callable[..., Awaitable[None]]
) -> None:
    """The letters are replayed, and the stranger is one no more."""
    asyncio.run(receive("X-1", RECORD))  # type: ignore[arg-type]
    done = run("adopt", "X-1", "--model", "logger", "--site", "S", "--reason", "seen there", "--apply", "--json")
    assert json.loads(done.stdout)["replay"]["stored"] == 1
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (1,)
    assert json.loads(run("outsiders", "strangers", "--json").stdout)["total"] == 0
    assert "hold X-1 already" in str(run("adopt", "X-1", "--model", "logger", "--site", "S").exception)


def test_ghost_is_listed_with_its_remedy(run: Run) -> None:
    """In service and never heard."""
    listed = run("outsiders", "ghosts")
    assert (listed.exit_code, "D-1" in listed.stdout, "到现场核查" in listed.stdout) == (0, True, True)


@pytest.mark.parametrize("command", ["shared-credentials", "client-ids", "retired"])
def test_list_is_empty_where_nothing_is_wrong(run: Run, command: str) -> None:
    """A sentence, no empty frame, and no remedy for nothing."""
    told = run("outsiders", command)
    assert told.exit_code == 0
    assert re.fullmatch(r"[^\n]+: none · 无\n", told.stdout)


def test_draft_is_deleted_and_leaves_no_tombstone(run: Run, connection: Connection) -> None:
    """Whatever was more than a draft is refused, with the lawful way."""
    assert isinstance(run("delete", "D-1", "--reason", "x").exception, RefusedError)
    assert isinstance(run("delete", "D-9", "--reason", "x").exception, UnknownEntryError)
    connection.execute("UPDATE devices SET state = 'draft'")
    assert run("delete", "D-1", "--reason", "entered twice").exit_code == 0
    assert json.loads(run("retired-numbers", "--json").stdout) == []
    found = connection.execute("SELECT action, reason FROM audit WHERE label = 'D-1' ORDER BY audit_id DESC LIMIT 1")
    assert found.fetchone() == ("delete", "entered twice")


@pytest.mark.parametrize("how", ["disposed", "lost", "deleted"])
def test_retired_number_is_never_issued_again(run: Run, connection: Connection, how: str) -> None:
    """Whatever becomes of its row: not by SQL, not by an import."""
    if how == "deleted":
        connection.execute("DELETE FROM devices")
    else:
        connection.execute("UPDATE devices SET state = %s", (how,))
        connection.execute("DELETE FROM devices")
    again = "INSERT INTO devices (device_no, model_id, site_id) SELECT 'D-1', model_id, site_id FROM models, sites"
    with pytest.raises(psycopg.errors.UniqueViolation, match="never issued again"):
        connection.execute(again)
    refused = run("adopt", "D-1", "--model", "logger", "--site", "S", "--apply", "--json")
    assert "never issued again" in json.loads(refused.stdout)["report"]["errors"][0]["problem"]
    assert [row["state"] for row in json.loads(run("retired-numbers", "--json").stdout)] == [how]


def test_number_of_a_device_never_changes(run: Run, connection: Connection) -> None:
    """Not even by SQL."""
    assert run("outsiders", "ghosts").exit_code == 0
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changes"):
        connection.execute("UPDATE devices SET device_no = 'D-2'")


async def test_census_counts_each_list(run: Run, database_url: str) -> None:
    """Zero where nothing is."""
    assert run is not None
    registry = CollectorRegistry()
    async with await connect_service(database_url, application_name="test") as connection:
        await take_census(connection, Metrics(registry))
    name = "tracefleet_fleet_outsiders"
    assert registry.get_sample_value(name, {"list": "ghosts"}) == 1
    assert registry.get_sample_value(name, {"list": "strangers"}) == 0
