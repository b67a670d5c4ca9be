"""``/api/v1/cases``: devices out of the fleet, step by step: list, look, open, act on one or on many."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from api import reach
from api.body import BodiesDep, described
from api.callers import MAY_READ, Caller, CallerDep, require
from api.case_orders import ORDERS, BulkOrders, DocumentsOrder, OpenOrder, StepOrder
from api.case_parts import CaseDetail, CaseLine, CasePage, CasesReport, Changed, Document, Documents
from api.database import DatabaseDep
from api.keyset import PageQuery, read_page
from api.ledger import Kind
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DEVICE_NO_PATTERN, Text
from api.problems import BAD_CURSOR, FORBIDDEN, ILLEGAL_TRANSITION, OF_BODIES, OF_CHANGES, ProblemError, documented
from fleet.identity.roles import Role
from fleet.retirement import documents
from fleet.retirement.cases import act, carry_out
from fleet.retirement.listing import LIST
from fleet.retirement.next_steps import tell
from fleet.retirement.opening import open_case, open_cases
from fleet.retirement.states import STEPS, State, StepName, is_step
from fleet.retirement.states import Path as CasePath

router = APIRouter(prefix="/api/v1/cases", tags=["Cases"])
ANSWERS: Final = documented(*OF_BODIES, ILLEGAL_TRANSITION, FORBIDDEN, besides=OF_CHANGES)
HANDS: Final[tuple[Role, ...]] = ("operator", "fleet_admin")
# Whoever may take some step; which one, the step says.
ALL_HANDS: Final[tuple[Role, ...]] = (*HANDS, "approver")
# Steps with one of these guards are taken by people, whose names are compared.
_OF_PERSONS: Final = frozenset({"named", "other_eyes"})

CaseNo = Annotated[
    str, Path(pattern=r"^RC-[0-9]{4}-[0-9]{6,10}$", description="Number of the case.", examples=["RC-2026-000017"])
]


class CaseQuery(PageQuery):
    """Which cases."""

    state: State | None = Field(None, description="In this state.", examples=["proposed"])
    path: CasePath | None = Field(None, description="Property of the state, or of another owner.")
    device_no: str | None = Field(None, pattern=DEVICE_NO_PATTERN, description="Of this device.")
    site_no: Text | None = Field(None, description="Of devices at this site.")
    region_code: str | None = Field(
        None, pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$", description="In this region or below it.", examples=["4101"]
    )
    kind: Kind | None = Field(None, description="Of devices of this kind.", examples=["kiosk"])
    programme: Text | None = Field(None, description="Of this campaign.")
    overdue: bool | None = Field(None, description="Whether the day by which the state was to be left is over.")


@router.get("", summary="List cases", responses=documented(BAD_CURSOR), dependencies=MAY_READ)
async def list_cases(database: DatabaseDep, query: Annotated[CaseQuery, Query()]) -> CasePage:
    """Cases of the retirement loop (处置单) in the order of their numbers."""
    rows, cursor = await read_page(database, LIST, query, route="cases", key="case_no")
    return CasePage(items=[CaseLine.model_validate(row) for row in rows], next_cursor=cursor)


@router.post(
    "",
    status_code=201,
    summary="Open a case",
    openapi_extra=described(OpenOrder),
    responses=ANSWERS,
    dependencies=[Depends(require(*HANDS))],
)
async def post_case(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep, caller: CallerDep) -> Changed:
    """From the device's flag, whose findings become its grounds, or by hand with a reason."""
    order = await bodies.read(request, OpenOrder)
    await reach.require_device(request, caller.scope, order.device_no)
    opening = order.opening()
    opened = await desk.change(
        actor,
        lambda connection: open_case(
            connection,
            opening.device_no,
            now=datetime.now(UTC),
            reason=opening.reason,
            programme_no=opening.programme_no,
            by_hand=opening.by_hand,
        ),
        reason=opening.reason,
    )
    return Changed.model_validate(opened)


