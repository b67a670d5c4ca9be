"""What is asked for of a case: an order, as data that requests, commands and sheets share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from fleet.retirement.states import PaperKind


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that is kept elsewhere: what it is, and the hash by which it is known to be the same."""

    kind: PaperKind
    name: str
    sha256: str
    size_bytes: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A step of one case, which is named by its number or by that of its device. *row* says where it was asked for.

    The fields that its step has no use for are None. *document* is the number of the paper that it stands on.
    """

    case_no: str | None = None
    device_no: str | None = None
    row: int = 1
    reason: str = ""
    document: str | None = None
    kept_until: date | None = None
    appraisal: str | None = None
    replacement: str | None = None
    successor_no: str | None = None
    silence: Mapping[str, Any] | None = None
    silent_since: datetime | None = None
    recovered_place: str | None = None
    recovered_by: str | None = None
    photo_sha256: str | None = None
    method: str | None = None
    recipient: str | None = None
    recycler_licence: str | None = None
    receipt_no: str | None = None
    income_fen: int | None = None
    papers: tuple[Paper, ...] = ()


# As people write them above a column.
CHINESE: Final[Mapping[str, str]] = {
    "case_no": "处置单号",
    "device_no": "设备编号",
    "reason": "原因",
    "document": "文件",
    "kept_until": "留用至",
    "appraisal": "鉴定结论",
    "replacement": "替换方式",
    "successor_no": "替换设备编号",
    "recovered_place": "存放地点",
    "recovered_by": "回收人",
    "photo_sha256": "照片哈希",
    "method": "处置方式",
    "recipient": "接收单位",
    "recycler_licence": "回收资质",
    "receipt_no": "凭据号",
    "income_fen": "处置收入(分)",
}
