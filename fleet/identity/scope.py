"""Where somebody may see and act: everywhere, or in some regions and at some sites."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection

from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.roles import ADMIN

_REGION: Final = re.compile(r"[0-9]{2}([0-9]{2}){0,2}", re.ASCII)
_SITE_LENGTH_MAX: Final = 64

UNKNOWN_SITES: Final = """
SELECT asked.site_no FROM unnest(%(sites)s::text[]) AS asked (site_no)
WHERE NOT EXISTS (SELECT FROM sites AS s WHERE s.site_no = asked.site_no)
LIMIT 1
"""
# A region that has sites is one, even if nobody entered its name.
UNKNOWN_REGIONS: Final = """
SELECT asked.code FROM unnest(%(regions)s::text[]) AS asked (code)
WHERE NOT EXISTS (SELECT FROM regions AS r WHERE starts_with(r.region_code, asked.code))
  AND NOT EXISTS (SELECT FROM sites AS s WHERE starts_with(s.region_code, asked.code))
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What lies in one of *regions* or is one of *sites*; both None: everything, both empty: nothing.

    A region is named by its code, as far as it goes: 41, 4101 or 410105, and all below it is meant, too.
    """

    regions: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None

    @property
    def is_everywhere(self) -> bool:
        """Whether nothing is out of it."""
        return self.regions is None and self.sites is None

    def holds(self, *, region_code: str, site_no: str) -> bool:
        """Whether the site *site_no*, which lies in *region_code*, is in it."""
        if self.is_everywhere:
            return True
        return site_no in (self.sites or ()) or any(map(region_code.startswith, self.regions or ()))

    def within(self, other: "Scope") -> "Scope":
        """What is surely in both.

        Where the site of one lies is not known here, so a site of the one is in the other only if it is named there:
        rather too little than too much.
        """
        if other.is_everywhere:
            return self
        if self.is_everywhere:
            return other
        mine, theirs = self.regions or (), other.regions or ()
        regions = [one for one in mine if one.startswith(theirs)] + [one for one in theirs if one.startswith(mine)]
        sites = [one for one in self.sites or () if one in (other.sites or ())]
        return Scope(tuple(dict.fromkeys(regions)), tuple(sites))


EVERYWHERE: Final = Scope()
# Whether the site ``s`` of a query is in a scope that is not everywhere: what Scope.holds says, in SQL.
IN_SQL: Final[LiteralString] = """(
    s.site_no = ANY(%(scope_sites)s::text[])
    OR EXISTS (SELECT FROM unnest(%(scope_regions)s::text[]) AS g (code) WHERE starts_with(s.region_code, g.code)))"""


def parameters(scope: Scope) -> dict[str, list[str] | None]:
    """What IN_SQL is given; both None: everywhere, and IN_SQL is not to be asked."""
    if scope.is_everywhere:
        return {"scope_regions": None, "scope_sites": None}
    return {"scope_regions": list(scope.regions or ()), "scope_sites": list(scope.sites or ())}


def scope_of(regions: Iterable[str] | None, sites: Iterable[str] | None) -> Scope:
    """The scope as the database has it."""
    return Scope(None if regions is None else tuple(regions), None if sites is None else tuple(sites))


def scope_as_asked(regions: Iterable[str] | None, sites: Iterable[str] | None) -> Scope:
    """The scope that somebody asked for; nothing named means everywhere. Raises RefusedError."""
    asked = Scope(tuple(dict.fromkeys(regions or ())) or None, tuple(dict.fromkeys(sites or ())) or None)
    for code in asked.regions or ():
        if not _REGION.fullmatch(code):
            raise RefusedError(f"{code!r} is no region: give the first 2, 4 or 6 digits of its code, such as 4101.")
    for number in asked.sites or ():
        if not number or len(number) > _SITE_LENGTH_MAX or not number.isprintable():
            raise RefusedError(f"{number!r} is no number of a site: `tracefleet sites export -` shows all.")
    return asked


def require_for(roles: Iterable[str], scope: Scope) -> None:
    """Raise RefusedError when *roles* cannot go with *scope*: who gives out rights could give himself the others."""
    if ADMIN in set(roles) and not scope.is_everywhere:
        raise RefusedError("an admin is one everywhere: leave the regions and sites out, or give another role.")


def require_known(connection: Connection[Any], scope: Scope) -> None:
    """Raise UnknownEntryError when a site of *scope* is not in the ledger, or nothing there lies in a region of it."""
    regionless = connection.execute(UNKNOWN_REGIONS, {"regions": list(scope.regions or ())}).fetchone()
    if regionless is not None:
        raise UnknownEntryError(
            f"no region of the ledger begins with {regionless[0]!r}: correct the digits, or enter the region first "
            f"(`tracefleet regions import`); `tracefleet regions export -` shows all."
        )
    unknown = connection.execute(UNKNOWN_SITES, {"sites": list(scope.sites or ())}).fetchone()
    if unknown is not None:
        raise UnknownEntryError(f"no site has the number {unknown[0]!r}: `tracefleet sites export -` shows all.")
