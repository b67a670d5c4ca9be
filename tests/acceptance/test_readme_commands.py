"""The README's commands, run as a newcomer runs them: a clean copy, an empty virtual environment, a package index."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.conftest import free_ports

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
INSTALL_SECONDS = 900.0
# Ten of a machine of one's own; CI's two cores run other tests beside it.
ROWS_SECONDS = 90.0
STOP_SECONDS = 10.0
MARKED = re.compile(r"<!-- test:begin -->\s*```\w*\n(.*?)```\s*<!-- test:end -->", re.DOTALL)
# What a surrounding `make test` or pytest hands on would not be there on a fresh machine.
OF_OURS = re.compile(r"TRACEFLEET_|MAKE|MFLAGS|PYTEST|COV_|VENV$|VIRTUAL_ENV$|JOBS$|PYTHON$|PYTHONPATH$")
SMALL_PART = ("tests/unit/test_settings.py", "tests/integration/test_migrations.py")
ROWS = """
SELECT EXISTS (SELECT FROM weighing) AND EXISTS (SELECT FROM scan) AND EXISTS (SELECT FROM coldchain)
   AND EXISTS (SELECT FROM status) AND EXISTS (SELECT FROM presence)
"""


def _commands(readme: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    lines = [line.partition("#")[0].strip() for block in MARKED.findall(text) for line in block.splitlines()]
    return [line for line in lines if line]


def _tracked_files() -> list[str] | None:
    if not (ROOT / ".git").exists():
        return None
    git = shutil.which("git") or "git"
    listed = subprocess.run(
        [git, "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name]


def _copy_project(target: Path) -> None:
    """The tracked files; where there is no repository (an unpacked archive), all but what git would ignore."""
    tracked = _tracked_files()
    if tracked is None:
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*(name.strip("/") for name in ignored)))
        return
    for name in tracked:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def _variables() -> dict[str, str]:
    broker, api, ingest, fleet = free_ports(4)
    return {name: value for name, value in os.environ.items() if not OF_OURS.match(name)} | {
        "TRACEFLEET_BROKER_URL": f"mqtt://127.0.0.1:{broker}",
        "TRACEFLEET_API_PORT": str(api),
        "TRACEFLEET_INGEST_METRICS_PORT": str(ingest),
        "TRACEFLEET_FLEET_METRICS_PORT": str(fleet),
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the project. Whichever command comes first sets it up."""
    target = tmp_path_factory.mktemp("clean") / "tracefleet"
    _copy_project(target)
    assert not (target / ".venv").exists()
    return target


class Demo:
    """``make demo`` in a copy: what it prints, what it wrote, and what it started."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy
        self._output = copy.with_name("demo-output")
        self.family: list[psutil.Process] = []
        with self._output.open("wb") as output:
            # A session of its own stands for a terminal: what Ctrl-C reaches is its process group.
            self.process = subprocess.Popen(
                _commands("README.md")[0].split(),
                cwd=copy,
                env=_variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Both its outputs so far."""
        return self._output.read_text(encoding="utf-8")

    @property
    def runtime(self) -> Path:
        """The file that says where everything is."""
        return self._copy / ".tracefleet" / "runtime.json"

    def wait_for_setup(self) -> None:
        """Return when everything is installed."""
        deadline = time.monotonic() + INSTALL_SECONDS
        while not (self._copy / ".venv" / ".installed").exists():
            assert self.process.poll() is None, f"the set-up failed; it needs a package index:\n{self.output}"
            assert time.monotonic() < deadline, f"the set-up took too long; is the package index slow?\n{self.output}"
            time.sleep(0.1)

    def wait_for_rows(self, *, seconds: float) -> None:
        """Return when there are rows of all five streams."""
        deadline = time.monotonic() + seconds
        while not self._has_rows():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, f"no rows of all five streams in {seconds:.0f} s:\n{self.output}"
            time.sleep(0.1)

    def _has_rows(self) -> bool:
        if not self.runtime.exists():
            return False
        written: dict[str, Any] = json.loads(self.runtime.read_text(encoding="utf-8"))
        with psycopg.connect(written["database_url"]) as connection:
            return connection.execute(ROWS).fetchone() == (True,)

    def press_ctrl_c(self) -> None:
        """Return when it has ended, which it does within 10 s."""
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(STOP_SECONDS)

    def survivors(self) -> list[psutil.Process]:
        """What it started and still runs."""
        return [process for process in self.family if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def demo(copy: Path) -> Iterator[Demo]:
    """A running ``make demo``, ended whatever happens."""
    started = Demo(copy)
    yield started
    if started.process.poll() is None:
        started.family = psutil.Process(started.process.pid).children(recursive=True)
        os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait(10)
    for process in started.survivors():
        process.kill()


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readme_shows_the_two_commands(readme: str) -> None:
    """And both languages the same, so that running them once is enough."""
    assert _commands(readme) == ["make demo", "make test"]


def test_make_demo_runs_the_system_in_a_clean_copy(demo: Demo) -> None:
    """Rows of all five streams soon after the set-up's end; Ctrl-C leaves nothing within 10 s."""
    demo.wait_for_setup()
    demo.wait_for_rows(seconds=ROWS_SECONDS)
    demo.press_ctrl_c()
    assert "已停止" in demo.output
    assert demo.survivors() == []
    assert not demo.runtime.exists()


def test_make_test_passes_in_a_clean_copy(copy: Path) -> None:
    """On a small part, with a server and without: this test is in the suite, too."""
    done = subprocess.run(
        [*_commands("README.md")[1].split(), f"PYTEST_ARGS={' '.join(SMALL_PART)}"],
        cwd=copy,
        env={name: value for name, value in _variables().items() if not name.startswith("TRACEFLEET_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"the set-up needs a package index:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert re.search(r"\d+ passed", done.stdout)
