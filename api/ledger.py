"""How devices, models and sites look over HTTP."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

Kind = Literal[
    "trace_scale",
    "kiosk",
    "handheld",
    "card_reader",
    "scanner",
    "logger",
    "door_sensor",
    "gateway",
]
SiteKind = Literal[
    "slaughterhouse",
    "wholesale_market",
    "wet_market",
    "supermarket",
    "group_caterer",
    "cold_store",
    "specialty_shop",
    "check_point",
    "origin_wholesaler",
    "ecommerce",
]
# Of the simulated city that `make demo` shows: its first scale, and the logger that waits for a person's own message.
EXAMPLE_DEVICE: Final = "TD-410100-SC-000001-0"
EXAMPLE_LOGGER: Final = "TD-410100-TH-900001-1"


class Site(BaseModel):
    """A node enterprise (节点企业): where devices stand."""

    site_no: str = Field(examples=["410100001"])
    name_zh: str = Field(examples=["郑州建设路农贸市场"])
    name_en: str = Field(examples=["Zhengzhou Jianshe Road Wet Market"])
    kind: str = Field(examples=["wet_market"])
    region_code: str = Field(description="GB/T 2260, six digits", examples=["410100"])


class Model(BaseModel):
    """What a device is."""

    model_no: str = Field(examples=["YH-ACS15"])
    kind: str = Field(examples=["trace_scale"])
    vendor: str = Field(examples=["豫衡（仿真）"])
    streams: list[str] = Field(
        description="what such a device may report", examples=[["weighing", "scan", "status", "presence"]]
    )


class Presence(BaseModel):
    """What is known of a device's line. All null for a device that was never heard."""

    state: Literal["online", "offline"] | None = Field(description="as the device, or the broker for it, said last")
    state_at: datetime | None
    last_heard_at: datetime | None = Field(description="last live record; a backlog is no proof of life")
    clock_offset_ms: int | None = Field(
        description="how far its clock is ahead of ours, an estimate that reads a little low; null while it never said"
    )
    boot: str | None = Field(description="the current power-up", examples=["6f1e3e43a0b1c2d3"])
    boot_at: datetime | None
