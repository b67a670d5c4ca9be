"""Which resolution answers a span: raw records while they are few, else the finest readable roll-up. Pure."""

from datetime import timedelta
from typing import Final, Literal, get_args

from api.problems import NO_ROLLUP, ProblemError

Resolution = Literal["raw", "5m", "1h"]
Asked = Literal["auto", "raw", "5m", "1h"]
StreamName = Literal["weighing", "scan", "coldchain", "status", "presence"]

RAW_UP_TO: Final = timedelta(hours=6)
FIVE_MINUTES_UP_TO: Final = timedelta(days=3)
STEPS: Final[dict[Resolution, timedelta]] = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
# The finest first. Streams that are not here stay raw.
ROLLUPS: Final[dict[StreamName, tuple[Resolution, ...]]] = {
    "coldchain": ("5m", "1h"),
    "weighing": ("1h",),
    "scan": ("1h",),
}
STREAMS: Final[tuple[StreamName, ...]] = get_args(StreamName)


def choose(stream: StreamName, asked: Asked, length: timedelta) -> Resolution:
    """The resolution for a span of *length*.

    Raises ProblemError, no-such-resolution, when a roll-up is asked for by name that the stream has not.
    """
    has = ROLLUPS.get(stream, ())
    if asked == "auto":
        return _by_length(has, length)
    if asked != "raw" and asked not in has:
        names = ", ".join(("auto", "raw", *has))
        raise ProblemError(NO_ROLLUP, f"{stream} has no {asked} roll-up; it has {names}.")
    return asked


def _by_length(has: tuple[Resolution, ...], length: timedelta) -> Resolution:
    if length <= RAW_UP_TO or not has:
        return "raw"
    return "5m" if "5m" in has and length <= FIVE_MINUTES_UP_TO else "1h"
