"""Doctor's look at the certificate of a broker that is reached over TLS."""

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final

from deploy.check import Check
from grafana.metric_alerts import CERTIFICATE_DAYS
from ingest.broker_certificate import ends_seconds
from store.peer import peer_of
from store.settings import Settings

WHAT: Final = "certificate"
WAIT_SECONDS: Final = 5.0
DAY_SECONDS: Final = 86_400


def broker_certificate(settings: Settings) -> Iterator[Check]:
    """Until when it holds; nothing for a broker without TLS."""
    peer = peer_of(settings.broker_url.get_secret_value())
    if not peer.secure:
        return
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((peer.host, peer.port), WAIT_SECONDS) as line,
            context.wrap_socket(line, server_hostname=peer.host) as secured,
        ):
            ends = ends_seconds(secured.getpeercert())
    except OSError as error:
        remedy = "Let the broker show one that this machine trusts, for the name in TRACEFLEET_BROKER_URL."
        yield Check(WHAT, "problem", f"{peer.name} shows none that is accepted: {error}", remedy)
        return
    yield judged(peer.name, ends - time.time())


def judged(name: str, left_seconds: float) -> Check:
    """What is to be done about a certificate that holds for so long."""
    days = int(left_seconds // DAY_SECONDS)
    if days >= CERTIFICATE_DAYS:
        return Check(WHAT, "ok", f"{name}'s holds for {days} days")
    remedy = "Renew it and have the broker load it again: devices and workers are refused when it has ended."
    return Check(WHAT, "problem", f"{name}'s ends in {days} days", remedy)
