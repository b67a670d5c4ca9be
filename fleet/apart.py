"""Reckoning in a process of its own.

What keeps Python itself busy for seconds, in a thread, takes turns with the devices at the door: they would wait for
milliseconds each, and half as many would get in.
"""

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar

import psycopg

from store.errors import TracefleetError

# Not a fork: that would hold our threads' locks and the sockets of the database.
CONTEXT: Final = multiprocessing.get_context("spawn")
# Whoever is at the door goes first.
NICENESS: Final = 10
REAP_SECONDS: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")


async def apart(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What *work*, a function of a module, comes to with what it is given; all of it can be pickled.

    Raises TracefleetError, in the words of what was raised there, and when the process was killed. It is killed when we
    are cancelled, and ends with us.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_there, args=(theirs, work, given, named), name=work.__name__, daemon=True)
    try:
        process.start()
    except OSError as error:
        raise TracefleetError(f"{work.__name__}: no process can be started: {error.strerror or error}") from error
    finally:
        theirs.close()
    try:
        # Nobody closes ours but the last who holds it: a thread may be reading there until the process is dead.
        comes_to, trouble = await asyncio.to_thread(ours.recv)
    except EOFError:
        await asyncio.to_thread(process.join)
        raise TracefleetError(f"{work.__name__}: its process ended with status {process.exitcode}") from None
    finally:
        process.kill()
        # What was killed is gone at once, but for one that the kernel keeps: that is reaped with the next.
        process.join(REAP_SECONDS)
    if trouble is not None:
        raise TracefleetError(trouble)
    return comes_to  # type: ignore[no-any-return]


def _there(theirs: Connection, work: Callable[..., object], given: tuple[object, ...], named: dict[str, Any]) -> None:
    # Ctrl-C of a terminal is for those who started us: they stop us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_them, daemon=True).start()
    # A hardened unit may not: then it goes on as fast as the others.
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        told: tuple[object, str | None] = (work(*given, **named), None)
    # Anything else is a mistake of ours, which the log then has in full.
    except (TracefleetError, psycopg.Error, OSError) as error:
        told = (None, " ".join(str(error).split()))
    # Nobody is there to hear it where we were just given up.
    with suppress(BrokenPipeError):
        theirs.send(told)


def _end_with_them() -> None:
    """End this process with the one that started it, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
