"""``tracefleet keys create|list|revoke``: who may call the API, and as what."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.span import span
from fleet.identity import api_keys
from fleet.identity.api_keys import ApiKey
from fleet.identity.roles import ROLES, Role

app = typer.Typer(no_args_is_help=True, help="Keys of those who call the API.")

NAME: Final = "tracefleet keys"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog="Example: tracefleet keys create --name erp --role viewer --expires 365d")
def create(
    name: Annotated[str, typer.Option(help="Whose it is; the audit shows it.")],
    role: Annotated[list[str], typer.Option(help=f"What it may; can be given several times: {', '.join(ROLES)}.")],
    expires: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Valid so long: 365d or 12h. Without, until it is revoked."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. Only now: afterwards nobody can tell it."""
    roles = [_role(word) for word in role]
    made, text = desk.change(NAME, lambda connection: api_keys.make(connection, name, roles, expires_in=expires))
    if as_json:
        typer.echo(_json({"key": text, **_told(made)}))
        return
    typer.echo(text)
    until = "it is revoked" if made.expires_at is None else f"{clock(made.expires_at)} (Asia/Shanghai)"
    typer.echo(
        f"Key {made.key_id} of {name}, as {', '.join(made.roles)}, valid until {until}. "
        "Write it down now: it is shown this once. Callers send `Authorization: Bearer KEY`.",
        err=True,
    )


@app.command("list", epilog="Example: tracefleet keys list --json")
def list_(as_json: AsJson = False) -> None:
    """Show all keys, never their secrets: whose, as what, whether valid, and when last used."""
    keys = desk.read(NAME, api_keys.listed)
    if as_json:
        typer.echo(_json([_told(key) for key in keys]))
        return
    table = Table("id", "name", "roles", "state", "expires", "last used")
    for key in keys:
        told = _told(key)
        table.add_row(
            key.key_id,
            escape(key.name),
            ", ".join(key.roles),
            told["state"],
            _day(key.expires_at),
            _day(key.last_used_at),
        )
    Console().print(table)


@app.command(epilog="Example: tracefleet keys revoke k3x9m2ab")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `keys list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
) -> None:
    """Revoke a key. The API refuses it within seconds."""
    revoked = desk.change(NAME, lambda connection: api_keys.revoke(connection, key_id), reason=reason)
    typer.echo(f"The key {revoked.key_id} of {revoked.name} is revoked.")


def _role(word: str) -> Role:
    for role in ROLES:
        if role == word:
            return role
    raise typer.BadParameter(f"there is no role {word!r}; there are {', '.join(ROLES)}", param_hint="--role")


def _told(key: ApiKey) -> dict[str, Any]:
    return asdict(key) | {"state": key.state(datetime.now(UTC))}


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, default=datetime.isoformat)


def _day(at: datetime | None) -> str:
    return clock(at)
