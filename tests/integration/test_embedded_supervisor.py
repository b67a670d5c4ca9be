"""Supervision of real processes: restarts, the order of a stop, and its deadlines."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from deploy.embedded.process import spawn
from deploy.supervisor import BACK_SECONDS, Child, Stage, StopSignals, Supervisor, ToldToStopError
from store.errors import TracefleetError

# Says when it is up; at SIGTERM says so and ends, after the seconds it is given.
POLITE = """
import pathlib, signal, sys, time
name, diary, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
def note(what):
    with diary.open("a") as file:
        file.write(f"{name} {what}\\n")
def end(*_):
    note("told")
    time.sleep(seconds)
    note("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("up")
while True:
    signal.pause()
"""
# Deaf to SIGTERM, and so is what it starts.
DEAF = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def told() -> Iterator[StopSignals]:
    """Signals of this process, counted."""
    with StopSignals() as signals:
        yield signals


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Where children write what happens to them."""
    path = tmp_path / "diary"
    path.touch()
    return path


def _child(name: str, tmp_path: Path, *command: str) -> Child:
    log = tmp_path / f"{name}.log"
    return Child(name, lambda: spawn([*command], log=log), log)


def _polite(name: str, diary: Path, *, seconds: float = 0) -> Child:
    return _child(name, diary.parent, sys.executable, "-c", POLITE, name, str(diary), str(seconds))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _run_until(supervisor: Supervisor, condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Run the supervisor until *condition* holds, then signal this process as Ctrl-C does."""
    held = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        if condition():
            held.set()
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=watch)
    watcher.start()
    supervisor.run()
    watcher.join()
    assert held.is_set(), "the condition did not come true in time"


def test_child_is_started_again_when_it_dies(told: StopSignals, diary: Path) -> None:
    """After about a second, as another process."""
    supervisor = Supervisor(told, [Stage(frozenset({"a"}), by_seconds=5)])
    child = _polite("a", diary)
    supervisor.start(child)
    supervisor.wait(lambda: _lines(diary) == ["a up"], of=child, seconds=10, what="a")
    assert child.process is not None
    first = child.process.pid
    child.process.kill()
    _run_until(supervisor, lambda: _lines(diary) == ["a up", "a up"])
    assert child.process.pid != first
    assert child.patience.deaths == 1
    assert supervisor.stop()


def test_return_of_a_child_is_told_once(told: StopSignals, diary: Path) -> None:
    """When it has lived a few seconds, so one that dies at its start has not returned."""
    supervisor = Supervisor(told, [Stage(frozenset({"a"}), by_seconds=5)])
    child = _polite("a", diary)
    with capture_logs() as logs:
        supervisor.start(child)
        supervisor.wait(lambda: _lines(diary) == ["a up"], of=child, seconds=10, what="a")
        assert child.process is not None
        child.process.kill()

        def a_while_after_its_return() -> bool:
            lived_seconds = time.monotonic() - child.started_at_seconds
            return len(_lines(diary)) == 2 and lived_seconds > BACK_SECONDS + 1

        _run_until(supervisor, a_while_after_its_return)
    assert [(line["event"], line["child"]) for line in logs] == [("child_died", "a"), ("child_restarted", "a")]
    assert supervisor.stop()


def test_child_whose_program_is_gone_is_tried_again(told: StopSignals, diary: Path, tmp_path: Path) -> None:
    """A program that comes back, as in an upgrade, is found."""
    program = tmp_path / "program"
    program.symlink_to("/bin/sleep")
    supervisor = Supervisor(told, [Stage(frozenset({"a"}), by_seconds=5)])
    child = _child("a", tmp_path, str(program), "600")
    supervisor.start(child)
    assert child.process is not None
    program.unlink()
    child.process.kill()

    def second_death_then_program() -> bool:
        if child.patience.deaths == 2 and not program.exists():
            program.symlink_to("/bin/sleep")
        return program.exists() and child.is_running()

    _run_until(supervisor, second_death_then_program)
    assert supervisor.stop()
    assert _lines(diary) == []


def test_stages_stop_one_after_the_other(told: StopSignals, diary: Path) -> None:
    """The second stage is told when the first has ended, not before."""
    supervisor = Supervisor(told, [Stage(frozenset({"a", "b"}), by_seconds=5), Stage(frozenset({"c"}), by_seconds=8)])
    for name, seconds in (("c", 0.0), ("b", 0.3), ("a", 0.6)):
        child = _polite(name, diary, seconds=seconds)
        supervisor.start(child)
        supervisor.wait(lambda name=name: f"{name} up" in _lines(diary), of=child, seconds=10, what=name)  # type: ignore[misc]
    assert supervisor.stop()
    assert _lines(diary)[-3:] == ["a ended", "c told", "c ended"]
    assert set(_lines(diary)[3:5]) == {"a told", "b told"}


def test_deaf_child_is_killed_with_what_it_started(told: StopSignals, tmp_path: Path) -> None:
    """When its stage's time is over, and the caller learns that force was needed."""
    supervisor = Supervisor(told, [Stage(frozenset({"deaf"}), by_seconds=0.5)])
    child = _child("deaf", tmp_path, sys.executable, "-c", DEAF)
    supervisor.start(child)
    supervisor.wait(lambda: _lines(child.log) == ["up"], of=child, seconds=10, what="deaf")
    assert child.process is not None
    family = [psutil.Process(child.process.pid), *psutil.Process(child.process.pid).children()]
    assert len(family) == 2
    assert not supervisor.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_second_signal_forces_at_once(told: StopSignals, diary: Path) -> None:
    """Whoever presses Ctrl-C twice does not wait for the deadlines."""
    supervisor = Supervisor(told, [Stage(frozenset({"slow"}), by_seconds=600)])
    child = _polite("slow", diary, seconds=600)
    supervisor.start(child)
    supervisor.wait(lambda: _lines(diary) == ["slow up"], of=child, seconds=10, what="slow")
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert not supervisor.stop()
    assert not child.is_running()
    assert "slow ended" not in _lines(diary)


def test_waiting_ends_when_a_signal_comes(told: StopSignals) -> None:
    """Ctrl-C during the set-up is no error."""
    os.kill(os.getpid(), signal.SIGHUP)
    with pytest.raises(ToldToStopError):
        Supervisor(told, []).wait(lambda: False, seconds=60, what="nothing")


def test_waiting_for_a_child_that_ended_shows_its_log(told: StopSignals, tmp_path: Path) -> None:
    """The name, and what it said last."""
    supervisor = Supervisor(told, [])
    child = _child("broken", tmp_path, "sh", "-c", "echo the disk is on fire; exit 3")
    supervisor.start(child)
    with pytest.raises(TracefleetError, match=r"(?s)it ended while it was starting.*broken\.log:\nthe disk is on fire"):
        supervisor.wait(lambda: False, of=child, seconds=60, what="it")


def test_handlers_are_given_back(told: StopSignals) -> None:
    """Signals do what they did before, once nobody counts them."""
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    assert told.count == 0
