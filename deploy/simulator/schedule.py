"""Who speaks when: an open loop over all machines. A slow broker never slows it, a slow moment is caught up with."""

import asyncio
import heapq
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from deploy.simulator.machine import Machine
from deploy.simulator.message import Outgoing

# When the schedule is behind, the line gets its turn after so many messages.
BURST: Final = 32
# Where nobody can speak at any pace, for example because the only device restarts.
NOTHING_SECONDS: Final = 0.05


async def drive(machines: Sequence[Machine], rate: float, hand_over: Callable[[Machine, Outgoing], None]) -> None:
    """Let machines act when they are due, until all have fallen silent for good; each message goes to *hand_over*.

    At *rate* 0 each keeps its natural pace. Otherwise the fleet makes *rate* messages a second, and the natural order
    of events is stretched or squeezed to that; message n is due at exactly n / rate seconds.
    """
    heap = [(machine.due, place) for place, machine in enumerate(machines)]
    heapq.heapify(heap)
    start = time.monotonic()
    made = in_a_row = barren = 0
    while heap:
        due = start + (made / rate if rate else heap[0][0])
        early_seconds = due - time.monotonic()
        if early_seconds > 0 or in_a_row >= BURST:
            await asyncio.sleep(max(0.0, early_seconds))
            in_a_row = 0
        if barren > len(heap):
            await asyncio.sleep(NOTHING_SECONDS)
            barren = 0
        machine = machines[heap[0][1]]
        message = machine.act(time.time(), time.monotonic())
        in_a_row += 1
        if machine.due == math.inf:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (machine.due, heap[0][1]))
        if message is None:
            barren += 1
            continue
        made += 1
        barren = 0
        hand_over(machine, message)
