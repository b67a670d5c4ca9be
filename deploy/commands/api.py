"""``tracefleet api``: one process, for production."""

import sys
from typing import Annotated

import structlog
import typer

from deploy.invocation import as_typed
from deploy.ports import reachable_host, service_port
from deploy.service import run_service
from fleet.errors import KeyFileError
from fleet.identity.first_start import first_password, told
from store.settings import Settings


def api(
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen off this machine without TLS: behind a proxy that speaks it.")
    ] = False,
) -> None:
    """Serve the HTTP API.

    Runs until Ctrl-C or SIGTERM. The database must be migrated: see `tracefleet migrate`. Where nobody is a user
    yet, it makes the user `admin` and prints a one-time password.
    """
    from api.server import run  # noqa: PLC0415 - heavy: only when it runs

    async def serve(settings: Settings) -> None:
        # A process that cannot serve makes nobody a user.
        await run(settings, insecure=insecure, before=lambda: _tell_first_password(settings))

    run_service("api", serve)


def _tell_first_password(settings: Settings) -> None:
    """On standard output, not in the log: logs are collected, and kept."""
    try:
        password = first_password(settings)
    except KeyFileError as error:
        # It serves what needs no key of the installation, as it would with users.
        structlog.get_logger().warning("nobody can log in yet: the first user is not made", error=str(error))
        return
    if password is not None:
        port = service_port(settings, "api")
        sys.stdout.write(f"{as_typed(told(password, f'http://{reachable_host(port.host)}:{port.port}/login'))}\n")
        sys.stdout.flush()
