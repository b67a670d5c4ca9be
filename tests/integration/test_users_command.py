"""``tracefleet users`` as an operator types it, and the user that the first start makes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy import cli
from deploy.commands import users
from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.first_start import first_password
from store.settings import Settings

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
ONE_TIME = r"[0-9A-Z]{5}(-[0-9A-Z]{5}){3}"


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``tracefleet users`` on the test's database."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(users.app, arguments)


def listed(run: Run) -> dict[str, dict[str, object]]:
    """Everybody by name, as ``--json`` tells it."""
    return {user["name"]: user for user in json.loads(run("list", "--json").stdout)}


@pytest.mark.usefixtures("zhengzhou")
def test_user_is_made_told_once_changed_and_disabled(run: Run, database_url: str) -> None:
    """The password alone on standard output; who did what and why is in the audit, sealed."""
    arguments = ("create", "wang.li", "--display-name", "王丽", "--role", "operator", "--region", "4101")
    made = run(*arguments, "--reason", "入职")
    assert made.exit_code == 0, made.output
    assert re.fullmatch(f"{ONE_TIME}\n", made.stdout)
    assert "this once" in made.stderr
    assert "王丽" in run("list").stdout
    told = listed(run)["wang.li"]
    assert (told["roles"], told["regions"], told["state"]) == (["operator"], ["4101"], "one-time password")
    assert "4101" in run("roles", "wang.li", "--role", "viewer", "--role", "approver").stdout
    assert "everywhere" in run("roles", "wang.li", "--everywhere").stdout
    assert (listed(run)["wang.li"]["roles"], listed(run)["wang.li"]["regions"]) == (["viewer", "approver"], None)
    again = run("reset", "wang.li")
    assert again.stdout != made.stdout
    run("create", "boss", "--role", "admin")
    assert run("disable", "wang.li", "--reason", "离职").exit_code == 0
    assert listed(run)["wang.li"]["state"] == "disabled"
    assert run("enable", "wang.li").exit_code == 0
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT DISTINCT reason FROM audit WHERE entity = 'users' AND reason IS NOT NULL")
        assert {row[0] for row in rows} == {"入职", "离职"}
        assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


def test_user_is_refused_when_what_is_asked_for_is_odd(run: Run) -> None:
    """Exit 2 or a sentence; the last administrator stays."""
    assert run("create", "a", "--role", "king").exit_code == 2
    assert run("roles", "a").exit_code == 2
    assert run("roles", "a", "--everywhere", "--region", "41").exit_code == 2
    for arguments in (("create", "A B", "--role", "viewer"), ("create", "a", "--role", "broker")):
        assert isinstance(run(*arguments).exception, RefusedError)
    for command in ("reset", "disable", "enable"):
        assert isinstance(run(command, "nobody").exception, UnknownEntryError)
    run("create", "boss", "--role", "admin")
    assert isinstance(run("disable", "boss").exception, RefusedError)
    assert isinstance(run("roles", "boss", "--role", "viewer").exception, RefusedError)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readmes_commands_of_accounts_work_one_after_the_other(
    run: Run, connection: psycopg.Connection[tuple[object, ...]], readme: str
) -> None:
    """As they stand there, on a ledger with its site; the key that is rotated is one that was made before."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    lines = [
        line.partition("#")[0].split()[1:] for line in re.findall(r"^tracefleet (?:users|keys) .*", text, re.MULTILINE)
    ]
    assert [line[:2] for line in lines] == [
        ["users", "create"],
        ["users", "roles"],
        ["keys", "create"],
        ["keys", "create"],
        ["keys", "rotate"],
        ["users", "disable"],
    ]
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('410100002', '市场', 'Market', 'wet_market', '410105')"
    )
    made = ""
    for line in lines:
        typed = [made if word == "k3x9m2ab" else word for word in line]
        done = CliRunner().invoke(cli.app, typed)
        assert done.exit_code == 0, (typed, done.output, done.exception)
        if done.stdout.startswith("tf_"):
            made = done.stdout.split("_")[1]
    assert listed(run)["wang.li"]["state"] == "disabled"


def test_first_start_makes_an_administrator_once(settings: Settings, run: Run, database_url: str) -> None:
    """Of processes that start at the same time, one; after that none, and not when others are there already."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: first_password(settings), range(4)))
    [password] = [one for one in found if one is not None]
    assert re.fullmatch(ONE_TIME, password)
    assert first_password(settings) is None
    assert (listed(run)["admin"]["roles"], listed(run)["admin"]["must_change"]) == (["admin"], True)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT DISTINCT actor FROM audit WHERE entity = 'users'").fetchall()
        assert row == [("tracefleet",)]
        assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


def test_first_start_leaves_an_installation_with_users_alone(settings: Settings, run: Run) -> None:
    """Whoever was made by hand is enough."""
    run("create", "wang.li", "--role", "viewer")
    assert first_password(settings) is None
    assert set(listed(run)) == {"wang.li"}


def test_api_prints_the_first_password_which_opens_the_door_once(settings: Settings, tmp_path: Path) -> None:
    """On standard output and not among the log's lines; the next start says nothing of it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")} | {
        "PYTHONPATH": str(ROOT),
        "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
        "TRACEFLEET_API_PORT": str(settings.api_port),
        "TRACEFLEET_DATA_DIR": str(settings.data_dir),
    }
    url = f"http://127.0.0.1:{settings.api_port}"
    told = []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.cli", "api"],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "api listens" in line:
                    break
            told.append("".join(lines))
            # It listens before it answers; only then does it end well when it is told to.
            assert httpx.get(f"{url}/livez", timeout=20).status_code == 200
            if len(told) == 1:
                [password] = re.findall(f"一次性密码: ({ONE_TIME.replace('(', '(?:')})", told[0])
                answer = httpx.post(f"{url}/api/v1/sessions", json={"name": "admin", "password": password}, timeout=20)
                assert (answer.status_code, answer.json()["must_change_password"]) == (201, True)
            process.terminate()
            assert process.wait(20) == 0
    assert f"{url}/login" in told[0]
    assert "密码" not in told[1]


@pytest.mark.usefixtures("zhengzhou")
def test_region_that_the_ledger_does_not_have_is_refused(
    run: Run, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    """With what to do. Who was given it before the region went can be disabled all the same."""
    refused = run("create", "x", "--role", "viewer", "--region", "4101", "--region", "9999").exception
    assert isinstance(refused, UnknownEntryError)
    assert "no region of the ledger begins with '9999'" in str(refused)
    assert "enter the region first" in str(refused)
    for prefix in ("41", "4101", "410100"):
        assert run("create", f"of-{prefix}", "--role", "viewer", "--region", prefix).exit_code == 0
    connection.execute("DELETE FROM regions")
    assert isinstance(run("roles", "of-41", "--region", "4101").exception, UnknownEntryError)
    assert run("disable", "of-41").exit_code == 0
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '店', 'S', 'wet_market', '420100')"
    )
    assert run("roles", "of-4101", "--region", "4201").exit_code == 0
