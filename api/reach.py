"""How far a caller of some regions and sites gets: to what is known to keep to a scope, and to nothing else.

A route that is not named here is refused to everybody whose scope is not everywhere, so that a new one can show too
little, but not too much. What lies elsewhere is answered as what does not exist.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, LiteralString

from fastapi import Request

from api.case_orders import ORDERS
from api.database import Database
from api.problems import FORBIDDEN, UNKNOWN_DEVICE, UNKNOWN_ENTRY, ProblemError
from fleet.identity import scope as scopes
from fleet.identity.scope import Scope

# Whether what a path names stands at a site in the scope, by the parameter that names it.
WITHIN: Final[Mapping[str, LiteralString]] = {
    "case_no": f"""
SELECT FROM cases AS c JOIN devices AS d USING (device_id) JOIN sites AS s USING (site_id)
WHERE c.case_no = %(named)s AND {scopes.IN_SQL}
""",
    "finding_id": f"""
SELECT FROM findings AS f JOIN devices AS d USING (device_id) JOIN sites AS s USING (site_id)
WHERE f.finding_id::text = %(named)s AND {scopes.IN_SQL}
""",
    "outage_id": f"""
SELECT FROM outages AS o JOIN sites AS s USING (site_id) WHERE o.outage_id::text = %(named)s AND {scopes.IN_SQL}
""",
    "security_event_id": f"""
SELECT FROM security_events AS e JOIN devices AS d USING (device_id) JOIN sites AS s USING (site_id)
WHERE e.security_event_id::text = %(named)s AND {scopes.IN_SQL}
""",
    "device_no": f"""
SELECT FROM devices AS d JOIN sites AS s USING (site_id) WHERE d.device_no = %(named)s AND {scopes.IN_SQL}
""",
    "site_no": f"""
