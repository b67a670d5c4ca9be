"""``tracefleet ingest`` whose decoder has a fatal fault, as a compiled library may: certain bytes end the process.

The fault is put in from outside: the product has no hook for it. Run as ``python -m tests.acceptance.deadly_ingest``.
"""

import os
import signal
import sys
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from deploy import cli
from ingest import decode, intake
from ingest.message import Message
from store.records import Stream

POISON: Final = b"kill-me"


def decode_or_die(payload: bytes, stream: Stream, received_at: datetime, decoded: Any = None) -> Message:
    """The message, unless it is poison: then nothing comes back, not even an exception."""
    if POISON in payload:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode.decode(payload, stream, received_at, decoded)


def decode_singles_or_die(
    payloads: Sequence[bytes], streams: Sequence[str], received_ats: Collection[datetime]
) -> decode.Singles:
    """The same of messages that are read together."""
    if any(POISON in payload for payload in payloads):
        os.kill(os.getpid(), signal.SIGKILL)
    return decode.decode_singles(payloads, streams, received_ats)


if __name__ == "__main__":
    vars(intake).update(decode=decode_or_die, decode_singles=decode_singles_or_die)
    sys.argv = ["tracefleet", "ingest"]
    cli.main()
