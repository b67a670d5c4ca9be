"""How this command line was called, so that what people are told to type works where they stand."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "tracefleet"


def program() -> str:
    """The words that begin a command here: ``tracefleet`` where a shell finds it, else as it was called.

    After ``make demo`` that is ``.venv/bin/tracefleet``; called as a module, it is ``tracefleet``.
    """
    called = sys.argv[0]
    if Path(called).name != NAME:
        return NAME
    found = shutil.which(NAME)
    is_found = found is not None and Path(found).resolve() == Path(called).resolve()
    return NAME if is_found else shlex.quote(called)


def as_typed(text: str) -> str:
    """*text* with the commands that stand in it between backticks, such as `tracefleet up`, as they work here."""
    return text.replace(f"`{NAME} ", f"`{program()} ")
