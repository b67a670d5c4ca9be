"""What can go wrong over HTTP: one shape for every error (RFC 9457, ``application/problem+json``), a closed catalogue.

The ``type`` of a problem is an address on this server that explains it, so it resolves without the internet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.problems_zh import CHINESE, is_asked_for

MEDIA_TYPE: Final = "application/problem+json"
CATALOGUE_PATH: Final = "/api/v1/problems"
RETRY_AFTER_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """A problem that a caller can tell from others, and what to do about it."""

    slug: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        """The address that explains it."""
        return f"{CATALOGUE_PATH}#{self.slug}"


INVALID_REQUEST: Final = Kind(
    "invalid-request", 422, "A parameter is not acceptable", "`errors` names each parameter and what was expected."
)
BAD_CURSOR: Final = Kind(
    "bad-cursor",
    422,
    "The cursor is not one of this list",
    "Repeat the request that gave the cursor, with nothing changed but `cursor` and `limit`; or start without one.",
)
BAD_SPAN: Final = Kind(
    "bad-span", 422, "The span of time is not acceptable", "`from` comes before `to`, at most 400 days apart."
)
NO_ROLLUP: Final = Kind(
    "no-such-resolution",
    422,
    "The stream has no such roll-up",
    "Ask for `auto`, or for one that `detail` names.",
)
UNKNOWN_DEVICE: Final = Kind(
    "unknown-device", 404, "No such device", "Look the number up at `/api/v1/devices`; numbers are case-sensitive."
)
NO_SUCH_STATE: Final = Kind(
    "no-such-state",
    404,
    "The audit tells no state of the device on that day",
    "`/api/v1/devices/{device_no}/history` shows from when to when it does.",
)
UNKNOWN_DEAD_LETTER: Final = Kind(
    "unknown-dead-letter",
    404,
    "No such dead letter",
    "Look the number up at `/api/v1/dead-letters`; a purge or the retention may have deleted it.",
)
NO_ROUTE: Final = Kind("not-found", 404, "No such address", "`/api/v1/docs` lists every address of this server.")
WRONG_METHOD: Final = Kind(
    "method-not-allowed", 405, "The address does not take this method", "The `Allow` header names those it takes."
)
SLOW_BODY: Final = Kind(
    "slow-body", 408, "The body did not come in time", "Nothing of it was stored. Send it again, in smaller parts."
)
TOO_LARGE: Final = Kind("too-large", 413, "The body is too large", "Send less in one request.")
UNSUPPORTED_MEDIA: Final = Kind(
    "unsupported-media-type",
    415,
    "The body is not in a form that is read here",
    "Telemetry is `Content-Type: application/x-ndjson` in UTF-8, plain or with `Content-Encoding: gzip`; "
    "any other body is `application/json`.",
)
UNREADABLE: Final = Kind(
    "unreadable-body", 422, "The body cannot be read", "Nothing of it was stored. Mend the sender and send it again."
)
BUSY: Final = Kind(
    "busy",
    429,
    "The server has as many of these requests as it can hold",
    "Nothing was stored. Send the same body again after the seconds in `Retry-After`.",
)
TOO_OFTEN: Final = Kind(
    "too-often",
    429,
    "The caller asks too often",
    "Nothing was changed. Ask again after the seconds in `Retry-After`; larger pages need fewer requests. The limits "
    "are TRACEFLEET_API_READS_PER_MINUTE and TRACEFLEET_API_WRITES_PER_MINUTE.",
)
UNKNOWN_ENTRY: Final = Kind(
    "unknown-entry", 404, "The ledger has no such entry", "Nothing was changed. Look the number up and correct it."
)
ILLEGAL_TRANSITION: Final = Kind(
    "illegal-transition",
    409,
    "The state may not follow the present one",
    "Nothing was changed. `allowed` names the states that may follow now.",
)
RULE_BROKEN: Final = Kind("rule-broken", 409, "A rule of the ledger forbids it", "Nothing was changed.")
UNAUTHENTICATED: Final = Kind(
    "unauthenticated",
    401,
    "Nobody is known by what was shown",
    "Log in at `/login`, or send `Authorization: Bearer tf_<id>_<secret>` with a key that is neither expired nor "
    "revoked: `tracefleet keys create` makes one.",
)
FORBIDDEN: Final = Kind(
    "forbidden", 403, "The caller may not do this", "Use a key, or log in as somebody, with a role that may."
)
CROSS_SITE: Final = Kind(
    "cross-site",
    403,
    "The request comes from a page of another site",
    "Nothing was changed. Use the pages of this server, at the address in TRACEFLEET_PUBLIC_URL where it stands behind "
    "another one; a program leaves `Origin` and `Sec-Fetch-Site` out.",
)
PASSWORD_MUST_CHANGE: Final = Kind(
    "password-must-change",
    403,
    "The password has to be changed first",
    "Choose one of your own at `/login`, or with `PUT /api/v1/password`; until then nothing else is open.",
)
WEAK_PASSWORD: Final = Kind(
    "weak-password",
    422,
    "The new password is not good enough",
    "Nothing was changed. Take a few words, without the name, that are not the password of before.",
)
LOGIN_REFUSED: Final = Kind(
    "login-refused",
    401,
    "The login is refused",
    "Check the name and the password. An administrator sets another with `tracefleet users reset`.",
)
LOGIN_THROTTLED: Final = Kind(
    "login-throttled",
    429,
    "There were too many tries",
    "Wait for the seconds in `Retry-After`; each further try that fails makes it longer.",
)
ENROLMENT_REFUSED: Final = Kind(
    "enrolment-refused",
    403,
    "The device is not enrolled",
    "Read the number and the code again. A code is good once, for a limited time, and void after five wrong tries; "
    "whoever keeps the ledger makes another with `tracefleet devices enrol`.",
)
KEY_UNUSABLE: Final = Kind(
    "key-unusable",
    503,
    "The server has not the key of this installation",
    "Nothing was changed. The key file of the server's TRACEFLEET_KEY_FILE has to be put right.",
)
REFUSED: Final = Kind("refused", 400, "The request is refused", "`detail` says why.")
INTERNAL: Final = Kind(
    "internal", 500, "A mistake of the server", "It was logged with its cause. Repeating the request may not help."
)
UNAVAILABLE: Final = Kind(
    "database-unavailable",
    503,
    "The database does not answer",
    "Try again after the seconds in `Retry-After`; `/readyz` says what is wrong.",
)
TOO_MANY_WATCHERS: Final = Kind(
    "too-many-watchers",
    503,
    "The server has as many watchers of events as it takes",
    "Try again after the seconds in `Retry-After`, or let one program watch for several.",
)
NOT_WRITTEN: Final = Kind(
    "not-written",
    503,
    "The database did not confirm the request",
    "Send the same body again after the seconds in `Retry-After`, as often as you like: "
    "what should have been stored after all is counted as duplicate. `/readyz` says what is wrong.",
)
LEDGER_UNKNOWN: Final = Kind(
    "ledger-unknown",
    503,
    "The server has not read the ledger of devices yet",
    "Nothing was stored. Send the same body again after the seconds in `Retry-After`.",
)
NOT_MIGRATED: Final = Kind(
    "schema-not-ready",
    503,
    "The database has not the schema of this release",
    "Run `tracefleet migrate`; `/readyz` says which version it found.",
)
TOO_SLOW: Final = Kind(
    "too-slow", 504, "The database took too long", "Ask for a shorter span, a coarser resolution or fewer rows."
)
CATALOGUE: Final = (
    INVALID_REQUEST,
    BAD_CURSOR,
    BAD_SPAN,
    NO_ROLLUP,
    UNKNOWN_DEVICE,
    NO_SUCH_STATE,
    UNKNOWN_DEAD_LETTER,
    UNKNOWN_ENTRY,
    ILLEGAL_TRANSITION,
    RULE_BROKEN,
    UNAUTHENTICATED,
    FORBIDDEN,
    CROSS_SITE,
    PASSWORD_MUST_CHANGE,
    WEAK_PASSWORD,
    LOGIN_REFUSED,
    LOGIN_THROTTLED,
    ENROLMENT_REFUSED,
    NO_ROUTE,
    WRONG_METHOD,
    SLOW_BODY,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    UNREADABLE,
    BUSY,
    TOO_OFTEN,
    REFUSED,
    INTERNAL,
    UNAVAILABLE,
    TOO_MANY_WATCHERS,
    NOT_WRITTEN,
    LEDGER_UNKNOWN,
    NOT_MIGRATED,
    KEY_UNUSABLE,
    TOO_SLOW,
)


# What comes with every problem of a status.
_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    UNAUTHENTICATED.status: {"WWW-Authenticate": "Bearer"},
    BUSY.status: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    UNAVAILABLE.status: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


class ParameterProblem(BaseModel):
    """One parameter that is not acceptable."""

    place: str = Field(serialization_alias="in", description="`path`, `query`, `header` or `body`", examples=["query"])
    name: str = Field(description="name of the parameter", examples=["limit"])
    detail: str = Field(description="what was expected", examples=["Input should be less than or equal to 500"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it. Tell problems apart by `type`; `detail` is for people and may change."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": UNKNOWN_DEVICE.type,
                "title": UNKNOWN_DEVICE.title,
                "status": UNKNOWN_DEVICE.status,
                "detail": f"No device has the number 'TD-410100-SC-000001'. {UNKNOWN_DEVICE.remedy}",
            }
        }
    )

    type: str = Field(description="address of the explanation; the same for every problem of this kind")
    title: str = Field(description="the kind of problem, in words")
    status: int = Field(description="the HTTP status again")
    detail: str = Field(description="this occurrence: what is wrong, where, and what to do")
    errors: list[ParameterProblem] | None = Field(None, description="of `invalid-request`: each parameter")
    allowed: list[str] | None = Field(None, description="of `illegal-transition`: the states that may follow now")


class ProblemError(Exception):
    """A problem to be answered: its kind, and the sentence about this occurrence."""

    def __init__(
        self, kind: Kind, detail: str, *, allowed: Sequence[str] | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.headers = None if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        self.kind = kind
        self.detail = detail
        self.allowed = allowed


def answer(
    kind: Kind,
    detail: str,
    *,
    status: int | None = None,
    errors: Sequence[ParameterProblem] | None = None,
    allowed: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that tells of a problem; every 429 and 503 says when to try again.

    *detail* gets the remedy of its kind; who asks for Chinese has title and remedy in Chinese.
    """
    in_english = Problem(
        type=kind.type,
        title=kind.title,
        status=status or kind.status,
        detail=f"{detail} {kind.remedy}",
        errors=list(errors) if errors is not None else None,
        allowed=list(allowed) if allowed is not None else None,
    )
    title, remedy = CHINESE[kind.slug]
    in_chinese = in_english.model_copy(update={"title": title, "detail": f"{detail} {remedy}"})
    return _Answer(in_english, in_chinese, {**_OF_STATUS.get(in_english.status, {}), **(headers or {})})


