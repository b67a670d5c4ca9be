"""How far a caller of some regions and sites gets: to what is known to keep to a scope, and to nothing else.

A route that is not named here is refused to everybody whose scope is not everywhere, so that a new one can show too
little, but not too much. What lies elsewhere is answered as what does not exist.
"""

from typing import Final, LiteralString

from fastapi import Request

from api.database import Database
from api.problems import FORBIDDEN, UNKNOWN_DEVICE, UNKNOWN_ENTRY, ProblemError
from fleet.identity import scope as scopes
from fleet.identity.scope import Scope

DEVICE_WITHIN: Final[LiteralString] = f"""
SELECT FROM devices AS d JOIN sites AS s USING (site_id) WHERE d.device_no = %(device_no)s AND {scopes.IN_SQL}
"""
SITE_WITHIN: Final[LiteralString] = f"""
SELECT FROM sites AS s WHERE s.site_no = %(site_no)s AND {scopes.IN_SQL}
"""
FINDING_WITHIN: Final[LiteralString] = f"""
SELECT FROM findings AS f JOIN devices AS d USING (device_id) JOIN sites AS s USING (site_id)
WHERE f.finding_id = %(finding_id)s::int8 AND {scopes.IN_SQL}
"""

# Reads that are the same for the whole city: they name no site and nothing that stands at one.
CITY_WIDE: Final = frozenset(
    {
        "/api/v1/approval-tiers",
        "/api/v1/case-deadlines",
        "/api/v1/code-profiles",
        "/api/v1/health/checks",
        "/api/v1/ledger/{noun}/template",
        "/api/v1/lifecycle",
        "/api/v1/models",
        "/api/v1/regions",
        "/api/v1/registration-gates",
    }
)
# Reads that take the scope into their own queries.
FILTERED: Final = frozenset({"/api/v1/devices", "/api/v1/findings", "/api/v1/flags", "/api/v1/health", "/api/v1/sites"})
# Reads of the one device, or the one site, that the path names.
OF_A_DEVICE: Final = frozenset(
    {
        "/api/v1/devices/{device_no}",
        "/api/v1/devices/{device_no}/explanation",
        "/api/v1/devices/{device_no}/health",
        "/api/v1/devices/{device_no}/health/days",
        "/api/v1/devices/{device_no}/latest",
        "/api/v1/devices/{device_no}/records/{stream}",
        "/api/v1/devices/{device_no}/transitions",
    }
)
OF_A_SITE: Final = frozenset({"/api/v1/sites/{site_no}"})
OF_A_FINDING: Final = frozenset({"/api/v1/findings/{finding_id}"})
_READING: Final = frozenset({"GET", "HEAD"})
# Those who stood there before may stand elsewhere today.
_OF_OTHERS: Final = "lineage"
# What a bigint surely holds.
_DIGITS_MAX: Final = 18


async def require_within(request: Request, scope: Scope) -> None:
    """Return when *request* keeps to *scope*; costs nothing where that is everywhere.

    Raises ProblemError: of an unknown device or entry when what the path names lies elsewhere, forbidden when the route
    is not known to keep to a scope; what a read raises when the database cannot be asked.
    """
    if scope.is_everywhere:
        return
    path = _template(request)
    if request.method not in _READING or _OF_OTHERS in request.query_params:
        raise _too_far()
    if path in CITY_WIDE or path in FILTERED:
        return
    if path in OF_A_DEVICE:
        number = request.path_params["device_no"]
        if not await _is_within(request, DEVICE_WITHIN, scope, device_no=number):
            raise ProblemError(UNKNOWN_DEVICE, f"No device has the number {number!r}.")
    elif path in OF_A_SITE:
        number = request.path_params["site_no"]
        if not await _is_within(request, SITE_WITHIN, scope, site_no=number):
            raise ProblemError(UNKNOWN_ENTRY, f"No site has the number {number!r}.")
    elif path in OF_A_FINDING:
        number = request.path_params["finding_id"]
        # Not checked yet: the route reads it after this.
        if not _is_number(number) or not await _is_within(request, FINDING_WITHIN, scope, finding_id=number):
            raise ProblemError(UNKNOWN_ENTRY, f"There is no finding {number}.")
    else:
        raise _too_far()


async def _is_within(request: Request, query: LiteralString, scope: Scope, **named: str) -> bool:
    # No number has a NUL, and the server takes none.
    if any("\0" in number for number in named.values()):
        return False
    database: Database = request.app.state.database
    return bool(await database.fetch(query, {**named, **scopes.parameters(scope)}))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX


def _too_far() -> ProblemError:
    return ProblemError(FORBIDDEN, "It is for those whose rights count everywhere, not only in some regions and sites.")


def _template(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", ""))
