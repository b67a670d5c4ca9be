"""Child processes kept alive: started again with growing patience when they die, stopped in order against a clock.

One thread, which polls: on Linux a child dies with the *thread* that forked it, and a fork is only safe without others.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, Self

import structlog

from deploy.embedded.process import end_of
from store.errors import TracefleetError

POLL_SECONDS: Final = 0.1
FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 30.0
HEALTHY_SECONDS: Final = 60.0
# A child that was started again and lives so long has come up: what fails at its start fails sooner.
BACK_SECONDS: Final = 3.0
# After a child's time to end by itself is over, each harder signal gets this long.
INSIST_SECONDS: Final = 0.4

log = structlog.get_logger()


class ToldToStopError(Exception):
    """SIGINT, SIGTERM or SIGHUP came while something was being waited for."""


class StopSignals:
    """Counts the signals that ask us to stop, for as long as it is entered. The second one asks for force."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Listening."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


@dataclass(slots=True)
class Patience:
    """How long to wait before a child that died is started again: 1 s, doubling to 30 s; 60 s of health forgive all."""

    deaths: int = 0

    def delay_seconds(self, *, lived_seconds: float) -> float:
        """The wait after one more death, of a child that had lived this long."""
        if lived_seconds >= HEALTHY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(self.deaths - 1, 16)))


@dataclass(slots=True)
class Child:
    """A process we keep, and what we know of it."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    log: Path
    # The polite one first; each next one for a child that the one before did not end.
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL)
    process: "subprocess.Popen[bytes] | None" = None
    started_at_seconds: float = 0.0
    restart_at_seconds: float | None = None
    # Its death was told of, and its return not yet.
    is_missed: bool = False
    patience: Patience = field(default_factory=Patience)

    def is_running(self) -> bool:
        """Whether its process is alive."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send *number*; SIGKILL goes to everything it started, too."""
        if self.process is None or self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)


@dataclass(frozen=True, slots=True)
class Stage:
    """Children that stop together, and when force begins for them, counted from the beginning of the stop."""

    names: frozenset[str]
    by_seconds: float


class Supervisor:
    """Starts children, restarts those that die, and stops all of them."""

    def __init__(self, told: StopSignals, stages: Sequence[Stage]) -> None:
        self._told = told
        self._stages = stages
        self._children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start *child* and keep it. Raises OSError when its program cannot be started."""
        self._launch(child)
        self._children.append(child)

    def wait(
        self,
        is_ready: Callable[[], bool],
        *,
        of: Child | None = None,
        seconds: float,
        what: str,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Return when *is_ready* comes true; *tick* is called about ten times a second until then.

        Raises ToldToStopError when a signal asks us to stop, TracefleetError when *seconds* pass or the child dies.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self._told.count:
                raise ToldToStopError
            if time.monotonic() > deadline or (of is not None and not of.is_running()):
                raise TracefleetError(_explain(what, of, seconds))
            tick()
            time.sleep(POLL_SECONDS)

    def run(self) -> None:
        """Keep the children alive until a signal asks us to stop."""
        while not self._told.count:
            self._mend(time.monotonic())
            time.sleep(POLL_SECONDS)

    def stop(self) -> bool:
        """End every child, stage by stage; whether all of them ended by themselves.

        Returns before the last stage's time plus a second, whatever the children do. A second signal forces at once.
        """
        begun = time.monotonic()
        answers = [self._stop_stage(stage, begun + stage.by_seconds) for stage in self._stages]
        return all(answers)

    def _launch(self, child: Child) -> None:
        child.restart_at_seconds = None
        child.started_at_seconds = time.monotonic()
        child.process = child.start()

    def _mend(self, now: float) -> None:
        for child in self._children:
            if child.restart_at_seconds is None and not child.is_running():
                self._note_death(child, now)
            elif child.restart_at_seconds is not None and now >= child.restart_at_seconds:
                try:
                    self._launch(child)
                except OSError:
                    self._note_death(child, now)
            elif child.patience.deaths and child.is_running():
                self._note_life(child, lived_seconds=now - child.started_at_seconds)

    def _note_life(self, child: Child, *, lived_seconds: float) -> None:
        if child.is_missed and lived_seconds >= BACK_SECONDS:
            log.info("child_restarted", child=child.name, deaths=child.patience.deaths)
            child.is_missed = False
        if lived_seconds >= HEALTHY_SECONDS:
            log.info("child_recovered", child=child.name, deaths=child.patience.deaths)
            child.patience.deaths = 0

    def _note_death(self, child: Child, now: float) -> None:
        delay = child.patience.delay_seconds(lived_seconds=now - child.started_at_seconds)
        child.restart_at_seconds = now + delay
        # Once at the beginning of its trouble, and once at its end: what lies between is in the child's own log.
        if child.patience.deaths == 1:
            child.is_missed = True
            status = child.process.returncode if child.process is not None else None
            log.warning("child_died", child=child.name, how=_how(status), restart_in_seconds=delay, log=str(child.log))

    def _stop_stage(self, stage: Stage, deadline: float) -> bool:
        running = [child for child in self._children if child.name in stage.names and child.is_running()]
        for resort in range(max((len(child.stop_signals) for child in running), default=0)):
            for child in running:
                child.signal(child.stop_signals[min(resort, len(child.stop_signals) - 1)])
            if self._all_ended(running, deadline, impatient=resort == 0):
                return resort == 0
            deadline = time.monotonic() + INSIST_SECONDS
        return not running

    def _all_ended(self, children: Sequence[Child], deadline: float, *, impatient: bool) -> bool:
        while any(child.is_running() for child in children):
            if time.monotonic() > deadline or (impatient and self._told.count > 1):
                return False
            time.sleep(POLL_SECONDS / 5)
        return True


def _how(status: int | None) -> str:
    if status is None:
        return "could not be started"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _explain(what: str, child: Child | None, seconds: float) -> str:
    if child is None:
        return f"{what} was not ready within {seconds:.0f} s"
    trouble = f"was not ready within {seconds:.0f} s" if child.is_running() else "ended while it was starting"
    return f"{what} {trouble}. The end of {child.log}:\n{end_of(child.log)}"
