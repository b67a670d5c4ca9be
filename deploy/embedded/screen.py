"""What ``tracefleet up`` shows a person: what it is doing, then where everything is. Elsewhere the same as lines."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[], None]]:
        """Show *what* as being done, then as done with its time. Call what it yields now and then, to show life."""
        begun = time.monotonic()
        if self._console.is_terminal:
            # No refreshing thread: whoever starts processes here has one thread.
            with Live(Spinner("dots", what), console=self._console, auto_refresh=False, transient=True) as live:
                live.refresh()
                yield live.refresh
        else:
            yield lambda: None
        self._console.print(f"[green]✓[/] {escape(what)} [dim]({time.monotonic() - begun:.1f} s)[/]", soft_wrap=True)

    def say_plainly(self, text: str) -> None:
        """One or more lines, never wrapped: a command among them is to be copied."""
        self._console.print(text, soft_wrap=True, markup=False)
