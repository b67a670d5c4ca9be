"""How the health of devices looks over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from api.ledger import EXAMPLE_DEVICE
from fleet.health.catalogue import BY_NAME
from fleet.health.check import Check
from fleet.health.explaining import explain
from fleet.health.score import Band, band_of
from fleet.lifecycle.states import State
from fleet.presence.presence import Excuse, Presence


def _known(name: str) -> str:
    if name not in BY_NAME:
        raise ValueError(f"no check has this name; there are {', '.join(BY_NAME)}")
    return name


CheckName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(BY_NAME)})]


class HealthReason(BaseModel):
    """What costs a device points."""

    check: str = Field(examples=["availability"])
    number: int | float | str = Field(description="what was measured", examples=[71.5])
    threshold: int | float | str = Field(description="the limit that it reached", examples=[80])
    unit: str = Field(examples=["pct"])
    window_days: int = Field(description="complete days that were looked at, and today; 0: as it is now", examples=[7])
    points: int = Field(description="what it costs", examples=[25])
    name_zh: str = Field(examples=["在线率低"])
    name_en: str = Field(examples=["low availability"])
    sentence_zh: str
    sentence_en: str
    remedy_zh: str
    remedy_en: str


class DeviceHealth(BaseModel):
    """How well a device is."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    kind: str = Field(examples=["trace_scale"])
    site_no: str = Field(examples=["410100001"])
    state: State = Field(description="in the ledger")
    presence: Presence | None = Field(description="null: it stands nowhere, or was not judged yet")
    presence_since: datetime | None
    excused_by: Excuse | None = Field(description="why silence is no failure of its own just now")
    score: int | None = Field(ge=0, le=100, description="null where nothing is expected of it")
    band: Band = Field(description="good from 80, fair from 60, poor below; none without a score")
    changed_at: datetime | None = Field(description="since when all this reads as it does")
    reasons: list[HealthReason] = Field(description="the worst first")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of the one device."""
        return cls.model_validate(
            {
                **row,
                "band": band_of(row["score"]),
                "changed_at": row["evaluated_at"],
                "reasons": _reasons(row["reasons"]),
            }
        )


class HealthLine(BaseModel):
    """A device in the list."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    kind: str = Field(examples=["trace_scale"])
    model_no: str = Field(examples=["YH-ACS15"])
    site_no: str = Field(examples=["410100001"])
    region_code: str = Field(examples=["410100"])
    stall_no: str | None = Field(examples=["B001"])
    presence: Presence
    presence_since: datetime
    excused_by: Excuse | None
    score: int | None
    band: Band
    reasons: list[HealthReason] = Field(description="the worst first")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of the list."""
        return cls.model_validate({**row, "reasons": _reasons(row["reasons"])})


class HealthDay(BaseModel):
    """The last of a day."""

    day: date
    presence: Presence
    score: int | None
    band: Band
    reasons: list[HealthReason]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of the history."""
        return cls.model_validate({**row, "band": band_of(row["score"]), "reasons": _reasons(row["reasons"])})


class HealthHistory(BaseModel):
    """The health of a device by day."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    days: list[HealthDay] = Field(description="the oldest first; days on which nobody looked are missing")


class HealthStep(BaseModel):
    """From a threshold on, itself included, so many points are lost."""

    threshold: float
    points: int


class HealthCheck(BaseModel):
    """What a check looks at."""

    check: str = Field(examples=["availability"])
    name_zh: str
    name_en: str
    measured_zh: str
    measured_en: str
    unit: str
    window_days: int
    low: bool = Field(description="whether low numbers are the trouble")
    steps: list[HealthStep] = Field(description="the mildest first; the last one reached counts")
    kinds: list[str] | None = Field(description="kinds of devices it is for; null for all")
    remedy_zh: str
    remedy_en: str

    @classmethod
    def of(cls, check: Check) -> Self:
        """From the catalogue."""
        return cls(
            check=check.name,
            name_zh=check.name_zh,
            name_en=check.name_en,
            measured_zh=check.measured_zh,
            measured_en=check.measured_en,
            unit=check.unit,
            window_days=check.window_days,
            low=check.low,
            steps=[HealthStep(threshold=step.threshold, points=step.points) for step in check.steps],
            kinds=None if check.kinds is None else sorted(check.kinds),
            remedy_zh=check.remedy_zh,
            remedy_en=check.remedy_en,
        )


def _reasons(stored: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [asdict(explanation) for explanation in explain(stored or [])]