SELECT FROM sites AS s WHERE s.site_no = %(named)s AND {scopes.IN_SQL}
""",
}

DEVICES_WITHIN: Final[LiteralString] = f"""
SELECT d.device_no FROM devices AS d JOIN sites AS s USING (site_id)
WHERE d.device_no = ANY (%(named)s) AND {scopes.IN_SQL}
"""  # noqa: S608 - constants of ours

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
# Lists of what stands at sites: to be asked with `site_no` or `region_code`, and for what is in the scope.
BY_PLACE: Final = frozenset(
    {
        "/api/v1/cases",
        "/api/v1/labels",
        "/api/v1/ledger/devices/export",
        "/api/v1/outages",
        "/api/v1/site-lookups",
    }
)
# What concerns the one thing that the path names, and nothing that might stand elsewhere; by method. A device that goes
# to another place, or takes another's, is for those whose rights count at both: everywhere.
OF_ONE: Final[Mapping[str, frozenset[str]]] = {
    "GET": frozenset(
        {
            "/api/v1/cases/{case_no}",
            "/api/v1/devices/{device_no}",
            "/api/v1/devices/{device_no}/credentials",
            "/api/v1/devices/{device_no}/explanation",
            "/api/v1/devices/{device_no}/health",
            "/api/v1/devices/{device_no}/health/days",
            "/api/v1/devices/{device_no}/label",
            "/api/v1/devices/{device_no}/latest",
            "/api/v1/devices/{device_no}/personal",
            "/api/v1/devices/{device_no}/records/{stream}",
            "/api/v1/devices/{device_no}/transitions",
            "/api/v1/findings/{finding_id}",
            "/api/v1/sites/{site_no}",
        }
    ),
    "POST": frozenset(
        {
            "/api/v1/devices/{device_no}/board",
            "/api/v1/devices/{device_no}/credentials",
            "/api/v1/devices/{device_no}/enrolments",
            "/api/v1/devices/{device_no}/holds",
            "/api/v1/devices/{device_no}/lose",
            "/api/v1/devices/{device_no}/transitions",
            "/api/v1/outages/{outage_id}/dismiss",
            "/api/v1/outages/{outage_id}/end",
            "/api/v1/security-events/{security_event_id}/settle",
            "/api/v1/cases/{case_no}/documents",
            *(f"/api/v1/cases/{{case_no}}/{name.replace('_', '-')}" for name in ORDERS),
        }
    ),
    "PUT": frozenset({"/api/v1/sites/{site_no}/lookups/{day}"}),
    "DELETE": frozenset(
        {
            "/api/v1/devices/{device_no}",
            "/api/v1/devices/{device_no}/credentials",
            "/api/v1/devices/{device_no}/credentials/{credential_id}",
            "/api/v1/devices/{device_no}/holds/{hold_id}",
        }
    ),
}
# Changes of what their body names: the route itself asks require_device, devices_within or require_site.
ASKS_ITSELF: Final[Mapping[str, frozenset[str]]] = {
    "POST": frozenset({"/api/v1/cases", "/api/v1/outages", "/api/v1/telemetry"})
}
# Those who stood there before may stand elsewhere today.
_OF_OTHERS: Final = "lineage"
_PLACES: Final = ("site_no", "region_code")


async def require_within(request: Request, scope: Scope) -> None:
    """Return when *request* keeps to *scope*; costs nothing where that is everywhere.

    Raises ProblemError: of an unknown device or entry when what the path names lies elsewhere or nowhere, forbidden
    when the route is not known to keep to a scope; what a read raises when the database cannot be asked.
    """
    if scope.is_everywhere:
        return
    path, method = _template(request), request.method
    if _OF_OTHERS in request.query_params:
        raise _too_far()
    if path in OF_ONE.get(method, ()):
        name = next(name for name in WITHIN if name in request.path_params)
        await _require(request, scope, name, str(request.path_params[name]))
    elif method == "GET" and path in BY_PLACE:
        await _require_place(request, scope)
    elif path not in ASKS_ITSELF.get(method, ()) and (method != "GET" or path not in CITY_WIDE | FILTERED):
        raise _too_far()


async def require_device(request: Request, scope: Scope, device_no: str | None) -> None:
    """Return when the device that a body names, if it names one, is in *scope*. Raises ProblemError, as of unknown."""
    if device_no is not None and not scope.is_everywhere:
        await _require(request, scope, "device_no", device_no)


async def devices_within(request: Request, scope: Scope, numbers: AbstractSet[str]) -> set[str]:
    """Those of *numbers*, of the form of a device's, that are of devices in *scope*. Raises what a read raises."""
    database: Database = request.app.state.database
    rows = await database.fetch(DEVICES_WITHIN, {"named": list(numbers), **scopes.parameters(scope)})
    return {str(row["device_no"]) for row in rows}


async def require_site(request: Request, scope: Scope, site_no: str | None) -> None:
    """Return when the site that a body names is in *scope*; who names none means all. Raises ProblemError."""
    if scope.is_everywhere:
        return
    if site_no is None:
        raise _too_far()
    await _require(request, scope, "site_no", site_no)


async def _require(request: Request, scope: Scope, name: str, named: str) -> None:
    # No number has a NUL, and the server takes none.
    database: Database = request.app.state.database
    if "\0" not in named and await database.fetch(WITHIN[name], {"named": named, **scopes.parameters(scope)}):
        return
    if name == "device_no":
        raise ProblemError(UNKNOWN_DEVICE, f"No device has the number {named!r}.")
    word = name.rpartition("_")[0].replace("_", " ")
    raise ProblemError(UNKNOWN_ENTRY, f"No {word} has the number {named!r}.")


async def _require_place(request: Request, scope: Scope) -> None:
    """Raise ProblemError unless the list is asked for a site, or for a region, that is in *scope*."""
    given = [(name, value) for name, value in request.query_params.multi_items() if name in _PLACES]
    if len(given) != 1:
        raise ProblemError(
            FORBIDDEN,
            "Your rights count in some regions and sites: ask for one of those with `site_no` or `region_code`. "
            "权限限定区划或节点：请用 `site_no` 或 `region_code` 指明其中之一。",
        )
    [(name, value)] = given
    if name == "site_no":
        await _require(request, scope, name, value)
    elif not value.startswith(scope.regions or ()):
        raise _too_far()


def _too_far() -> ProblemError:
    return ProblemError(
        FORBIDDEN, "It is for those whose rights count everywhere, not only in some regions and sites. 需要全域权限。"
    )


def _template(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", ""))
