"""``tracefleet keys`` as an operator types it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.commands import keys
from fleet.errors import RefusedError, UnknownEntryError

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``tracefleet keys`` on the test's database."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(keys.app, arguments)


def test_key_is_made_told_once_listed_and_revoked(run: Run, database_url: str) -> None:
    """The key alone on standard output; the list never has it; who did it is in the audit, sealed."""
    made = run("create", "--name", "erp", "--role", "viewer", "--role", "fleet_admin", "--expires", "365d")
    assert made.exit_code == 0
    key_id, secret = re.fullmatch(r"tf_([a-z0-9]{8})_([\w-]{43})\n", made.stdout).groups()  # type: ignore[union-attr]
    assert "this once" in made.stderr
    told = run("list", "--json").stdout
    assert secret not in told
    [listed] = json.loads(told)
    assert (listed["key_id"], listed["name"], listed["state"]) == (key_id, "erp", "valid")
    assert listed["roles"] == ["viewer", "fleet_admin"]
    assert "erp" in run("list").stdout
    assert run("revoke", key_id, "--reason", "lost").exit_code == 0
    assert json.loads(run("list", "--json").stdout)[0]["state"] == "revoked"
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT action, label, reason FROM audit WHERE entity = 'api_keys' ORDER BY audit_id")
        assert rows.fetchall() == [("insert", key_id, None), ("update", key_id, "lost")]
        assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


def test_key_is_told_as_json_when_asked(run: Run) -> None:
    """For scripts."""
    told = json.loads(run("create", "--name", "emqx", "--role", "broker", "--json").stdout)
    assert told["key"].startswith(f"tf_{told['key_id']}_")
    assert (told["expires_at"], told["state"]) == (None, "valid")


def test_key_is_not_made_when_what_is_asked_for_is_odd(run: Run) -> None:
    """Exit 2 and what would be right; a name that could hide among the nameless is one."""
    assert run("create", "--name", "x", "--role", "king").exit_code == 2
    assert run("create", "--name", "x", "--role", "viewer", "--expires", "soon").exit_code == 2
    for name in ("anonymous", "", " x", "a\nb", "n" * 65):
        assert isinstance(run("create", "--name", name, "--role", "viewer").exception, RefusedError), name
    assert isinstance(run("revoke", "aaaaaaaa").exception, UnknownEntryError)


def test_key_is_not_made_when_a_valid_one_has_its_name(run: Run) -> None:
    """Two keys of one name could not be told apart by people; a revoked one is no hindrance."""
    arguments = ("create", "--name", "erp", "--role", "viewer", "--json")
    first = json.loads(run(*arguments).stdout)
    assert isinstance(run(*arguments).exception, RefusedError)
    run("revoke", first["key_id"])
    assert run(*arguments).exit_code == 0


def test_key_is_rotated_with_an_overlap(run: Run, database_url: str) -> None:
    """The new one alone on standard output; the old one ends by itself, and is in the way of no name."""
    made = json.loads(run("create", "--name", "erp", "--role", "gateway", "--expires", "365d", "--json").stdout)
    rotated = json.loads(run("rotate", made["key_id"], "--overlap", "12h", "--json").stdout)
    assert (rotated["replaces"], rotated["name"], rotated["roles"]) == (made["key_id"], "erp", ["gateway"])
    assert rotated["key"] != made["key"]
    assert isinstance(run("rotate", made["key_id"]).exception, RefusedError)
    at_once = run("rotate", rotated["key_id"], "--overlap", "0")
    assert at_once.stdout.startswith("tf_")
    states = {key["key_id"]: key["state"] for key in json.loads(run("list", "--json").stdout)}
    assert (states[made["key_id"]], states[rotated["key_id"]]) == ("valid", "expired")
    assert isinstance(run("rotate", rotated["key_id"]).exception, RefusedError)
    assert isinstance(run("rotate", "aaaaaaaa").exception, UnknownEntryError)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


@pytest.mark.usefixtures("zhengzhou")
def test_key_of_somebody_and_of_a_place(run: Run, database_url: str) -> None:
    """An owner who is a user, regions by their digits; an admin's key is good everywhere."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO users (name, roles) VALUES ('wang.li', '{operator}')")
    arguments = ("create", "--name", "laptop", "--role", "operator", "--owner", "wang.li", "--region", "4101")
    assert run(*arguments).exit_code == 0
    [key] = json.loads(run("list", "--json").stdout)
    assert (key["owner"], key["regions"]) == ("wang.li", ["4101"])
    assert "wang.li" in run("list").stdout
    assert isinstance(run("create", "--name", "wang.li", "--role", "viewer").exception, RefusedError)
    assert isinstance(run("create", "--name", "x", "--role", "viewer", "--region", "4").exception, RefusedError)
    assert isinstance(run("create", "--name", "x", "--role", "viewer", "--region", "99").exception, UnknownEntryError)
    assert isinstance(run("create", "--name", "x", "--role", "admin", "--region", "41").exception, RefusedError)
    assert isinstance(run("create", "--name", "x", "--role", "viewer", "--owner", "li").exception, UnknownEntryError)


def test_id_is_whole_on_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to be typed to rotate or revoke; times are whole, too, and nobody's keys are a sentence."""
    assert run("list").stdout == "There is no key yet. 还没有密钥。\n"
    key = json.loads(run("create", "--name", "erp", "--role", "viewer", "--expires", "365d", "--json").stdout)
    monkeypatch.setenv("COLUMNS", "80")
    listed = run("list").stdout
    assert key["key_id"] in listed
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d\n", listed)
    assert "…" not in listed
