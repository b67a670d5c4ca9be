"""``tracefleet dead-letters`` as a command: tables and JSON, exit statuses, a bar on a terminal, a kill amid it."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[tuple[object, ...]]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

# Of this database alone: the server may be shared.
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'tracefleet dead-letters' AND datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """The command under way, on the test's database."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}

    def started(*arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.cli", "dead-letters", *arguments],
            cwd=tmp_path,
            env=clean
            | {"TRACEFLEET_DATABASE_URL": database_url, "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    return started


@pytest.fixture
def command(start: Callable[..., "subprocess.Popen[str]"]) -> Command:
    """The command, finished."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        process = start(*arguments)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    return run


@pytest.fixture
def stranger(receive: Callable[..., Awaitable[None]]) -> None:
    """Three messages of device D, which nobody has registered."""

    async def three() -> None:
        at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
        for seq in range(3):
            await receive("D", {"at": at, "temperature_c": 2.0}, seq=seq)

    asyncio.run(three())


def value(connection: Connection, query: str) -> Any:
    """The only value of a query."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.usefixtures("stranger")
def test_replay_says_what_became_of_it_by_its_status(
    command: Command, connection: Connection, register: Callable[..., None]
) -> None:
    """1 while something is refused, 0 once it is stored, 2 when what was named does not wait; a bar for nobody."""
    refused = command("replay", "--reason", "unknown_device", "--json")
    assert (refused.returncode, refused.stderr) == (1, "")
    told = json.loads(refused.stdout)
    assert (told["letters"], told["refused_again"], len(told["refusals"])) == (3, 3, 3)
    register("D")
    stored = command("replay", "--all")
    assert (stored.returncode, stored.stderr) == (0, "")
    assert stored.stdout.startswith("Dead letters tried: 3. Records stored: 3, here before: 0,")
    first = str(told["refusals"][0]["dead_letter_id"])
    again = command("replay", first)
    assert (again.returncode, again.stdout) == (2, "")
    assert "None of these dead letters waits" in again.stderr
    assert command("replay", "--all", "--json").returncode == 0
    assert value(connection, "SELECT count(*) FROM coldchain") == 3


@pytest.mark.usefixtures("stranger")
def test_letters_are_listed_and_shown(command: Command) -> None:
    """As a table and as JSON, with the same ids; the newest first, or from an id on in the order in which they came."""
    listed = json.loads(command("list", "--json", "--device", "D", "--limit", "2").stdout)
    assert [(letter["reason"], json.loads(letter["payload"])["seq"]) for letter in listed] == [
        ("unknown_device", 2),
        ("unknown_device", 1),
    ]
    before = str(listed[-1]["dead_letter_id"])
    [first] = json.loads(command("list", "--json", "--before", before).stdout)
    shown = json.loads(command("show", str(first["dead_letter_id"]), "--json").stdout)
    assert shown == first
    assert json.loads(shown["payload"])["seq"] == 0
    onward = json.loads(command("list", "--json", "--after", str(first["dead_letter_id"])).stdout)
    assert onward == listed[::-1]
    whole, page = command("list").stdout, command("list", "--limit", "2").stdout
    assert "unknown_device" in whole
    assert "that wait" not in whole
    assert f"2 of 3 that wait; the next with --before {before}." in page
    oldest = command("list", "--limit", "2", "--after", "0").stdout
    assert f"2 of 3 that wait; the next with --after {before}." in oldest
    missing = command("show", "999999")
    assert (missing.returncode, missing.stderr.startswith("There is no dead letter 999999.")) == (2, True)


@pytest.mark.usefixtures("stranger")
def test_times_of_letters_are_china_time_and_say_so(command: Command, connection: Connection) -> None:
    """In the list and in one of them; JSON keeps UTC."""
    connection.execute("UPDATE dead_letters SET received_at = '2026-11-28T20:15:16Z'")
    listed = command("list").stdout
    assert "2026-11-29 04:15:16" in listed
    assert "Asia/Shanghai" in listed
    [letter, *_] = json.loads(command("list", "--json").stdout)
    assert letter["received_at"] == "2026-11-28T20:15:16+00:00"
    assert "received_at: 2026-11-29 04:15:16 (Asia/Shanghai)" in command("show", str(letter["dead_letter_id"])).stdout


def test_list_without_letters_is_a_sentence(command: Command) -> None:
    """No empty frame."""
    assert command("list").stdout == "No dead letter waits. 没有待处理的死信。\n"


@pytest.mark.usefixtures("stranger")
def test_purge_is_a_dry_run_unless_told(command: Command, connection: Connection) -> None:
    """What is young stays either way; what a replay holds is left alone, which the status says."""
    connection.execute("UPDATE dead_letters SET received_at = now() - interval '91 days' WHERE dead_letter_id % 3 <> 0")
    dry = command("purge", "--older-than-days", "90", "--json")
    assert (dry.returncode, json.loads(dry.stdout)) == (0, {"applied": False, "due": 2, "deleted": 0})
    assert value(connection, "SELECT count(*) FROM dead_letters") == 3
    with connection.transaction():
        connection.execute("SELECT FROM dead_letters FOR UPDATE")
        held = command("purge", "--older-than-days", "90", "--apply")
    assert (held.returncode, held.stdout) == (1, "Deleted: 0. Under replay or gone already, and left alone: 2.\n")
    done = command("purge", "--older-than-days", "90", "--apply")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Deleted: 2.\n", "")
    assert value(connection, "SELECT count(*) FROM dead_letters") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "--reason", "boredom"],
        ["replay", "99999999999999999999"],
        ["list", "--after", "99999999999999999999"],
        ["show", "-1"],
        ["purge", "--older-than-days", "999999999999"],
        ["purge", "--older-than-days", "-1"],
    ],
)
def test_nonsense_is_refused_in_a_sentence(command: Command, arguments: list[str]) -> None:
    """Exit status 2, never a traceback."""
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("stranger")
def test_replay_shows_a_bar_on_a_terminal(
    start: Callable[..., "subprocess.Popen[str]"], register: Callable[..., None]
) -> None:
    """On standard error: what is printed for a program stays its own."""
    register("D")
    ours, theirs = pty.openpty()
    process = start("replay", "--all", "--json", stderr=theirs)
    os.close(theirs)
    seen = bytearray()
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # how a terminal says that its last writer is gone
        pass
    finally:
        os.close(ours)
    output, _ = process.communicate(timeout=60)
    assert json.loads(output)["stored"] == 3
    assert b"replaying" in seen
    assert b"3/3" in seen