@router.post(
    "/bulk",
    summary="Act on many cases",
    openapi_extra=described(BulkOrders),
    responses=ANSWERS,
    dependencies=[Depends(require(*ALL_HANDS))],
)
async def post_bulk(
    request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep, caller: CallerDep
) -> CasesReport:
    """All or none. Without `apply` it is only said what would be done; every refusal at once."""
    asked = await bodies.read(request, BulkOrders)
    step, now = asked.step, datetime.now(UTC)
    _may(caller, step)
    reason = next((order.reason for order in asked.orders if order.reason), "")
    if is_step(step):
        orders = [order.order(row) for row, order in enumerate(asked.orders, 1)]
        work = lambda connection: carry_out(  # noqa: E731 - the one or the other, by what is asked
            connection, step, orders, now=now, apply=asked.apply, actor=actor.who
        )
    else:
        openings = [order.opening(row) for row, order in enumerate(asked.orders, 1)]
        work = lambda connection: open_cases(connection, openings, now=now, apply=asked.apply)  # noqa: E731
    report = await (desk.change(actor, work, reason=reason) if asked.apply else desk.read(work))
    return CasesReport.model_validate(report)


@router.get("/{case_no}", summary="Look at a case", responses=documented(besides=OF_CHANGES), dependencies=MAY_READ)
async def get_case(case_no: CaseNo, desk: DeskDep) -> CaseDetail:
    """Everything about it: its steps, its documents, who may do what next, and what is missing for that."""
    return CaseDetail.of(await desk.read(lambda connection: tell(connection, case_no, now=datetime.now(UTC))))


@router.post(
    "/{case_no}/documents",
    status_code=201,
    summary="Lay documents with a case",
    openapi_extra=described(DocumentsOrder),
    responses=ANSWERS,
    dependencies=[Depends(require(*HANDS, "approver"))],
)
async def post_documents(
    request: Request, case_no: CaseNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> Documents:
    """By their hashes; nothing is uploaded. What lies there already stays as it is."""
    order = await bodies.read(request, DocumentsOrder)
    papers = [document.paper() for document in order.documents]
    found = await desk.change(
        actor, lambda connection: documents.attach(connection, case_no, papers, now=datetime.now(UTC))
    )
    return Documents(items=[Document.model_validate(one) for one in found])


def _hands_of(step: str) -> tuple[Role, ...]:
    # The roles of a step are those of callers; told as text, for states know nothing of callers.
    return STEPS[step].roles if is_step(step) else HANDS  # type: ignore[return-value]


def _may(caller: Caller, step: str) -> None:
    """Refuse *step* to who has not its role, and what takes two pairs of eyes to who is no person. ProblemError."""
    if not caller.has(*_hands_of(step)):
        raise ProblemError(FORBIDDEN, f"It needs the role {' or '.join((*_hands_of(step), 'admin'))}.")
    takes_a_person = is_step(step) and not _OF_PERSONS.isdisjoint(STEPS[step].guards)
    # Who shows nothing is told by the guard itself that it needs a name.
    if takes_a_person and caller.person is None and not caller.is_nobody:
        raise ProblemError(
            FORBIDDEN,
            "A person has to decide this (须由本人办理), and the key is nobody's: two keys are no two pairs of eyes. "
            "Log in, or make a key that belongs to somebody: `tracefleet keys create --owner`.",
        )


def _route(name: StepName, asked: type[StepOrder]) -> None:
    """A route that takes one step of a case: they differ in what is asked for, and in nothing else."""
    step = STEPS[name]

    async def take(
        request: Request, case_no: CaseNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep, caller: CallerDep
    ) -> Changed:
        _may(caller, name)
        order = (await bodies.read(request, asked)).order(case_no)
        await reach.require_device(request, caller.scope, order.successor_no)
        changed = await desk.change(
            actor, lambda connection: act(connection, name, order, now=datetime.now(UTC)), reason=order.reason
        )
        return Changed.model_validate(changed)

    router.add_api_route(
        f"/{{case_no}}/{name.replace('_', '-')}",
        take,
        methods=["POST"],
        name=f"case_{name}",
        summary=f"{step.name_en.capitalize()} ({step.name_zh})",
        description=f"{asked.__doc__} It needs one of the roles {', '.join(step.roles)}; 409 names the states allowed.",
        openapi_extra=described(asked),
        responses=ANSWERS,
        dependencies=[Depends(require(*_hands_of(name)))],
    )


for _name, _asked in ORDERS.items():
    _route(_name, _asked)
