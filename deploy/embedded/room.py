"""What ``tracefleet up`` needs to have to itself: its ports, and the folder of its database."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded import postgres
from deploy.ports import SERVICES, ListenPort, require_free, service_port
from store.errors import DatabaseError, PortTakenError, TracefleetError
from store.settings import Settings


def broker_port(settings: Settings) -> int:
    """The port of the embedded broker: the one in the broker's URL."""
    return urlsplit(settings.broker_url.get_secret_value()).port or 1883


def needed_ports(settings: Settings) -> list[ListenPort]:
    """Every port the system listens on, PostgreSQL's only where the operator chose one."""
    ports = [service_port(settings, service) for service in SERVICES]
    suspects = "another `tracefleet up`, or a Mosquitto that the system started"
    setting = "BROKER_URL=mqtt://127.0.0.1:PORT"
    ports.append(ListenPort("the MQTT broker", "127.0.0.1", broker_port(settings), setting, suspects))
    if settings.postgres_port:
        suspects = "a PostgreSQL that the system started"
        ports.append(
            ListenPort("the embedded PostgreSQL", postgres.HOST, settings.postgres_port, "POSTGRES_PORT", suspects)
        )
    return ports


def require_room(settings: Settings) -> None:
    """Return when all of it can be had.

    Raises PortTakenError with a sentence for every port that is taken, DatabaseError when a server holds the folder.
    """
    require_unheld(settings.data_dir)
    taken = list(_taken(needed_ports(settings)))
    if taken:
        raise PortTakenError("\n".join(taken))


def _taken(ports: Iterable[ListenPort]) -> Iterator[str]:
    for port in ports:
        try:
            require_free(port)
        except PortTakenError as error:
            yield str(error)


def has_room(settings: Settings) -> bool:
    """Whether :func:`require_room` would return."""
    try:
        require_room(settings)
    except TracefleetError:
        return False
    return True


def require_unheld(data_dir: Path) -> None:
    """Return when no PostgreSQL runs on the folder. Raises DatabaseError, with how to end it."""
    pid = postgres.holder(data_dir)
    if pid is not None:
        folder = data_dir / "postgres"
        raise DatabaseError(
            f"a PostgreSQL (process {pid}) still holds {folder}: a run that was killed left it behind. "
            f"Stop it with `kill -INT {pid}` and start again; nothing is lost. "
            f"If that process is no PostgreSQL, remove {folder / 'postmaster.pid'}."
        )
