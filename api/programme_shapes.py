"""Programmes as they look over HTTP: what is asked for, and what is told."""

from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.parameters import Day, Reason, Text
from fleet.programmes.blockers import Reason as BlockerReason

TARGET_MAX: Final = 10_000_000

Region = Annotated[str, Field(pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$", description="and all below it")]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name_zh: Text = Field(examples=["郑州市查询机淘汰"])
    name_en: Text = Field(examples=["Kiosks of Zhengzhou"])
    region_code: Region = Field(examples=["4101"])
    kinds: list[Text] = Field(min_length=1, max_length=50, description="of device", examples=[["kiosk"]])
    site_kinds: list[Text] = Field([], max_length=50, description="none: every kind of site")
    begins_on: Day
    due_on: Day
    target: int | None = Field(None, ge=1, le=TARGET_MAX, description="how many are to go; null: all in scope")
    basis: Text | None = Field(None, description="number of the document", examples=["豫商办文〔2018〕81号"])


class ProgrammeOrder(_Fields):
    """A programme to be made."""

    programme_no: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(examples=["KS-4101-2026"])
    reason: Reason


class ProgrammeChange(BaseModel):
    """What is to be another; what is left out stays. What it is about can change only before it begins."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    name_zh: Text | None = None
    name_en: Text | None = None
    region_code: Region | None = None
    kinds: list[Text] | None = Field(None, min_length=1, max_length=50)
    site_kinds: list[Text] | None = Field(None, max_length=50)
    begins_on: Day | None = None
    due_on: Day | None = None
    target: int | None = Field(None, ge=1, le=TARGET_MAX, description="null, when it is given: all in scope")
    basis: Text | None = None
    end: Literal[True] | None = Field(None, description="ends it today: that day's figures stay its last")


class ProgrammeEntry(_Fields):
    """A programme."""

    model_config = ConfigDict(extra="ignore")

    programme_no: str
    begins_on: date
    due_on: date
    ended_on: date | None


class OutlookEntry(BaseModel):
    """What comes of a pace."""

    per_week: float
    done_on: date | None = Field(description="null: not at this pace")
    in_time: bool


class ForecastEntry(BaseModel):
    """When it will be done, and what it would take."""

    lately: OutlookEntry = Field(description="at the pace of the last 28 days")
    overall: OutlookEntry = Field(description="at that since the beginning")
    needed_per_week: float | None = Field(description="to be in time; null once the due day has come")


class FiguresEntry(BaseModel):
    """How far it is at the end of a day. Derived from the ledger of that day, whenever it is asked."""

    day: date
    devices: int = Field(description="in scope: there at the beginning, or come since")
    target: int
    retired: int = Field(description="disposed of or lost")
    remaining: int
    rate: float | None = Field(description="淘汰完成率, retired of target; null where there is no target")
    forecast: ForecastEntry | None = Field(description="null before it began")


class ProgrammeLine(BaseModel):
    """A programme in the list."""

    programme: ProgrammeEntry
    figures: FiguresEntry


class ProgrammePage(BaseModel):
    """Programmes in the order of their numbers."""

    items: list[ProgrammeLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class BlockerEntry(BaseModel):
    """Why devices are not retired yet, how many, and what to do."""

    reason: BlockerReason
    devices: int
    is_stage: bool = Field(description="each device is in one stage; the other reasons come on top")
    name_zh: str
    name_en: str
    remedy_zh: str
    remedy_en: str


class ProgrammeDetail(ProgrammeLine):
    """A programme as it stands at the end of a day."""

    cases: dict[str, int] = Field(description="devices not retired yet, by the state of their newest case")
    blockers: list[BlockerEntry]


class PointEntry(BaseModel):
    """The burn-down at the end of a day."""

    day: date
    devices: int
    target: int
    retired: int
    remaining: int
    even: float = Field(description="what would be left if the same number went each day")


class Series(BaseModel):
    """The burn-down."""

    points: list[PointEntry]


class Blockers(BaseModel):
    """What holds a programme up, in the order of the work."""

    day: date
    blockers: list[BlockerEntry]


class ProgrammeDevice(BaseModel):
    """A device of a programme, as it stood at the end of the day."""

    device_no: str
    kind: str
    site_no: str
    site_zh: str
    site_en: str
    region_code: str
    owner_type: str | None
    original_value_fen: int | None
    state: str
    is_done: bool
    retired_at: datetime | None
    reasons: list[BlockerReason]
    holds: list[str]
    case_no: str | None
    case_state: str | None
    case_since: datetime | None
    due_on: date | None


class ProgrammeDevicePage(BaseModel):
    """Devices in the order of their numbers."""

    items: list[ProgrammeDevice]
    next_cursor: str | None = Field(description="for the next page; null on the last")
