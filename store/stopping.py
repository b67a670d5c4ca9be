"""How a service is told to stop: the first signal asks, the second one does not ask."""

import asyncio
import signal
from typing import Any, Final

import structlog

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Longer than a part takes to take leave.
CANCEL_AGAIN_SECONDS: Final = 2.0

log = structlog.get_logger()


def told_to_stop() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second then ends the process at once.

    Call it from the main thread's running loop.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        log.info("stopping", signal=number.name)
        stop.set()
        for each in SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    return stop


async def end(*parts: "asyncio.Future[Any]") -> None:
    """Cancel *parts*, and return when they have ended, whatever it was of.

    Again and again: until Python 3.12 a cancellation is lost that comes in the very moment in which what
    ``asyncio.wait_for`` waits for is done, and clients of brokers wait with it. A part that goes on would hold up the
    process for ever.
    """
    while under_way := {part for part in parts if not part.done()}:
        for part in under_way:
            part.cancel()
        await asyncio.wait(under_way, timeout=CANCEL_AGAIN_SECONDS)
