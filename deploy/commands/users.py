"""``tracefleet users create|list|roles|reset|disable|enable``: who may log in, as what and where."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.keys import OF_REGIONS, OF_SITES, AsJson, role_of, where
from deploy.commands.tables import print_table, table_of
from fleet.identity import users
from fleet.identity.roles import PEOPLE
from fleet.identity.scope import EVERYWHERE, scope_as_asked
from fleet.identity.users import Change, User

app = typer.Typer(no_args_is_help=True, help="People who log in.")

NAME: Final = "tracefleet users"
OF_ROLES: Final = f"What he may; can be given several times: {', '.join(PEOPLE)}."

Who = Annotated[str, typer.Argument(metavar="NAME", help="The name he logs in by.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit.")]


@app.command(epilog="Example: tracefleet users create wang.li --display-name 王丽 --role operator --region 4101")
def create(
    name: Who,
    role: Annotated[list[str], typer.Option(help=OF_ROLES)],
    display_name: Annotated[str, typer.Option(help="As people call him, in any script.")] = "",
    region: Annotated[list[str] | None, typer.Option(help=OF_REGIONS)] = None,
    site: Annotated[list[str] | None, typer.Option(help=OF_SITES)] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Make a user and print the one-time password. Without regions and sites, the roles count everywhere."""
    roles, scope = [role_of(word) for word in role], scope_as_asked(region, site)
    user, password = desk.change(
        NAME,
        lambda connection: users.make(connection, name, roles, display_name=display_name, scope=scope),
        reason=reason,
    )
    _tell(user, password, as_json=as_json)


@app.command("list", epilog="Example: tracefleet users list --json")
def list_(as_json: AsJson = False) -> None:
    """Show everybody who may log in, or could: as what, where, how things stand, and the last log-in."""
    found = desk.read(NAME, users.listed)
    if as_json:
        typer.echo(_json([_told(user) for user in found]))
        return
    table = table_of("user", "called", "roles", "where", "state", "last log-in")
    for user in found:
        table.add_row(
            user.name,
            escape(user.display_name),
            ", ".join(user.roles),
            where(user.regions, user.sites),
            user.state(datetime.now(UTC)),
            clock(user.last_login_at),
        )
    print_table(table, none="There is nobody yet. 还没有用户。")


@app.command(epilog="Example: tracefleet users roles wang.li --role operator --role approver --region 4101")
def roles(
    name: Who,
    role: Annotated[list[str] | None, typer.Option(help=OF_ROLES)] = None,
    region: Annotated[list[str] | None, typer.Option(help=OF_REGIONS)] = None,
    site: Annotated[list[str] | None, typer.Option(help=OF_SITES)] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="No bounds of place any more.")] = False,
    reason: Reason = "",
) -> None:
    """Give somebody other roles, another scope, or both; it counts from his next request on."""
    if everywhere and (region or site):
        raise typer.BadParameter("everywhere, or in some places: not both", param_hint="--everywhere")
    if not (role or region or site or everywhere):
        raise typer.BadParameter("nothing is to be changed: give a role, a region, a site or --everywhere")
    change = Change(
        roles=[role_of(word) for word in role] if role else None,
        scope=EVERYWHERE if everywhere else scope_as_asked(region, site) if region or site else None,
    )
    user = desk.change(NAME, lambda connection: users.amend(connection, name, change), reason=reason)
    typer.echo(f"{user.name} is {', '.join(user.roles)}: {where(user.regions, user.sites)}.")


@app.command(epilog="Example: tracefleet users reset wang.li")
def reset(name: Who, reason: Reason = "", as_json: AsJson = False) -> None:
    """Print another one-time password; all sessions of the user end."""
    user, password = desk.change(NAME, lambda connection: users.reset(connection, name), reason=reason)
    _tell(user, password, as_json=as_json)


@app.command(epilog="Example: tracefleet users disable wang.li --reason 离职")
def disable(name: Who, reason: Reason = "") -> None:
    """Log somebody out everywhere, and keep him out; his keys open nothing while it lasts."""
    desk.change(NAME, lambda connection: users.amend(connection, name, Change(disabled=True)), reason=reason)
    typer.echo(f"{name} is disabled.")


@app.command(epilog="Example: tracefleet users enable wang.li")
def enable(name: Who, reason: Reason = "") -> None:
    """Let somebody in again who was disabled."""
    desk.change(NAME, lambda connection: users.amend(connection, name, Change(disabled=False)), reason=reason)
    typer.echo(f"{name} is enabled.")


def _tell(user: User, password: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(_json({"password": password, **_told(user)}))
        return
    typer.echo(password)
    typer.echo(
        f"The one-time password of {user.name}, as {', '.join(user.roles)}, good until "
        f"{clock(user.password_expires_at)} (Asia/Shanghai). It is shown this once, and changed at the first log-in.",
        err=True,
    )


def _told(user: User) -> dict[str, Any]:
    return asdict(user) | {"state": user.state(datetime.now(UTC))}


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, default=datetime.isoformat)
