"""``tracefleet api``: one process, for production."""

from deploy.service import run_service


def api() -> None:
    """Serve the HTTP API.

    Runs until Ctrl-C or SIGTERM. The database must be migrated: see `tracefleet migrate`.
    """
    from api.server import run  # noqa: PLC0415 - heavy: only when it runs

    run_service("api", run)
