"""``tracefleet broker-config``: who may enter nats-server, as its configuration says it."""

from pathlib import Path
from typing import Annotated

import typer

from store.errors import TracefleetError
from store.settings import load


def broker_config(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file, for its owner alone; without, it is printed.")
    ] = None,
) -> None:
    """Write the part of nats-server's configuration that lets devices in as the ledger says: `include` it.

    It holds the public half of the key that fleet signs with, and the users and passwords of TRACEFLEET_BROKER_URL and
    TRACEFLEET_NATS_URL. The database must be migrated. After a change, nats-server has to be started again.
    """
    from deploy.broker_config import access, door_of  # noqa: PLC0415 - heavy: only when it runs
    from deploy.embedded.private_file import write_private_text  # noqa: PLC0415 - with it
    from fleet.identity.broker import issuer_of  # noqa: PLC0415 - with it

    settings = load()
    text = "# Written by `tracefleet broker-config`.\n" + access(door_of(settings, issuer_of(settings).public_key))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        write_private_text(output, text)
    except OSError as error:
        raise TracefleetError(
            f"{output} cannot be written: {error.strerror}. Name a file in a folder that can be."
        ) from error
