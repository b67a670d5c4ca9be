"""``tracefleet devices enrol``: one-time codes for those who install devices, as text and as QR codes."""

import io
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

import segno
import typer

from deploy.commands.clock import clock
from deploy.commands.desk import change
from deploy.commands.span import span
from fleet.identity.enrolments import Invitation, address_of, invite
from store.settings import load

NAME: Final = "tracefleet devices enrol"
VALID: Final = timedelta(hours=24)


def enrol(
    device_nos: Annotated[list[str], typer.Argument(metavar="DEVICE_NO…", help="Numbers of devices.")],
    valid: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="The codes expire then: 24h, if not told; at most 30d."),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr", help="Print QR codes for the installer's telephone, too.")] = False,
    revoke_old: Annotated[
        bool,
        typer.Option(
            "--revoke-old",
            help="Revoke at once what the devices have. Else it goes on for 24 h after the code is used.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a one-time code for each device: whoever types it at /enrol gets the device's login, once.

    It takes the place of an earlier code, and is void after five wrong tries.
    """
    now = datetime.now(UTC)
    made = change(
        NAME,
        lambda connection: invite(connection, device_nos, valid_for=valid or VALID, now=now, revoke_old=revoke_old),
    )
    public_url = load().public_url
    if as_json:
        typer.echo(json.dumps([_told(one, public_url) for one in made]))
    else:
        for one in made:
            typer.echo(_shown(one, public_url, qr=qr))
    if qr and _is_this_machine(public_url):
        typer.echo(
            f"A telephone does not reach {public_url}: set TRACEFLEET_PUBLIC_URL to the address that it does.", err=True
        )


def _told(one: Invitation, public_url: str) -> dict[str, str]:
    return {
        "device_no": one.device_no,
        "code": one.code,
        "url": address_of(one, public_url),
        "expires_at": one.expires_at.isoformat(),
    }


def _shown(one: Invitation, public_url: str, *, qr: bool) -> str:
    text = f"{one.device_no}  {one.code}  until {clock(one.expires_at)} (Asia/Shanghai)"
    if not qr:
        return text
    drawn = io.StringIO()
    segno.make(address_of(one, public_url), error="m", micro=False).terminal(drawn, compact=True)
    return f"{text}\n{drawn.getvalue()}"


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
