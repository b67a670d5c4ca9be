"""What may be asked of a device in its life: a move, of one of six sorts, as data that sheets and requests share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

MoveKind = Literal["transition", "swap", "board", "transfer", "recover", "lose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One device to be moved, and how. *row* says where it was asked for; the fields its sort has no use for are None.

    *to* is the state that follows; of a swap and a recovery, that of the device that leaves its place.
    """

    device_no: str
    reason: str
    row: int = 1
    to: str | None = None
    document: str | None = None
    cost_fen: int | None = None
    new_device_no: str | None = None
    site_no: str | None = None
    stall_no: str | None = None
    merchant_code: str | None = None
    storage_place: str | None = None
    factory_no: str | None = None
    mac: str | None = None
    hardware_version: str | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """What a sort of move is called, the fields it needs, and those it may have; its sheet has the same columns."""

    name_zh: str
    name_en: str
    needs: tuple[str, ...]
    may_have: tuple[str, ...] = ()
    # Of these, one at least.
    one_of: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All of them, in the order of a sheet."""
        return (*self.needs, *self.one_of, *self.may_have)


SORTS: Final[Mapping[MoveKind, Sort]] = {
    "transition": Sort("状态变更", "change of state", ("device_no", "to", "reason"), ("document", "cost_fen")),
    "swap": Sort(
        "换机",
        "swap for another device",
        ("device_no", "new_device_no", "reason"),
        ("to", "storage_place", "document", "cost_fen"),
    ),
    "board": Sort(
        "更换主板",
        "change of the mainboard",
        ("device_no", "reason"),
        one_of=("factory_no", "mac", "hardware_version"),
    ),
    "transfer": Sort(
        "调换位置",
        "transfer to another place",
        ("device_no", "reason"),
        one_of=("site_no", "stall_no", "merchant_code"),
    ),
    "recover": Sort(
        "回收入库",
        "recovery to stock",
        ("device_no", "reason"),
        ("to", "storage_place", "site_no", "document", "cost_fen"),
    ),
    "lose": Sort("盘亏", "loss", ("device_no", "document", "reason"), ("cost_fen",)),
}
# As people write them above a column.
CHINESE: Final[Mapping[str, str]] = {
    "device_no": "设备编号",
    "to": "目标状态",
    "reason": "原因",
    "document": "文件",
    "cost_fen": "费用(分)",
    "new_device_no": "新设备编号",
    "site_no": "节点编号",
    "stall_no": "摊位号",
    "merchant_code": "商户编码",
    "storage_place": "存放地点",
    "factory_no": "出厂编号",
    "mac": "MAC地址",
    "hardware_version": "硬件版本",
}
