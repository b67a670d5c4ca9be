"""nats-server's configuration, as the embedded system and a production broker need it.

Devices belong to nobody's account but the server's own (`$G`): what it stored for sessions before it asked anybody who
they are stays where it is. Users of ours have a dot in their name, which no device number has.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from store.errors import SettingsError
from store.settings import PREFIX, Settings

# Fleet answers and closes; ingest hears devices, sends itself marks, and empties what is retained of devices that are
# gone (fleet does that, with the same URL); service may say and hear what it likes below the root: a simulated fleet on
# shared connections, a bridge, an operator's tool.
User = Literal["fleet", "ingest", "service"]
SYSTEM: Final = "SYS"
# What `access` says last and every deployment's nats.conf refers to: without it the server does not start.
WHOLE: Final = "TRACEFLEET_SYSTEM"
# Whoever knocks waits so long for fleet: a whole city that comes back at once is answered in turn.
LOGIN_SECONDS: Final = 8
_RIGHTS: Final[Mapping[User, tuple[list[str], list[str]]]] = {
    "fleet": (
        ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK", "tracefleet.fleet.>"],
        ["$SYS.REQ.USER.AUTH", "tracefleet.fleet.>", "_INBOX.>"],
    ),
    "ingest": (["tracefleet.v1.*.*"], ["tracefleet.v1", "tracefleet.v1.>"]),
    "service": (["tracefleet.v1.>"], ["tracefleet.v1", "tracefleet.v1.>"]),
}


@dataclass(frozen=True, slots=True)
class Door:
    """Who may enter: devices as the fleet that signs as *issuer* says, and users of ours by their passwords."""

    issuer: str
    passwords: Mapping[User, str]


def name_of(user: User) -> str:
    """What *user* logs in as."""
    return f"tracefleet.{user}"


def new_password() -> str:
    """A password that needs no quoting anywhere."""
    return f"p{secrets.token_hex(24)}"


def door_of(settings: Settings, issuer: str) -> Door:
    """The door that *settings* can pass: for the users of its URLs. Raises SettingsError where they are not ours."""
    urls: list[tuple[str, SecretStr | None, tuple[User, ...]]] = [
        ("BROKER_URL", settings.broker_url, ("ingest", "service")),
        ("NATS_URL", settings.nats_url, ("fleet",)),
    ]
    return Door(issuer, dict(_user_of(name, url, users) for name, url, users in urls))


def _user_of(name: str, url: SecretStr | None, users: tuple[User, ...]) -> tuple[User, str]:
    parts = urlsplit(url.get_secret_value() if url is not None else "")
    for user in users:
        if parts.username == name_of(user) and parts.password:
            return user, unquote(parts.password)
    wanted = " or ".join(name_of(user) for user in users)
    raise SettingsError(
        f"{PREFIX}{name} has no user and password in it: write {wanted} and a password before the host."
    )


def access(door: Door | None) -> str:
    """The part of the configuration that says who may enter; nothing, so everybody, without a *door*."""
    if door is None:
        return ""
    system = [user for user in door.passwords if user == "fleet"]
    ours = [user for user in door.passwords if user != "fleet"]
    return f"""accounts {{
    {SYSTEM} {{
        users: [
{_users(door, system)}
        ]
    }}
}}
authorization {{
    timeout: {LOGIN_SECONDS}
    users: [
{_users(door, ours)}
    ]
    auth_callout {{
        issuer: "{door.issuer}"
        account: {SYSTEM}
        auth_users: {json.dumps([name_of(user) for user in door.passwords])}
    }}
}}
# At the end: nats.conf refers to it, too, and so does not start where this file is empty or was cut off.
{WHOLE}: {SYSTEM}
system_account: ${WHOLE}
"""


def _users(door: Door, users: Iterable[User]) -> str:
    return "\n".join(_user(user, door.passwords[user]) for user in users)


def _user(user: User, password: str) -> str:
    publish, subscribe = _RIGHTS[user]
    # Answers go where the question says, which only the server knows.
    answers = ", allow_responses: true" if user == "fleet" else ""
    return (
        f'            {{ user: "{name_of(user)}", password: {json.dumps(password)}, permissions: {{ '
        f"publish: {json.dumps(publish)}, subscribe: {json.dumps(subscribe)}{answers} }} }}"
    )
