"""What can be set of each rule: its unit, its bounds, its default (默认值, 可配置). The API serves these schemas.

Bounds keep a slip of the pen out, not a policy: nobody means a window of no day or of ten years.
"""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["trace_scale", "kiosk", "handheld", "card_reader", "scanner", "logger", "door_sensor", "gateway"]
Days = Annotated[int, Field(ge=1, le=400)]
Percent = Annotated[float, Field(gt=0, le=100)]

NOTICE_DAY: Final = date(2018, 8, 27)


class Parameters(BaseModel):
    """The parameters of a rule: every one has a default, none is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ForbiddenKind(Parameters):
    """Kinds that the notice sorts out altogether, and kinds that it lets stay when they were there before."""

    always_kinds: list[Kind] = Field(["kiosk"], description="一律淘汰的设备种类 · kinds that go, whenever acquired")
    acquired_after_kinds: list[Kind] = Field(
        ["trace_scale"], description="限期后新增才淘汰的种类 · kinds that go when acquired after the day"
    )
    acquired_after: date = Field(NOTICE_DAY, description="限期 · the last day of acquisition that is let stay")
    exemption_excuses: bool = Field(True, description="有豁免文件者除外 · an exemption document excuses a device")


class PastServiceLife(Parameters):
    """The device's own life counts before its model's."""

    grace_months: int = Field(0, ge=0, le=240, description="宽限月数 · months added to the life")


class FirmwareBehind(Parameters):
    """Below what the vendor says is the least, or a model that speaks in the clear."""

    no_transport_security: bool = Field(True, description="无传输加密也算 · a model without transport security counts")


class SupportEnded(Parameters):
    """The vendor mends it no longer."""

    grace_days: int = Field(0, ge=0, le=3650, description="宽限天数 · days added to the end of support")


class ModelWithdrawn(Parameters):
    """The whole model was withdrawn: by its vendor, or by order."""

    grace_days: int = Field(0, ge=0, le=3650, description="宽限天数 · days added to the day of withdrawal")


class Dormant(Parameters):
    """沉睡设备: in service at a site that is open, and never used.

    The open days keep closures and outages out, and new devices: 40 of 60 are met by a market open five days a week.
    """

    days: Days = Field(60, description="窗口天数 · days looked back")
    min_open_days: Days = Field(
        40, description="至少开门天数 · days of them on which the site was open with it in service"
    )
    kinds: list[Kind] = Field(
        ["trace_scale", "kiosk", "handheld", "scanner", "card_reader"],
        description="适用种类 · kinds that trade or look up",
    )


class Unavailable(Parameters):
    """Too seldom heard while it was expected."""

    days: Days = Field(30, description="窗口天数 · days looked back")
    min_pct: Percent = Field(80, description="最低在线率 · least share of the expected slots in which it was heard")
    min_expected_days: Days = Field(15, description="至少应在线天数 · days on which it was expected")
    min_expected_slots: int = Field(
        720, ge=1, le=288 * 400, description="至少应在线时段数（5分钟） · expected slots of five minutes"
    )


class Repairs(Parameters):
    """Repaired again and again, or for more than it is worth."""

    days: Annotated[int, Field(ge=1, le=1830)] = Field(180, description="窗口天数 · days looked back")
    min_repairs: int = Field(3, ge=1, le=100, description="维修次数 · repairs begun within them")
    max_cost_pct: Percent = Field(50, description="维修费占原值上限 · most that they may cost of the original value")


class Verification(Parameters):
    """Failed or withdrawn, or overdue for so long that it is no lapse of the calendar any more."""

    overdue_days: int = Field(90, ge=0, le=3650, description="逾期天数 · days overdue that are let pass")


class ErrorRate(Parameters):
    """Records that are of no use: dead letters, conflicts, failed scans, faults of the sensor."""

    days: Days = Field(30, description="窗口天数 · days looked back")
    max_pct: Percent = Field(5, description="最高差错率 · greatest share of errors")
    min_records: int = Field(
        200, ge=1, le=10_000_000, description="至少记录数 · records that make a share mean something"
    )


class ReplacedFunction(Parameters):
    """A kiosk that nobody asks any more where people look up by QR code."""

    days: Days = Field(30, description="窗口天数 · days looked back")
    max_lookups_a_day: float = Field(5, ge=0, le=100_000, description="查询机日均查询低于 · look-ups a day, fewer than")
    min_qr_lookups_a_day: float = Field(
        20, ge=0, le=1_000_000, description="扫码日均查询高于 · QR look-ups at the site a day, more than"
    )
    min_open_days: Days = Field(20, description="至少开门天数 · days on which the site was open with it in service")


class Dying(Parameters):
    """A sensor that fails. A flat battery is no reason: it is changed, and the device serves on."""

    days: Days = Field(14, description="窗口天数 · days looked back")
    min_readings: int = Field(200, ge=1, le=10_000_000, description="至少读数 · readings and faults together")
    max_fault_pct: Percent = Field(20, description="最高故障率 · greatest share of readings that failed")
    min_flat_days: Days = Field(7, description="读数不变天数 · days on which it read the same all day")
    min_readings_a_day: int = Field(
        48, ge=2, le=100_000, description="不变之日至少读数 · readings that make a day flat"
    )
    max_jumps: int = Field(50, ge=1, le=1_000_000, description="最多跳变次数 · jumps that no store can make")
