"""How an import is going: a bar on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

STAGES: Final = {
    "reading": "reading the sheet 读取",
    "checking": "checking the rows 核对",
    "writing": "writing 写入",
    "sealing": "sealing the audit 封存",
}


class Watch(Protocol):
    """Told of a stage, how much of it is done, and of how much; 0 is: nobody knows."""

    def __call__(self, stage: str, done: int, of: int, /) -> None:
        """Show it."""


@contextmanager
def progress() -> Iterator[Watch]:
    """A watch whose stages are shown on standard error, if that is a terminal, and wiped away at the end."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _stage, _done, _of: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(STAGES["reading"], total=None)

        def show(stage: str, done: int, of: int) -> None:
            bar.update(task, description=STAGES[stage], completed=done, total=of or None)

        yield show
