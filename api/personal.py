"""``…/personal``: phones and numbers of persons and cards in clear; each reading is a row of the audit, with why."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from api.callers import require
from api.ledger_desk import ActorDep, Desk, DeskDep
from api.parameters import DeviceNo, Reason, Text
from api.problems import FORBIDDEN, OF_CHANGES, documented
from fleet.acting import Actor
from fleet.ledger.personal import PersonalNoun, reveal

# By key alone: whoever has no name cannot be written down.
router = APIRouter(prefix="/api/v1", tags=["Personal data"], dependencies=[Depends(require("fleet_admin"))])

Why = Annotated[Reason, Query(description="Why it is read; the audit keeps it.", examples=["联系商户处理故障"])]
MerchantCode = Annotated[Text, Path(description="Code of the merchant.", examples=["4101000010001"])]
PartyNo = Annotated[Text, Path(description="Number of the responsible party.", examples=["OP-1"])]


class PersonalOfMerchant(BaseModel):
    """Of a merchant, in clear."""

    merchant_code: str
    phone: str | None = Field(examples=["13800138000"])
    identity_no: str | None


class PersonalOfParty(BaseModel):
    """Of a responsible party, in clear."""

    party_no: str
    phone: str | None


class PersonalOfDevice(BaseModel):
    """Of a device and its custodian, in clear."""

    device_no: str
    imei: str | None
    iccid: str | None
    custodian_phone: str | None


@router.get(
    "/merchants/{merchant_code}/personal",
    summary="Personal data of a merchant",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
)
async def of_merchant(
    merchant_code: MerchantCode, reason: Why, desk: DeskDep, actor: ActorDep, response: Response
) -> PersonalOfMerchant:
    """Phone and identity number in clear.

    Needs the role fleet_admin; who read it and why is in the audit.
    """
    values = await _revealed(desk, actor, response, "merchants", merchant_code, reason)
    return PersonalOfMerchant.model_validate({"merchant_code": merchant_code, **values})


@router.get(
    "/parties/{party_no}/personal",
    summary="Personal data of a responsible party",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
)
async def of_party(
    party_no: PartyNo, reason: Why, desk: DeskDep, actor: ActorDep, response: Response
) -> PersonalOfParty:
    """Phone in clear. Needs the role fleet_admin; who read it and why is in the audit."""
    values = await _revealed(desk, actor, response, "parties", party_no, reason)
    return PersonalOfParty.model_validate({"party_no": party_no, **values})


@router.get(
    "/devices/{device_no}/personal",
    summary="Personal data of a device",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
)
async def of_device(
    device_no: DeviceNo, reason: Why, desk: DeskDep, actor: ActorDep, response: Response
) -> PersonalOfDevice:
    """IMEI, ICCID and the custodian's phone in clear.

    Needs the role fleet_admin; who read it and why is in the audit.
    """
    values = await _revealed(desk, actor, response, "devices", device_no, reason)
    return PersonalOfDevice.model_validate({"device_no": device_no, **values})


async def _revealed(
    desk: Desk, actor: Actor, response: Response, noun: PersonalNoun, key: str, reason: str
) -> dict[str, str | None]:
    """What is read; that it was is committed before anybody sees it."""
    response.headers["Cache-Control"] = "no-store"
    revealed = await desk.change(
        actor, lambda connection: reveal(connection, noun, key, keys=desk.keys, reason=reason), reason=reason
    )
    return dict(revealed.values)