@pytest.mark.usefixtures("stranger")
def test_replay_killed_in_the_middle_leaves_all_or_nothing(
    start: Callable[..., "subprocess.Popen[str]"],
    command: Command,
    connection: Connection,
    register: Callable[..., None],
    database_url: str,
) -> None:
    """Killed with rows written and nothing committed: the letters wait as before, and the next replay stores them."""
    register("D")
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        process = start("replay", "--all")
        with ended(process):
            until(lambda: value(connection, WAITING) > 0)
            process.kill()
            process.wait(20)
        other.rollback()
    until(lambda: value(connection, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL") == 3)
    done = json.loads(command("replay", "--all", "--json").stdout)
    assert (done["letters"], done["stored"], done["duplicate"]) == (3, 3, 0)
    assert value(connection, "SELECT count(*) FROM coldchain") == 3


@pytest.mark.usefixtures("stranger")
def test_replay_says_that_the_database_went_away(
    start: Callable[..., "subprocess.Popen[str]"],
    connection: Connection,
    register: Callable[..., None],
    database_url: str,
) -> None:
    """Exit status 2 and a sentence with what to do."""
    register("D")
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        process = start("replay", "--all")
        with ended(process):
            until(lambda: value(connection, WAITING) > 0)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'tracefleet dead-letters' AND datname = current_database()"
            )
            _, errors = process.communicate(timeout=60)
        other.rollback()
    assert process.returncode == 2
    assert errors.startswith("the database did not go on: ")
    assert "Traceback" not in errors


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Leaves no process behind, whatever fails."""
    try:
        yield
    finally:
        process.kill()
        process.communicate(timeout=20)


def until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
