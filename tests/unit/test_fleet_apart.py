"""Reckoning in a process of its own."""

import asyncio
import os
import signal
import time
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
