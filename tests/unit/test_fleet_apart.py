"""Reckoning in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fleet.apart import NICENESS, apart
from fleet.errors import RefusedError
from store.errors import TracefleetError

LIMIT_SECONDS = 60


def told(word: str, *, times: int) -> tuple[str, int, int]:
    """What was given, and of the process: its number and its niceness."""
    return word * times, os.getpid(), os.nice(0)


def refuses() -> None:
    """Raise one of ours."""
    raise RefusedError("it is\nnot allowed")


def mistakes() -> None:
    """Raise what nobody expects."""
    raise OverflowError


def dies() -> None:
    """End without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def lasts(file: Path) -> None:
    """Tell our number, and go on for ever."""
    file.write_text(str(os.getpid()))
    while True:
        time.sleep(1)


@pytest.mark.anyio
async def test_work_is_done_in_another_process_that_gives_way() -> None:
    """With what it was given; others go first."""
    said, process, niceness = await apart(told, "ab", times=2)
    assert said == "abab"
    assert process != os.getpid()
    assert niceness == min(os.nice(0) + NICENESS, 19)


@pytest.mark.anyio
async def test_what_it_raises_is_told_in_its_words(capfd: pytest.CaptureFixture[str]) -> None:
    """Of what nobody expects, the log has all."""
    with pytest.raises(TracefleetError, match=r"^it is not allowed$"):
        await apart(refuses)
    with pytest.raises(TracefleetError, match=r"^mistakes: its process ended with status 1$"):
        await apart(mistakes)
    assert "OverflowError" in capfd.readouterr().err


@pytest.mark.anyio
async def test_process_that_was_killed_is_told() -> None:
    """By the kernel that is out of memory, say."""
    with pytest.raises(TracefleetError, match=r"^dies: its process ended with status -9$"):
        await apart(dies)


@pytest.mark.anyio
async def test_process_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    """At once, and nothing is left of it."""
    file = tmp_path / "number"
    task = asyncio.create_task(apart(lasts, file))
    async with asyncio.timeout(LIMIT_SECONDS):
        while not file.exists() or not file.read_text():  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.02)
        number = int(file.read_text())
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    assert not psutil.pid_exists(number)


# The kernel refuses setpriority (and with it nice), as a hardened systemd unit has it do.
UNDER_A_FILTER = """
import asyncio, ctypes, operator, platform, struct, sys
from fleet.apart import apart

def deny(number):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
    made = Filter(len(steps), ctypes.addressof(held))
    if libc.prctl(22, 2, ctypes.byref(made), 0, 0):
        sys.exit(3)

if __name__ == "__main__":
    deny({"x86_64": 141, "aarch64": 140}[platform.machine()])
    print(asyncio.run(apart(operator.add, 1, 2)))
"""


def test_work_is_done_where_nobody_may_give_way(tmp_path: Path) -> None:
    """By a unit that filters system calls, say: as fast as the others then."""
    script = tmp_path / "filtered.py"
    script.write_text(UNDER_A_FILTER, encoding="utf-8")
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode == 3:
        pytest.skip("this kernel lets nobody filter system calls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """However that ends."""
    file, script = tmp_path / "number", tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from fleet.apart import apart\n"
        "from tests.unit.test_fleet_apart import lasts\n"
        f"if __name__ == '__main__':\n    asyncio.run(apart(lasts, Path({str(file)!r})))\n",
        encoding="utf-8",
    )
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: file.exists() and file.read_text() != "")
    finally:
        parent.kill()
        parent.wait()
    number = int(file.read_text())
    _until(lambda: not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
