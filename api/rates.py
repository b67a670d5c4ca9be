"""How often somebody may ask: so many requests in a minute, counted in this process over a window that moves.

Callers are told apart by what they show, a key or a session, else by their address; an address with many of them, as
that of a proxy, gets more. Probes, brokers that ask who may enter, and telemetry are not counted: the first two must
always be answered, and the last is bounded by what may be on its way at once.
"""

import hashlib
import math
import re
import time
from ipaddress import ip_address, ip_network
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.types import Scope

from store.settings import Settings

# As many callers as one address may have behind it.
CALLERS_OF_AN_ADDRESS: Final = 10
IPV6: Final = 6
IPV6_PREFIX: Final = 64
_FREE: Final = re.compile(r"/(livez|readyz|metrics)|/api/v1/(telemetry|broker/.*)")
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Rates:
    """Who asked how often within the last minute."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._most = {True: settings.api_reads_per_minute, False: settings.api_writes_per_minute}

    def wait_seconds(self, scope: Scope) -> int:
        """For how long the caller of this request has to wait; 0 when it may come in, and is counted then."""
        is_reading = scope["method"] in _READING
        most = self._most[is_reading]
        if not most or not are_counted(scope["path"]):
            return 0
        kind = "r" if is_reading else "w"
        address = network_of((scope.get("client") or ("",))[0])
        counted: list[tuple[RateLimitItem, str]] = [
            (RateLimitItemPerMinute(most), f"{kind} {address} {_shown(Headers(scope=scope))}"),
            (RateLimitItemPerMinute(most * CALLERS_OF_AN_ADDRESS), f"{kind} {address}"),
        ]
        # Who is refused uses up nothing of what his neighbours may ask.
        for item, name in counted:
            if not self._limiter.test(item, name):
                reset_at = self._limiter.get_window_stats(item, name).reset_time
                return max(1, math.ceil(reset_at - time.time()))
        for item, name in counted:
            self._limiter.hit(item, name)
        return 0


def network_of(host: str) -> str:
    """The address that callers count under: of IPv6 the network of one household or office, which has it all."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ip_network((address, IPV6_PREFIX), strict=False)) if address.version == IPV6 else str(address)


def are_counted(path: str) -> bool:
    """Whether requests to *path*, or to a template of paths, are counted at all."""
    return _FREE.fullmatch(path) is None


def _shown(headers: Headers) -> str:
    """A digest: a secret is not kept for being counted."""
    shown = headers.get("authorization") or headers.get("cookie")
    return hashlib.sha256(shown.encode()).hexdigest()[:16] if shown else ""
