"""How the run is going, on standard error: a bar on a terminal, else a line for each scenario."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Enter it for the run; scenarios are its steps."""

    def __init__(self, scenarios: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("starting servers", total=scenarios)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str) -> None:
        """Say what is being measured."""
        self._progress.update(self._task, description=what)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False)

    def end_scenario(self) -> None:
        """One scenario is done."""
        self._progress.advance(self._task)
