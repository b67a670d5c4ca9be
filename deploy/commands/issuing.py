"""``tracefleet devices credentials-issue``: passwords for many devices at once, in a file that is written once."""

import csv
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from psycopg import Connection

from deploy.commands.credentials import Expires, Note
from deploy.commands.desk import change
from fleet.errors import RefusedError
from fleet.identity.credentials import issue_many
from fleet.identity.holders import Choice, choose
from store.errors import TracefleetError

NAME: Final = "tracefleet devices credentials-issue"
HEADER: Final = ("device_no", "username", "password", "client_id", "expires_at")


def issue_in_bulk(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new CSV file, which you alone can read.")],
    site: Annotated[
        list[str] | None, typer.Option("--site", help="Devices of this site; several times for several.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only devices of this kind.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The devices of all sites.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Those that have a good password, too: another one.")] = False,
    expires: Expires = None,
    note: Note = None,
) -> None:
    """Give many devices a password each: those that have none, and are not retired. All or nothing.

    The file is the only place where the passwords are. Put them into the devices, then delete it.
    """
    if bool(site) == everything:
        raise TracefleetError("Say which devices: --site, or --all.")
    choice = Choice(site_nos=site or None, kind=kind, has_none=not again)
    written = _issue(out, choice, expires, note)
    typer.echo(f"{written} passwords are in {out}. It is shown nowhere else: keep it safe, and delete it afterwards.")


def _issue(out: Path, choice: Choice, expires: timedelta | None, note: str | None) -> int:
    now = datetime.now(UTC)

    def work(connection: Connection[Any]) -> int:
        device_nos = choose(connection, choice, now=now)
        if not device_nos:
            raise RefusedError("No device needs one: all that were meant have a good password, or are retired.")
        secrets = issue_many(connection, device_nos, now=now, note=note, expires_in=expires)
        # Before the commit: passwords of which nobody knows would be worse than a file of passwords that are none.
        _write(out, secrets, now + expires if expires else None)
        return len(secrets)

    with _new_file(out):
        return change(NAME, work)


@contextmanager
def _new_file(out: Path) -> Iterator[None]:
    """*out*, empty and its owner's alone; gone again when something fails."""
    try:
        os.close(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise TracefleetError(f"{out} is there already, and is not overwritten. Give another name.") from None
    except OSError as error:
        raise TracefleetError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        yield
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _write(out: Path, secrets: Mapping[str, str], expires_at: datetime | None) -> None:
    until = expires_at.isoformat() if expires_at is not None else ""
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows((number, number, secret, number, until) for number, secret in secrets.items())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TracefleetError(f"{out} cannot be written: {error.strerror}. Nothing was changed.") from error
