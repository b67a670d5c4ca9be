"""``tracefleet fleet``: one process, for production."""

from deploy.service import run_service


def fleet() -> None:
    """Watch the fleet and keep the store in order: presence, counts by state, retention.

    Runs until Ctrl-C or SIGTERM. The database must be migrated: see `tracefleet migrate`.
    """
    from fleet.service import run  # noqa: PLC0415 - heavy: only when it runs

    run_service("fleet", run)
