"""Tells systemd that a service listens, and goes on telling it that its loop turns: the protocol of sd_notify(3).

Where nobody asks to be told, in a container or a terminal, nothing is done.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from deploy.ports import ListenPort, reachable_host

LOOK_SECONDS: Final = 0.1
# Of the time that systemd waits for a sign, as its manual advises.
SHARE: Final = 0.4


async def notify(listens: ListenPort, environment: Mapping[str, str] = os.environ) -> None:
    """Say that the service is ready once somebody answers at its port; then that it is alive, for ever.

    Runs on the loop of the service, so that a loop that hangs says nothing more and systemd ends it.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.setblocking(False)
        # With @ it is a name in the kernel and no file.
        tell = partial(_tell, way, f"\0{address[1:]}" if address.startswith("@") else address)
        while not await _answers(listens):  # noqa: ASYNC110 - a port that opens wakes nobody
            await asyncio.sleep(LOOK_SECONDS)
        tell(b"READY=1")
        every_seconds = _watchdog_seconds(environment)
        while every_seconds is not None:
            tell(b"WATCHDOG=1")
            await asyncio.sleep(every_seconds * SHARE)


def _tell(way: socket.socket, address: str, word: bytes) -> None:
    # It has many unread, or is being replaced: a service does not end of that, and the next word does as well.
    with suppress(OSError):
        way.sendto(word, address)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of ours; None where it does not."""
    micro, who = environment.get("WATCHDOG_USEC"), environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(micro) / 1_000_000 if micro and who == str(os.getpid()) else None


async def _answers(listens: ListenPort) -> bool:
    try:
        _, writer = await asyncio.open_connection(reachable_host(listens.host).strip("[]"), listens.port)
    except OSError:
        return False
    writer.close()
    return True
