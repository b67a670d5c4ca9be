"""The parts of a device as the ledger groups them (设备管理台账), and its axes: none of them is folded into another."""

from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from fleet.lifecycle.freshness import Freshness
from fleet.lifecycle.holds import HoldKind
from fleet.lifecycle.metrology import Metrology
from fleet.lifecycle.states import State

MASKED: Final = "masked; `/personal` has it in clear for those who may see it"

Connectivity = Literal["online", "offline", "never"]
OwnerType = Literal["government", "operator", "site", "merchant", "leased"]


class Identity(BaseModel):
    """What it is known by."""

    name: str | None = Field(examples=["1 号溯源秤"])
    factory_no: str | None = Field(examples=["00012345"])
    mac: str | None = Field(examples=["A4:CF:12:00:3B:07"])
    imei: str | None = Field(description=MASKED, examples=["***********7518"])
    iccid: str | None = Field(description=MASKED)
    hardware_version: str | None
    firmware: str | None
    photo_sha256: str | None


class Asset(BaseModel):
    """What it is in the books. Money is fen."""

    asset_no: str | None
    asset_class_standard: str | None = Field(examples=["GB/T 14885-2010"])
    asset_class_code: str | None = Field(examples=["2420000"])
    owner_type: OwnerType | None
    fund_source: Literal["central_subsidy", "local", "self_raised"] | None
    contract_no: str | None
    supplier: str | None
    acquired_on: date | None
    accepted_on: date | None
    original_value_fen: int | None
    depreciation_months: int | None
    net_value_fen: int | None = Field(
        description="today, straight-line, by whole months from the one after acquisition"
    )
    warranty_until: date | None
    min_service_months: int | None


class Place(BaseModel):
    """Where it stands, and with whom; the site is beside."""

    address: str | None
    lat: float | None
    lon: float | None
    storage_place: str | None
    custodian: str | None
    custodian_phone: str | None = Field(description=MASKED, examples=["138****5678"])
    installer: str | None
    installed_on: date | None


class MetrologyPart(BaseModel):
    """Its verification (检定)."""

    status: Metrology = Field(description="today, in Asia/Shanghai; due soon within 30 days")
    type_approval_no: str | None
    accuracy_class: str | None
    max_g: int | None
    min_g: int | None
    interval_g: int | None
    seal_no: str | None
    verification_no: str | None
    verification_body: str | None
    verification_rule: str | None = Field(examples=["JJG 539-2016"])
    verified_on: date | None
    verified_until: date | None = Field(description="the last day on which it holds")
    verification_result: Literal["passed", "failed", "withdrawn"] | None
    is_fair_scale: bool | None


class ConnectivityPart(BaseModel):
    """Its line."""

    status: Connectivity = Field(description="as it, or the broker for it, said last")
    protocol: str | None
    sim_plan: str | None
    gateway_no: str | None = Field(description="the gateway that speaks for it")
    valid_credentials: int = Field(description="passwords and certificates that let it in")
    certificates_sha256: list[str] = Field(description="fingerprints of its valid client certificates")


class FreshnessPart(BaseModel):
    """How lately it was heard. Null before it ever was."""

    status: Freshness | None = Field(description="against what its kind is expected to do")
    seconds: float | None = Field(description="since the last live record; a backlog is no proof of life")
    expected_seconds: int = Field(description="how often its kind is heard, a default of this system", examples=[600])


class Lifecycle(BaseModel):
    """Its state in the ledger, since when and why."""

    state: State
    since: datetime
    reason: str | None
    commissioned_on: date | None
    exemption_document: str | None
    predecessor_no: str | None = Field(description="the device it took the place of")
    successor_no: str | None = Field(description="the device that took its place")


class Hold(BaseModel):
    """Why nothing may be done to it for a while."""

    hold_id: int
    kind: HoldKind
    reason: str
    document: str | None
    begins_at: datetime
    ends_at: datetime | None = Field(description="null until it is lifted")


class Responsibility(BaseModel):
    """Who answers for what."""

    duty: Literal["supervision", "operation", "custody", "use"]
    party_no: str
    name: str
    kind: Literal["government", "operator", "site", "merchant"]
