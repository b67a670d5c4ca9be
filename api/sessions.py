"""``/api/v1/sessions``: log in, see who one is, log out; and ``/api/v1/password``: choose another.

Whether there is such a user, and what of a log-in was wrong, is told to nobody who has not the password. A log-in never
takes a token over that the browser had before.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from api import cookies
from api.body import BodiesDep, described
from api.callers import ACCOUNT, PUBLIC, Caller, CallerDep
from api.ledger_desk import ActorDep, Desk, DeskDep
from api.metrics import Metrics
from api.parameters import Text
from api.password_checks import PasswordChecks, PasswordChecksDep
from api.problems import (
    BUSY,
    FORBIDDEN,
    INVALID_REQUEST,
    KEY_UNUSABLE,
    LOGIN_REFUSED,
    LOGIN_THROTTLED,
    NOT_MIGRATED,
    OF_BODIES,
    OF_CHANGES,
    UNAVAILABLE,
    WEAK_PASSWORD,
    ProblemError,
    documented,
)
from fleet.acting import Actor
from fleet.errors import RefusedError
from fleet.identity import login_tries, passwords, sessions, users
from fleet.identity.secret import digest
from fleet.identity.users import Account
from store.settings import Settings

router = APIRouter(prefix="/api/v1", tags=["Accounts"])
log = structlog.get_logger()

_OF_LOGINS: Final = documented(
    LOGIN_REFUSED,
    LOGIN_THROTTLED,
    BUSY,
    *OF_BODIES,
    besides=(INVALID_REQUEST, UNAVAILABLE, NOT_MIGRATED, KEY_UNUSABLE),
)
_OUTCOMES: Final = {LOGIN_REFUSED: "refused", LOGIN_THROTTLED: "throttled"}
_TOLD_MAX: Final = 4096


class LogIn(BaseModel):
    """Who, and the password."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "wang.li", "password": "…"}})

    name: Text = Field(examples=["wang.li"])
    password: str = Field(min_length=1, max_length=_TOLD_MAX)


class PasswordChange(BaseModel):
    """The password, and the one to come."""

    model_config = ConfigDict(extra="forbid")

    current: str = Field(min_length=1, max_length=_TOLD_MAX)
    new: str = Field(
        min_length=1,
        max_length=_TOLD_MAX,
        description=f"{passwords.LENGTH_MIN} to {passwords.LENGTH_MAX} characters of any kind.",
    )


class Who(BaseModel):
    """Somebody, and what he may."""

    name: str = Field(examples=["wang.li"])
    roles: list[str] = Field(examples=[["operator"]])
    regions: list[str] | None = Field(description="Where the roles count, besides `sites`; both null: everywhere.")
    sites: list[str] | None
    person: str | None = Field(description="The user; null of a key that is nobody's.")
    must_change_password: bool = Field(description="Whether the password has to be changed before anything else.")


@router.post(
    "/sessions",
    status_code=201,
    summary="Log in",
    openapi_extra=described(LogIn),
    responses=_OF_LOGINS,
    dependencies=PUBLIC,
)
async def log_in(
    request: Request, response: Response, bodies: BodiesDep, desk: DeskDep, checks: PasswordChecksDep
) -> Who:
    """By name and password; the session is in a cookie that no script can read. `/login` is the page for it.

    Every refusal is the same. After some tries that fail, the name and the address have to wait, longer each time.
    """
    asked = await bodies.read(request, LogIn)
    counted: Metrics = request.app.state.metrics
    try:
        account = await _proved(request, desk, checks, asked.name, asked.password)
        token = await _begun(request, desk, account)
    except ProblemError as refused:
        if refused.kind in _OUTCOMES:
            counted.logins[_OUTCOMES[refused.kind]].inc()
        raise
    counted.logins["admitted"].inc()
    log.info("logged in", user=account.name, address=_address(request))
    return await _given(request, response, desk, account, token)


@router.get(
    "/sessions/current",
    summary="Who one is",
    responses=documented(),
    dependencies=ACCOUNT,
)
async def current(caller: CallerDep) -> Who:
    """Behind the session or the key that was shown."""
    return _who(caller)


@router.delete(
    "/sessions/current",
    status_code=204,
    summary="Log out",
    responses=documented(BUSY, besides=OF_CHANGES),
    dependencies=ACCOUNT,
)
async def log_out(request: Request, response: Response, caller: CallerDep, desk: DeskDep) -> None:
    """End the session of the cookie, wherever its token may be by now."""
    token_sha256 = caller.session
    if token_sha256 is not None:
        await desk.read(lambda connection: sessions.end(connection, token_sha256))
    cookies.take(request, response)


