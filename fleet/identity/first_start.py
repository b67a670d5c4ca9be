"""The first user of an installation: an administrator with a one-time password, made when there is nobody yet."""

import socket

from fleet.acting import Actor, acting
from fleet.identity.users import FIRST, make_first, there_are_users
from fleet.keys import Keys
from store.database import connect_once
from store.settings import Settings


def first_password(settings: Settings) -> str | None:
    """The one-time password of the user `admin`, when this call made him; it is for whoever starts the system to see.

    Raises DatabaseError, KeyFileError.
    """
    with connect_once(settings.require_database_url(), application_name="tracefleet first start") as connection:
        # Only who has something to change needs the key of the audit.
        if there_are_users(connection):
            return None
        starting = Actor("tracefleet", f"first start on {socket.gethostname()}")
        with acting(connection, starting, keys=Keys.of(settings), reason="nobody was there yet"):
            return make_first(connection)


def told(password: str, login_url: str) -> str:
    """What whoever starts the system is told, once."""
    return (
        f"The first login · 首次登录: {login_url}\n"
        f"    user · 用户名: {FIRST}    one-time password · 一次性密码: {password}\n"
        f"  It is shown this once, is good for 7 days and is changed at the first login; another: "
        f"`tracefleet users reset {FIRST}`\n"
        f"  仅显示这一次，7 天内有效，首次登录须修改；重新生成: `tracefleet users reset {FIRST}`"
    )
