"""``tracefleet keys create|list|rotate|revoke``: who may call the API by key, as what and where."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.span import span
from deploy.commands.tables import print_table, table_of
from fleet.identity import api_keys
from fleet.identity.api_keys import ApiKey
from fleet.identity.roles import ROLES, Role
from fleet.identity.scope import scope_as_asked

app = typer.Typer(no_args_is_help=True, help="Keys of those who call the API.")

NAME: Final = "tracefleet keys"

OVERLAP: Final = timedelta(hours=24)
OF_REGIONS: Final = "Where it counts: the first 2, 4 or 6 digits of a region's code; can be given several times."
OF_SITES: Final = "Where it counts: the number of a site; can be given several times."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog="Example: tracefleet keys create --name erp --role viewer --expires 365d")
def create(
    name: Annotated[str, typer.Option(help="Whose it is; the audit shows it.")],
    role: Annotated[list[str], typer.Option(help=f"What it may; can be given several times: {', '.join(ROLES)}.")],
    expires: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Valid so long: 365d or 12h. Without, until it is revoked."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="The user in whose name it acts, and who bounds what it may.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help=OF_REGIONS)] = None,
    site: Annotated[list[str] | None, typer.Option(help=OF_SITES)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. Only now: afterwards nobody can tell it.

    Without an owner it is a program's, and acts in its own name; what takes two pairs of eyes takes people.
    """
    roles, scope = [role_of(word) for word in role], scope_as_asked(region, site)
    made, text = desk.change(
        NAME,
        lambda connection: api_keys.make(connection, name, roles, owner=owner, scope=scope, expires_in=expires),
    )
    _tell(made, text, as_json=as_json)


@app.command(epilog="Example: tracefleet keys rotate k3x9m2ab --overlap 24h")
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `keys list` shows it.")],
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            parser=span, metavar="SPAN", help="How long the old one is good beside the new one: 24h, if not told."
        ),
    ] = None,
    expires: Annotated[
        timedelta | None,
        typer.Option(parser=span, metavar="SPAN", help="Valid so long. Without, as long as the old one was meant to."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key that takes the place of another: same name, owner, roles and scope. Print it, only now."""
    made, text = desk.change(
        NAME,
        lambda connection: api_keys.rotate(
            connection, key_id, overlap=OVERLAP if overlap is None else overlap, expires_in=expires
        ),
        reason=reason,
    )
    _tell(made, text, as_json=as_json)


@app.command("list", epilog="Example: tracefleet keys list --json")
def list_(as_json: AsJson = False) -> None:
    """Show all keys, never their secrets: whose, as what, whether valid, and when last used."""
    keys = desk.read(NAME, api_keys.listed)
    if as_json:
        typer.echo(_json([_told(key) for key in keys]))
        return
    table = table_of("id", "name", "owner", "roles", "where", "state", "expires", "last used")
    for key in keys:
        told = _told(key)
        table.add_row(
            key.key_id,
            escape(key.name),
            key.owner or "",
            ", ".join(key.roles),
            where(key.regions, key.sites),
            told["state"],
            _day(key.expires_at),
            _day(key.last_used_at),
        )
    print_table(table, none="There is no key yet. 还没有密钥。")


@app.command(epilog="Example: tracefleet keys revoke k3x9m2ab")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `keys list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
) -> None:
    """Revoke a key. The API refuses it within seconds."""
    revoked = desk.change(NAME, lambda connection: api_keys.revoke(connection, key_id), reason=reason)
    typer.echo(f"The key {revoked.key_id} of {revoked.name} is revoked.")


def role_of(word: str) -> Role:
    """The role of that name. Raises BadParameter, which the command line turns into its sentence."""
    for role in ROLES:
        if role == word:
            return role
    raise typer.BadParameter(f"there is no role {word!r}; there are {', '.join(ROLES)}", param_hint="--role")


def where(regions: Sequence[str] | None, sites: Sequence[str] | None) -> str:
    """A scope in a cell."""
    if regions is None and sites is None:
        return "everywhere"
    return escape(" ".join((*(regions or ()), *(sites or ()))))


def _tell(made: ApiKey, text: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(_json({"key": text, **_told(made)}))
        return
    typer.echo(text)
    until = "it is revoked" if made.expires_at is None else f"{clock(made.expires_at)} (Asia/Shanghai)"
    of = made.name if made.owner in (None, made.name) else f"{made.name} of {made.owner}"
    typer.echo(
        f"Key {made.key_id} of {of}, as {', '.join(made.roles)}, valid until {until}. "
        "Write it down now: it is shown this once. Callers send `Authorization: Bearer KEY`.",
        err=True,
    )


def _told(key: ApiKey) -> dict[str, Any]:
    return asdict(key) | {"state": key.state(datetime.now(UTC))}


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, default=datetime.isoformat)


def _day(at: datetime | None) -> str:
    return clock(at)
