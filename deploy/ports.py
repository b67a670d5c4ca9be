"""TCP ports that services listen on: whether one can be had, and what to tell the operator when it cannot."""

import errno
import socket
from dataclasses import dataclass
from typing import Final, Literal

from store.errors import PortTakenError, TracefleetError
from store.settings import PREFIX, Settings

Service = Literal["ingest", "fleet", "api"]
SERVICES: Final[tuple[Service, ...]] = ("ingest", "fleet", "api")


@dataclass(frozen=True, slots=True)
class ListenPort:
    """A port somebody of ours wants, why, and which setting moves it."""

    purpose: str
    host: str
    port: int
    setting: str
    # Who has it, where it is taken, as far as experience goes.
    suspects: str

    @property
    def remedy(self) -> str:
        """How to find who has it, and how to do without it."""
        return (
            f"`ss -ltnp 'sport = :{self.port}'` names who has it. "
            f"Stop that, or choose another port with {PREFIX}{self.setting}."
        )


def service_port(settings: Settings, service: Service) -> ListenPort:
    """The port that *service* listens on."""
    match service:
        case "ingest":
            host, port, setting = settings.metrics_host, settings.ingest_metrics_port, "INGEST_METRICS_PORT"
            return ListenPort("the metrics of ingest", host, port, setting, "another ingest or `tracefleet up`")
        case "fleet":
            host, port, setting = settings.metrics_host, settings.fleet_metrics_port, "FLEET_METRICS_PORT"
            return ListenPort("the metrics of fleet", host, port, setting, "another fleet or `tracefleet up`")
        case "api":
            host, port, setting = settings.api_host, settings.api_port, "API_PORT"
            return ListenPort("the API", host, port, setting, "another `tracefleet up`, or any web server")


def is_free(host: str, port: int) -> bool:
    """Whether *host* and *port* can be listened on now.

    Raises OSError when no program of ours could, taken or not: an address of another machine, a privileged port.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        # As servers do it: connections of a server that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(host: str, *, preferred: int = 0) -> int:
    """*preferred* where it is free, else one that the system picks."""
    if preferred and is_free(host, preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(wanted: ListenPort) -> None:
    """Return when the port can be had.

    Raises PortTakenError when somebody has it, TracefleetError when nobody could listen there; both say which setting.
    """
    try:
        free = is_free(wanted.host, wanted.port)
    except OSError as error:
        host_setting = wanted.setting.replace("_PORT", "_HOST").replace("INGEST_", "").replace("FLEET_", "")
        raise TracefleetError(
            f"{wanted.purpose} cannot listen on {wanted.host} port {wanted.port}: {error.strerror}. "
            f"Check {PREFIX}{host_setting} and {PREFIX}{wanted.setting}."
        ) from error
    if not free:
        raise PortTakenError(
            f"port {wanted.port} on {wanted.host}, for {wanted.purpose}, is taken, perhaps by {wanted.suspects}. "
            f"{wanted.remedy}"
        )


def reachable_host(host: str) -> str:
    """Where a client on this machine finds a service that binds to *host*, ready for a URL."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{local}]" if ":" in local else local
