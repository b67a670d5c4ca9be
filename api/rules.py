"""``/api/v1/rules`` and ``/rule-policy``: the rules of obsolescence as data, and their versions."""

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Day, Reason
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, UNKNOWN_ENTRY, documented
from fleet.business_day import today
from fleet.obsolescence import versions
from fleet.obsolescence.rules import RULES
from fleet.obsolescence.versions import Policy, RuleVersion

router = APIRouter(prefix="/api/v1", tags=["Obsolescence"])

_OF_LISTS: Final = documented(besides=[kind for kind in OF_CHANGES if kind is not UNKNOWN_ENTRY])

RuleName = Annotated[
    str, Path(pattern=r"^[a-z_]{1,64}$", description="Name of the rule.", examples=["dormant"], title="rule")
]
LongText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\u0000-\u001f\u007f]*$")]


class Version(BaseModel):
    """A version of a rule. None is ever changed: another rule is another version."""

    rule: str = Field(examples=["dormant"])
    version: int
    effective_from: date = Field(description="of those whose day has come, the latest counts")
    is_enabled: bool
    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    parameters: dict[str, Any] = Field(examples=[{"days": 60, "min_open_days": 40}])
    weight: int = Field(description="what a finding adds to the device's score")
    is_mandatory: bool = Field(description="flags by itself, whatever the score")
    clear_after_days: int = Field(description="a finding clears when its cause was gone for so many days on end")
    basis: str | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, version: RuleVersion) -> Self:
        """As the API tells it."""
        told = {of.name: getattr(version, of.name) for of in dataclasses.fields(RuleVersion)}
        return cls(**(told | {"parameters": version.parameters.model_dump(mode="json")}))


class RuleInForce(Version):
    """The version that counts, and what may be set."""

    parameter_schema: dict[str, Any] = Field(description="JSON schema of `parameters`")


class RulesOn(BaseModel):
    """The rules that count on a day, in the order in which reasons are told."""

    on: date
    items: list[RuleInForce]


class VersionsOf(BaseModel):
    """All versions of a rule, the first first."""

    rule: str
    parameter_schema: dict[str, Any]
    items: list[Version]


class PolicyVersion(BaseModel):
    """From which score a device is watched and flagged, and how much of a site one run may flag."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    effective_from: date
    watch_score: int
    flag_score: int
    site_share_pct: int


class Policies(BaseModel):
    """The policy in force, and every version of it."""

    on: date
    in_force: PolicyVersion
    items: list[PolicyVersion]


class OnDay(BaseModel):
    """As of which day."""

    model_config = ConfigDict(extra="forbid")

    on: Day | None = Field(None, description="The day; today unless told. It may be to come.")


class RuleChange(BaseModel):
    """What is to be otherwise than in the version before; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field({}, description="some of the rule's parameters", examples=[{"days": 90}])
    weight: int | None = Field(None, ge=0, le=100)
    is_enabled: bool | None = None
    is_mandatory: bool | None = None
    clear_after_days: int | None = Field(None, ge=0, le=400)


class RuleOrder(RuleChange):
    """A new version of a rule."""

    effective_from: Day = Field(description="today or later", examples=["2027-01-01"])
    reason: Reason = Field(examples=["市场试点后放宽"])
    name_zh: LongText | None = None
    name_en: LongText | None = None
    text_zh: LongText | None = None
    text_en: LongText | None = None
    basis: LongText | None = Field(None, description="the document that it stands on")


class PolicyOrder(BaseModel):
    """A new version of the policy."""

    model_config = ConfigDict(extra="forbid")

    effective_from: Day = Field(description="today or later")
    watch_score: int = Field(ge=1, le=10_000, examples=[30])
    flag_score: int = Field(ge=1, le=10_000, examples=[60])
    site_share_pct: int = Field(ge=1, le=100, examples=[20])
    reason: Reason


@router.get("/rules", summary="The rules that count on a day", responses=_OF_LISTS, dependencies=MAY_READ)
async def list_rules(desk: DeskDep, query: Annotated[OnDay, Query()]) -> RulesOn:
    """Each with its version, its parameters, and what may be set."""
    on = query.on or today()
    in_force = await desk.read(lambda connection: versions.versions_on(connection, on))
    return RulesOn(
        on=on,
        items=[
            RuleInForce(**Version.of(version).model_dump(), parameter_schema=_schema(version.rule))
            for version in in_force.values()
        ],
    )


@router.get("/rule-policy", summary="The policy of flags", responses=_OF_LISTS, dependencies=MAY_READ)
async def get_policy(desk: DeskDep, query: Annotated[OnDay, Query()]) -> Policies:
    """The version in force on a day, and all of them."""
    on = query.on or today()
    in_force, known = await desk.read(
        lambda connection: (versions.policy_on(connection, on), versions.policies(connection))
    )
    return Policies(on=on, in_force=_policy(in_force), items=[_policy(policy) for policy in known])


@router.post(
    "/rule-policy",
    summary="Add a version of the policy",
    openapi_extra=described(PolicyOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=[Depends(require("fleet_admin"))],
)
async def add_policy(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> PolicyVersion:
    """It counts from its day on; what was flagged before stays as it was told."""
    order = await bodies.read(request, PolicyOrder)
    told = order.model_dump(exclude={"reason"})
    added = await desk.change(
        actor,
        lambda connection: versions.add_policy(connection, today=today(), **told),
        reason=order.reason,
    )
    return _policy(added)


@router.get(
    "/rules/{rule}", summary="All versions of a rule", responses=documented(besides=OF_CHANGES), dependencies=MAY_READ
)
async def get_rule(desk: DeskDep, rule: RuleName) -> VersionsOf:
    """The first first; those to come, too."""
    known = await desk.read(lambda connection: versions.versions_of(connection, rule))
    return VersionsOf(rule=rule, parameter_schema=_schema(rule), items=[Version.of(version) for version in known])


@router.post(
    "/rules/{rule}",
    summary="Add a version of a rule",
    openapi_extra=described(RuleOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=[Depends(require("fleet_admin"))],
)
async def add_version(request: Request, rule: RuleName, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> Version:
    """What is left out is as in the version that would count on that day. Every mistake is told at once."""
    order = await bodies.read(request, RuleOrder)
    told = order.model_dump(exclude={"reason", "parameters", "effective_from"}, exclude_none=True)
    added = await desk.change(
        actor,
        lambda connection: versions.add_version(
            connection,
            rule,
            effective_from=order.effective_from,
            today=today(),
            parameters=order.parameters,
            **told,
        ),
        reason=order.reason,
    )
    return Version.of(added)


def _schema(rule: str) -> Mapping[str, Any]:
    return RULES[rule].parameters.model_json_schema()


def _policy(policy: Policy) -> PolicyVersion:
    return PolicyVersion.model_validate(policy)
