"""``tracefleet devices credential|credentials|revoke|certificate``: what a device proves itself by at the broker."""

import json
import shlex
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from psycopg import Connection
from rich.markup import escape

from api.logins import login_of
from deploy.commands.clock import clock
from deploy.commands.desk import change, read
from deploy.commands.files import content_of
from deploy.commands.span import span
from deploy.commands.tables import print_table, table_of
from fleet.identity.certificate import sha256_of_pem
from fleet.identity.credentials import Credential, Issued, add_certificate, credentials_of, issue, rotate
from fleet.identity.credentials import revoke as revoke_credentials
from store.errors import TracefleetError
from store.settings import load

NAME: Final = "tracefleet devices credentials"
COLOURS: Final = {"good": "green", "expired": "yellow", "revoked": "red"}
OVERLAP: Final = timedelta(hours=24)
ID_MAX: Final = 2**31 - 1

DeviceNo = Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")]
Note = Annotated[str | None, typer.Option(help="For people: who has it, what for.")]
Expires = Annotated[
    timedelta | None,
    typer.Option(parser=span, metavar="SPAN", help="Good so long: 365d or 12h. Without, until it is revoked."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def credential(
    device_no: DeviceNo,
    expires: Expires = None,
    note: Note = None,
    replace: Annotated[
        bool, typer.Option("--rotate", help="Let the passwords end that the device has now, after the overlap.")
    ] = False,
    overlap: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Of --rotate: 24h, if not told; 0 revokes them at once."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a device a password and print it. Only now: afterwards nobody can tell it.

    User name and client id are the number of the device.
    """
    if overlap is not None and not replace:
        raise TracefleetError("--overlap goes with --rotate: without it, the earlier passwords stay as they are.")
    now = datetime.now(UTC)

    def work(connection: Connection[Any]) -> Issued:
        if replace:
            overlapping = OVERLAP if overlap is None else overlap
            return rotate(connection, device_no, overlap=overlapping, now=now, note=note, expires_in=expires)
        return issue(connection, device_no, now=now, note=note, expires_in=expires)

    issued = change(NAME, work)
    if as_json:
        typer.echo(login_of(issued).model_dump_json())
        return
    until = "it is revoked" if issued.expires_at is None else f"{clock(issued.expires_at)} (Asia/Shanghai)"
    typer.echo(
        f"username   {issued.device_no}\n"
        f"password   {issued.secret}\n"
        f"client id  {issued.device_no}\n"
        f"good until {until}\n\n"
        f"Try it:\n  {example(issued, now)}\n\n"
        "Write the password down now: it is shown this once. 密码只显示这一次，请立即记录。"
    )


def credentials(device_no: DeviceNo, as_json: AsJson = False) -> None:
    """Show what a device proves itself by, never the secrets: the state of each, and its last use."""
    now = datetime.now(UTC)
    found = read(NAME, lambda connection: credentials_of(connection, device_no, now=now))
    if as_json:
        typer.echo(_json([asdict(one) for one in found]))
        return
    table = table_of("id", "kind", "state", "note", "made", "by", "ends", "last used", "host")
    for one in found:
        table.add_row(*_cells(one))
    print_table(
        table, none=f"{device_no} has none: the broker does not let it in. `tracefleet devices credential {device_no}`"
    )


def _cells(one: Credential) -> list[str]:
    note = one.note or (f"SHA-256 {one.certificate_sha256[:16]}…" if one.certificate_sha256 else "")
    if one.revoked_at is not None:
        note = f"{note} ({one.revoked_reason})".strip()
    return [
        str(one.credential_id),
        one.kind,
        f"[{COLOURS[one.state]}]{one.state}",
        escape(note),
        _day(one.created_at),
        escape(one.created_by),
        _day(one.revoked_at or one.expires_at),
        _day(one.last_used_at),
        escape(one.last_host or ""),
    ]


def revoke(
    device_no: DeviceNo,
    reason: Annotated[str, typer.Option(help="Why; it stays with the credential and in the audit.")],
    credential_id: Annotated[
        int | None,
        typer.Option("--credential", metavar="ID", min=1, max=ID_MAX, help="This one, as `credentials` shows it."),
    ] = None,
) -> None:
    """End all credentials of a device, or one. The broker closes its connection within 5 s."""
    now = datetime.now(UTC)
    ended = change(
        NAME,
        lambda connection: revoke_credentials(connection, device_no, credential_id, reason=reason, now=now),
        reason=reason,
    )
    if ended:
        typer.echo(f"Revoked of {device_no}: {', '.join(map(str, ended))}.")
    else:
        typer.echo(f"{device_no} had nothing left to revoke.")


def certificate(
    device_no: DeviceNo,
    file: Annotated[Path, typer.Argument(metavar="FILE.pem", help="Its client certificate, or the SHA-256 of it.")],
    expires: Expires = None,
    note: Note = None,
) -> None:
    """Let a device in by its client certificate, beside its passwords. The broker has to ask for certificates."""
    text = content_of(file).decode("ascii", errors="replace")
    now, sha256 = datetime.now(UTC), sha256_of_pem(text)
    credential_id = change(
        NAME,
        lambda connection: add_certificate(connection, device_no, sha256, now=now, note=note, expires_in=expires),
    )
    typer.echo(f"Credential {credential_id} of {device_no}: the certificate with SHA-256 {sha256.hex()}.")


def example(issued: Issued, now: datetime) -> str:
    """A command that speaks as the device, ready to be run."""
    broker = urlsplit(load().broker_url.get_secret_value())
    secure = broker.scheme == "mqtts"
    message = {"v": 1, "boot": f"try{now:%Y%m%d%H%M%S}", "seq": 0}
    record = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "uptime_s": 1}
    words = [
        "mosquitto_pub",
        "-h",
        broker.hostname or "127.0.0.1",
        "-p",
        str(broker.port or (8883 if secure else 1883)),
    ]
    words += ["--tls-use-os-certs"] if secure else []
    words += ["-u", issued.device_no, "-P", issued.secret, "-i", issued.device_no, "-q", "1"]
    words += ["-t", f"tracefleet/v1/{issued.device_no}/status", "-m", json.dumps(message | {"records": [record]})]
    return shlex.join(words)


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, default=datetime.isoformat)


def _day(at: datetime | None) -> str:
    return clock(at)
