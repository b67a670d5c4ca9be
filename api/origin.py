"""Which requests come from a page of another site: such a page may read nothing here, and change nothing. Pure.

A browser adds a cookie to whatever any page asks of us. It also says where the page is from, and that no script can
change. A program that says nothing is none: it shows a key, and no browser does that by itself.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

# Whatever else a browser does with a page, it does by one of these.
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Typed into the address bar, or asked for by a page of ours. A neighbour of the same domain is a stranger all the same.
_OURS: Final = frozenset({"same-origin", "none"})
_PORTS: Final = {"http": 80, "https": 443}


def is_foreign(method: str, headers: Headers, *, scheme: str, public_url: str) -> bool:
    """Whether a request that would change something comes from a page of another origin.

    Ours are the one that *headers* ask, over *scheme*, and that of *public_url*, where people reach us by a proxy.
    """
    if method in _READING:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OURS
    origin = headers.get("origin")
    if origin is None:
        return False
    ours = {_of(f"{scheme}://{headers.get('host', '')}"), _of(public_url)}
    return _of(origin) is None or _of(origin) not in ours


def _of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None of what has none, such as the `null` of a page in a box."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or parts.hostname is None:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
