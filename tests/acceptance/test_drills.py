"""The failure drills of the runbook, typed as they stand there on a demo; and what a demo serves."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.test_up import START_SECONDS, Up, _place, until

pytestmark = [pytest.mark.acceptance]

RUNBOOK = Path(__file__).parents[2] / "deploy" / "README.md"
MARKED = re.compile(
    r"^### (.+?)\n.*?<!-- drill:begin -->\s*```sh\n(.*?)```\s*<!-- drill:end -->", re.DOTALL | re.MULTILINE
)
# A round of the watch is a minute.
EVENT_SECONDS = 90
# What each has to show, in this order, its last line in the shell included.
SHOWN = {
    "A stranger speaks": ['"dead_lettered":1', "unknown_device", "DRILL-1", "tored: 1"],
    "A retired identity speaks": ['"dead_lettered":1', "retired_device"],
    "Ingest dies": ["ingest-1"],
    "Somebody edits the audit": ["edited", "found: exit status 1", "whole"],
    "An outage of ours": ["failure drill", "An outage lasts", "is over"],
}


def _drills() -> dict[str, str]:
    text = RUNBOOK.read_text(encoding="utf-8").partition("## Failure drills")[2]
    return {title.partition(" · ")[0]: script for title, script in MARKED.findall(text)}


def _attempts(demo: Up) -> str | None:
    """How often the drill's retired identity spoke, as its security event has it."""
    with psycopg.connect(demo.written["database_url"]) as connection:
        found = connection.execute(
            "SELECT attempts::text FROM security_events JOIN devices USING (device_id) WHERE device_no = 'DRILL-1'"
        ).fetchone()
    return found[0] if found is not None else None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A small one."""
    up = _place(tmp_path_factory.mktemp("demo"))
    up.start("--simulate", "5")
    yield up
    up.kill_everything()


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("pgrep")), reason="curl or pgrep is not installed on this machine"
)
def test_drills_show_what_they_say(demo: Up) -> None:
    """All in one shell, one after the other, with this system's address and folder in place of the default ones."""
    drills = _drills()
    assert set(drills) == set(SHOWN)
    # -P: what runs is the code under test, not a folder of the shell's.
    lines = [
        f'tracefleet() {{ "{sys.executable}" -P -m deploy.cli "$@"; }}',
        f'python3() {{ "{sys.executable}" "$@"; }}',
    ]
    for title, script in drills.items():
        lines += [f"echo '=== {title}'", script]
    text = "\n".join(lines).replace("http://127.0.0.1:8000", demo.written["api_url"])
    text = text.replace(".tracefleet/", "data/")
    variables = demo.variables | {"COLUMNS": "200"}
    variables.pop("TRACEFLEET_BROKER_URL")
    done = subprocess.run(
        ["bash", "-c", text],  # noqa: S607 - the drills need a shell
        cwd=demo.folder,
        env=variables | {"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for title, expected in SHOWN.items():
        shown = done.stdout.partition(f"=== {title}\n")[2].partition("\n=== ")[0]
        place = 0
        for words in expected:
            assert words in shown[place:], f"{title}: no {words!r} in\n{done.stdout}"
            place += shown[place:].index(words) + len(words)
    until(lambda: _attempts(demo) == "1", seconds=EVENT_SECONDS, what="the event of the retired identity")
    until(lambda: "child_restarted" in demo.output, seconds=START_SECONDS, what="the word that ingest is back")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
@pytest.mark.parametrize("process", ["ingest", "fleet", "api"])
def test_metrics_of_a_demo_are_as_prometheus_wants_them(process: str, demo: Up) -> None:
    """By its own linter, and of few series."""
    text = httpx.get(demo.written["metrics_urls"][process], timeout=5).text
    done = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607 - wherever it is
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert "tracefleet_build_info" in text
    assert 0 < sum(not line.startswith("#") for line in text.splitlines()) < 500
