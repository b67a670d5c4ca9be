"""How often somebody may try what is secret: so many times a minute from one host, in bounded memory. Pure."""

from collections import OrderedDict, deque
from typing import Final

WINDOW_SECONDS: Final = 60.0
TRIES_MAX: Final = 20
HOSTS_MAX: Final = 4096


class Tries:
    """Tries that did not succeed, by host. What succeeds does not count, so a whole market can be installed at once."""

    def __init__(self) -> None:
        self._ats: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, host: str, now: float) -> bool:
        """Count a try of *host* at *now*, seconds of any clock that does not jump; False when it has had too many."""
        ats = self._ats.setdefault(host, deque(maxlen=TRIES_MAX))
        self._ats.move_to_end(host)
        if len(self._ats) > HOSTS_MAX:
            self._ats.popitem(last=False)
        if len(ats) == TRIES_MAX and now - ats[0] < WINDOW_SECONDS:
            return False
        ats.append(now)
        return True

    def succeeded(self, host: str) -> None:
        """Take the latest try of *host* back."""
        ats = self._ats.get(host)
        if ats:
            ats.pop()
