"""``tracefleet ingest``: one process, for production."""

from deploy.service import run_service


def ingest() -> None:
    """Store what devices publish: broker to database, each message acknowledged after its commit.

    Runs until Ctrl-C or SIGTERM. The database must be migrated: see `tracefleet migrate`.
    """
    from ingest.service import run  # noqa: PLC0415 - heavy: only when it runs

    run_service("ingest", run)