@router.put(
    "/password",
    summary="Change the password",
    openapi_extra=described(PasswordChange),
    responses=documented(
        WEAK_PASSWORD, LOGIN_REFUSED, LOGIN_THROTTLED, FORBIDDEN, BUSY, *OF_BODIES, besides=OF_CHANGES
    ),
    dependencies=ACCOUNT,
)
async def change_password(
    request: Request,
    response: Response,
    bodies: BodiesDep,
    desk: DeskDep,
    checks: PasswordChecksDep,
    caller: CallerDep,
    actor: ActorDep,
) -> Who:
    """One's own, by who is logged in. All sessions of the user end; this browser gets a new one."""
    asked = await bodies.read(request, PasswordChange)
    if caller.session is None:
        raise ProblemError(FORBIDDEN, "A password is changed by who is logged in, not by a key.")
    account = await _proved(request, desk, checks, caller.name, asked.current)
    _require_good(asked, account.name)
    new_hash = await checks.hash_of(asked.new)
    await desk.change(
        actor, lambda connection: users.set_password(connection, account, new_hash), reason="own password"
    )
    token = await _begun(request, desk, replace(account, password_hash=new_hash))
    return await _given(request, response, desk, account, token)


def _require_good(asked: PasswordChange, name: str) -> None:
    try:
        passwords.require_good(asked.new, name=name)
    except RefusedError as error:
        raise ProblemError(WEAK_PASSWORD, str(error)) from error
    if asked.new == asked.current:
        raise ProblemError(WEAK_PASSWORD, "The new password is the old one: choose another.")


async def _proved(request: Request, desk: Desk, checks: PasswordChecks, name: str, password: str) -> Account:
    """Whose *name* and *password* they are, with the hash that says so. Raises ProblemError."""
    address = _address(request)
    wait_seconds = await desk.read(lambda connection: login_tries.begin(connection, name, address))
    if wait_seconds is not None:
        raise ProblemError(LOGIN_THROTTLED, "This name or address has to wait.", retry_after_seconds=wait_seconds)
    account = await desk.read(lambda connection: users.account(connection, name))
    is_right, renewed = await checks.check(password, None if account is None else account.password_hash)
    if account is None or not is_right:
        # The name of nobody stays untold: people type passwords there.
        log.warning("login refused", user=None if account is None else account.name, address=address)
        raise ProblemError(LOGIN_REFUSED, "Name and password do not fit.")
    # Told only to who has the password.
    if account.is_disabled or account.is_expired:
        log.warning("login refused", user=account.name, address=address, disabled=account.is_disabled)
        why = "The user is disabled." if account.is_disabled else "The one-time password is expired."
        raise ProblemError(LOGIN_REFUSED, why)
    await desk.read(lambda connection: login_tries.succeeded(connection, name, address))
    if renewed is None:
        return account
    await desk.change(
        Actor(account.name, f"api {address}"),
        lambda connection: users.renew_hash(connection, account, renewed),
        reason="the same password, hashed by the parameters of today",
    )
    return replace(account, password_hash=renewed)


async def _begun(request: Request, desk: Desk, account: Account) -> str:
    """The token of a new session of who proved to be *account*; the one that this browser had is over.

    Raises ProblemError.
    """
    settings: Settings = request.app.state.settings
    before, lasts = cookies.token_in(request), timedelta(hours=settings.session_hours)

    def work(connection: Connection[Any]) -> str | None:
        with connection.transaction():
            if before is not None:
                sessions.end(connection, digest(before))
            return sessions.begin(
                connection, account.user_id, account.password_hash, address=_address(request), lasts=lasts
            )

    token = await desk.read(work)
    if token is None:
        raise ProblemError(LOGIN_REFUSED, "The password was changed, or the user disabled, at this very moment.")
    return token


async def _given(request: Request, response: Response, desk: Desk, account: Account, token: str) -> Who:
    settings: Settings = request.app.state.settings
    user = await desk.read(lambda connection: users.one(connection, account.name))
    cookies.give(request, response, token, seconds=settings.session_hours * 3600)
    return Who(
        name=user.name,
        roles=list(user.roles),
        regions=None if user.regions is None else list(user.regions),
        sites=None if user.sites is None else list(user.sites),
        person=user.name,
        must_change_password=user.must_change,
    )


def _who(caller: Caller) -> Who:
    scope = caller.scope
    return Who(
        name=caller.name,
        roles=sorted(caller.roles),
        regions=None if scope.regions is None else list(scope.regions),
        sites=None if scope.sites is None else list(scope.sites),
        person=caller.person,
        must_change_password=caller.must_change,
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
