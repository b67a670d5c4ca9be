"""How long work of a command goes on: a bar on standard error where that is a terminal, else nothing."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """Enter it for the work, whose steps are *total*."""

    def __init__(self, what: str, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, highlight=False),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def move_to(self, done: int, total: int | None = None) -> None:
        """So many steps are behind; of *total*, where that was not known before."""
        self._progress.update(self._task, completed=done, total=total)
