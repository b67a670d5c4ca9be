"""The peer as a process of its own: one route of mq-bridge, from its input to its output, all of it in its Rust core.

It reads the route as one line of JSON, says ``ready`` when it runs, and drains and ends at SIGTERM, or when whoever
started it is gone.
"""

import json
import logging
import signal
import sys
from types import FrameType


def main() -> None:
    """Run as ``python -m deploy.bench.peer_route``."""
    from mq_bridge import Route, init_logging  # noqa: PLC0415 - `make bench-peers` alone installs it

    logging.basicConfig(level=logging.WARNING)
    init_logging("warn")
    signal.signal(signal.SIGTERM, _leave)
    route = Route.from_config(json.loads(sys.stdin.readline()))
    route.start()
    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        # Until its other end is closed.
        sys.stdin.read()
    finally:
        route.stop()
        route.join()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