class _Answer(Response):
    """A problem in the language that its caller asks for, which is known when it is sent."""

    def __init__(self, in_english: Problem, in_chinese: Problem, headers: Mapping[str, str]) -> None:
        super().__init__(
            _written(in_english),
            status_code=in_english.status,
            headers={**headers, "Content-Language": "en", "Vary": "Accept-Language"},
            media_type=MEDIA_TYPE,
        )
        self._in_chinese = in_chinese

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if is_asked_for(Headers(scope=scope).get("accept-language")):
            self.body = _written(self._in_chinese)
            self.headers.update({"Content-Length": str(len(self.body)), "Content-Language": "zh"})
        await super().__call__(scope, receive, send)


def _written(problem: Problem) -> bytes:
    return orjson.dumps(problem.model_dump(by_alias=True, exclude_none=True))


# What every route may answer that reads a body.
OF_BODIES: Final = (SLOW_BODY, TOO_LARGE, UNSUPPORTED_MEDIA, UNREADABLE)
# What every route may answer that reads from the database.
_OF_READS: Final = (INVALID_REQUEST, UNAVAILABLE, NOT_MIGRATED, TOO_SLOW)
# And every one that changes the ledger, or reads it through the fleet's functions.
OF_CHANGES: Final = (INVALID_REQUEST, UNKNOWN_ENTRY, RULE_BROKEN, UNAVAILABLE, NOT_MIGRATED, KEY_UNUSABLE)


def told(kind: Kind) -> str:
    """A kind of problem in a line, for OpenAPI."""
    return f"`{kind.slug}`: {kind.title}. {kind.remedy}"


def documented(*kinds: Kind, besides: Sequence[Kind] = _OF_READS) -> dict[int | str, dict[str, Any]]:
    """What a route may answer other than success, for OpenAPI: its own problems, those of its sort, and everybody's."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in sorted({*kinds, *besides, UNAUTHENTICATED, INTERNAL}, key=CATALOGUE.index):
        known = by_status.setdefault(kind.status, {"model": Problem, "description": ""})
        known["description"] = f"{known['description']}\n\n{told(kind)}".strip()
    return by_status
