"""When the certificate of a broker ends, as the connection to it shows. Pure."""

import ssl
from collections.abc import Mapping


def ends_seconds(shown: Mapping[str, object] | None) -> float:
    """Since 1970; 0 where *shown* is no certificate.

    *shown* is what ``ssl`` tells of a peer that it has verified: of one it did not verify it tells nothing.
    """
    until = (shown or {}).get("notAfter")
    return float(ssl.cert_time_to_seconds(until)) if isinstance(until, str) else 0.0
