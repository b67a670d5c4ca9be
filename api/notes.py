"""What is noted besides the answer: that a key was used, that somebody is still there. At most once a minute each."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from api.problems import ProblemError

# It is for people who look for what nobody needs: a minute is exact enough.
NOTE_SECONDS: Final = 60.0
REMEMBERED_MAX: Final = 1024


class Notes:
    """The notes under way, and when each thing was noted last."""

    def __init__(self) -> None:
        self._noted: OrderedDict[Hashable, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, thing: Hashable, work: Callable[[], Awaitable[object]]) -> None:
        """Do *work* in the background, unless it was done for *thing* within the minute."""
        now = time.monotonic()
        last = self._noted.get(thing)
        if last is not None and now - last < NOTE_SECONDS:
            return
        self._noted[thing] = now
        self._noted.move_to_end(thing)
        if len(self._noted) > REMEMBERED_MAX:
            self._noted.popitem(last=False)
        task = asyncio.create_task(_keep(work), name="note")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let the notes that are under way end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)


async def _keep(work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except ProblemError:
        # The next use after the minute is noted; what ails the database is told by whoever needs it.
        return
