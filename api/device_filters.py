"""Which devices a list holds: the parameters of the list and what they mean in SQL."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from api.device_parts import Connectivity, OwnerType
from api.ledger import Kind
from api.parameters import DEVICE_NO_PATTERN, Day, Text
from fleet.business_day import day_of
from fleet.identity import scope as scopes
from fleet.lifecycle import metrology
from fleet.lifecycle.metrology import Metrology
from fleet.lifecycle.states import State

LastHeard = Literal["never", "within_1h", "within_1d", "over_1h", "over_1d", "over_7d", "over_30d"]

_SPANS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
# Those under a hold are few: looked up once, as a list.
_HELD: Final[LiteralString] = """
        SELECT h.device_id FROM device_holds AS h
        WHERE h.begins_at <= now() AND (h.ends_at IS NULL OR h.ends_at > now())"""
# What each filter asks, by its parameter. Only those that are given are put together: the server plans a query by what
# is in it, and to one that says "or not given" it often knows no better than to look at every device.
CLAUSES: Final[Mapping[str, LiteralString]] = {
    "site_no": "s.site_no = %(site_no)s",
    "kind": "m.kind = %(kind)s",
    "model_no": "m.model_no = %(model_no)s",
    "state": "d.state = %(state)s",
    "region_code": "starts_with(s.region_code, %(region_code)s)",
    "q": "starts_with(d.device_no, %(q)s)",
    "merchant_code": """d.merchant_id = (
        SELECT c.merchant_id FROM merchants AS c WHERE c.merchant_code = %(merchant_code)s)""",
    "owner_type": "d.owner_type = %(owner_type)s",
    "acquired_before": "d.acquired_on < %(acquired_before)s::date",
    "acquired_after": "d.acquired_on > %(acquired_after)s::date",
    "gateway": "d.gateway_id = (SELECT g.device_id FROM devices AS g WHERE g.device_no = %(gateway)s)",
    "party": """d.device_id IN (
        SELECT r.device_id FROM device_responsibilities AS r JOIN parties AS y USING (party_id)
        WHERE y.party_no = %(party)s)""",
    "held": f"d.device_id = ANY(ARRAY({_HELD}))",
    "not_held": f"d.device_id NOT IN ({_HELD})",
    "line": "p.state = %(line)s",
    "no_line": "p.device_id IS NULL",
    "never_heard": """NOT EXISTS (
        SELECT FROM device_presence AS l WHERE l.device_id = d.device_id AND l.last_heard_at IS NOT NULL)""",
    "heard_after": "p.last_heard_at >= %(heard_after)s::timestamptz",
    "heard_before": "p.last_heard_at < %(heard_before)s::timestamptz",
    **{f"is_{word}": condition for word, condition in metrology.CONDITIONS.items()},
    "scope_sites": scopes.IN_SQL,
    "after": "d.device_no > %(after)s",
}
# Where each has a line, that can be asked of it.
CLAUSES_OF_LINES: Final[Mapping[str, LiteralString]] = {**CLAUSES, "never_heard": "p.last_heard_at IS NULL"}
# Outer joins, though each device has its model and its site: what is not asked for is not joined at all then, and
# counting 100,000 devices takes a third of the time.
_JOINED: Final[LiteralString] = "LEFT JOIN models AS m USING (model_id) LEFT JOIN sites AS s USING (site_id)"
DEVICES: Final[LiteralString] = f"FROM devices AS d {_JOINED} LEFT JOIN device_presence AS p USING (device_id)"
# Of those alone that have a line.
LINES: Final[LiteralString] = f"FROM device_presence AS p LEFT JOIN devices AS d USING (device_id) {_JOINED}"


class DeviceFilters(BaseModel):
    """Which devices. What is given counts together."""

    model_config = ConfigDict(extra="forbid")

    site_no: Text | None = Field(None, description="At this site.", examples=["410100001"])
    kind: Kind | None = Field(None, description="Of this kind.", examples=["trace_scale"])
    model_no: Text | None = Field(None, description="Of this model.")
    state: State | None = Field(None, description="In this state of the ledger.", examples=["in_service"])
    region_code: str | None = Field(
        None,
        pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$",
        description="In this region: six digits of GB/T 2260, or the first four (prefecture) or two (province).",
        examples=["4101"],
    )
    q: str | None = Field(
        None, pattern=DEVICE_NO_PATTERN, description="The number begins with this.", examples=["TD-4101"]
    )
    merchant_code: Text | None = Field(None, description="Of this merchant.")
    party: Text | None = Field(None, description="This party answers for it, whatever its duty.")
    owner_type: OwnerType | None = Field(None, description="Owned by one of these.")
    acquired_before: Day | None = Field(None, description="Acquired before this day.")
    acquired_after: Day | None = Field(None, description="Acquired after this day, as the registration gate has it.")
    gateway: str | None = Field(None, pattern=DEVICE_NO_PATTERN, description="Behind the gateway of this number.")
    has_hold: bool | None = Field(None, description="Whether a hold is in force on it.")
    connectivity: Connectivity | None = Field(None, description="What its line said last.")
    last_heard: LastHeard | None = Field(
        None, description="Its last live record: never, within a span, or over that long ago (but some day)."
    )
    verification: Metrology | None = Field(None, description="How its verification stands today.")

    @property
    def given(self) -> dict[str, Any]:
        """Those that were given, which every page of a list shares."""
        return self.model_dump(include=set(DeviceFilters.model_fields), exclude_none=True)


def parameters(filters: DeviceFilters, *, now: datetime) -> dict[str, Any]:
    """What the clauses are given: those that are None are not asked; the days of the metrology are always there."""
    today = day_of(now)
    asked = filters.model_dump(include=set(DeviceFilters.model_fields))
    held, line, verified = asked.pop("has_hold"), asked.pop("connectivity"), asked.pop("verification")
    word, _, span = str(asked.pop("last_heard") or "").partition("_")
    bound = now - _SPANS[span] if span else None
    return asked | {
        "held": held or None,
        "not_held": True if held is False else None,
        "line": None if line == "never" else line,
        "no_line": True if line == "never" else None,
        "never_heard": True if word == "never" else None,
        "heard_after": bound if word == "within" else None,
        "heard_before": bound if word == "over" else None,
        **({f"is_{verified}": True} if verified else {}),
        "today": today,
        "due_soon": metrology.last_day_soon(today),
    }


def where(asked: Mapping[str, object], clauses_of: Mapping[str, LiteralString] = CLAUSES) -> LiteralString:
    """The clauses of what is asked for, for the end of DEVICES; with CLAUSES_OF_LINES, for that of LINES."""
    clauses: list[LiteralString] = [clause for name, clause in clauses_of.items() if asked.get(name) is not None]
    return f"WHERE {' AND '.join(clauses)}" if clauses else ""


def choose(connection: Connection[Any], filters: DeviceFilters) -> list[str] | None:
    """The numbers of the devices that *filters* choose; None when nothing in particular is asked for: all of them."""
    if not filters.given:
        return None
    asked = parameters(filters, now=datetime.now(UTC))
    query: LiteralString = f"SELECT d.device_no {DEVICES} {where(asked)}"
    return [device_no for (device_no,) in connection.execute(query, asked).fetchall()]
