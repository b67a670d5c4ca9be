"""How a service is told to stop: the first signal asks, the second one does not ask."""

import asyncio
import signal

import structlog

SIGNALS = (signal.SIGTERM, signal.SIGINT)

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
