"""Strangers and ghosts: what speaks and is not in the ledger, and what is in the ledger and does not speak.

Five lists, each with a count and the sentence that says what to do about what stands in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.identity.ghosts import COUNT_GHOSTS, GHOSTS
from fleet.identity.sharing import CLIENT_IDS, COUNT_CLIENT_IDS, COUNT_SHARED_CREDENTIALS, SHARED_CREDENTIALS
from fleet.identity.strangers import COUNT_RETIRED, COUNT_STRANGERS, RETIRED, STRANGERS

ListName = Literal["strangers", "ghosts", "shared_credentials", "client_ids", "retired"]


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: its queries, the columns that order it, and what to do about what it shows.

    *page* takes ``after`` and ``after_username`` (None for the first page) and ``rows``; *count* takes nothing.
    """

    title_zh: str
    title_en: str
    count: LiteralString
    page: LiteralString
    key: tuple[str, ...]
    remedy_zh: str
    remedy_en: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A page of a list, and how many stand on all its pages."""

    total: int
    rows: list[dict[str, Any]]


LISTINGS: Final[Mapping[ListName, Listing]] = {
    "strangers": Listing(
        "未登记设备",
        "Strangers: devices that speak and are not in the ledger",
        COUNT_STRANGERS,
        STRANGERS,
        ("device_no",),
        "核实设备归属后登记并重放其隔离数据：`tracefleet devices adopt 设备编号 --model 型号 --site 节点编号 --apply`；"
        "不属于本系统的，在现场停用，其数据用 `tracefleet dead-letters purge` 清除。",
        "Find out whose it is, then register it and replay its quarantine: `tracefleet devices adopt DEVICE_NO "
        "--model MODEL --site SITE --apply`. What does not belong here is switched off where it stands, and its "
        "letters go with `tracefleet dead-letters purge`.",
    ),
    "ghosts": Listing(
        "从未上线设备",
        "Ghosts: devices in service that were never heard",
        COUNT_GHOSTS,
        GHOSTS,
        ("device_no",),
        "到现场核查：通电、联网、设备编号与凭据是否写入；有死信或被拒绝原因的，先看其原因；"
        "台账有误或设备未投用的，更改其状态。",
        "Look at the place: power, network, and whether number and credential were written into the device. Where "
        "it is refused, mend that first. If it is not in use at all, correct its state in the ledger.",
    ),
    "shared_credentials": Listing(
        "共用凭据",
        "Shared credentials: one device's credential used from several hosts at the same time",
        COUNT_SHARED_CREDENTIALS,
        SHARED_CREDENTIALS,
        ("device_no",),
        "先核实设备是否更换过网络；确认凭据被复制的，立即更换该设备凭据并吊销旧凭据，查明另一主机是哪台设备。",
        "Ask first whether the device changed its network and came back. If the credential was copied, give the "
        "device a new one, revoke the old, and find out what the other host is.",
    ),
    "client_ids": Listing(
        "客户端标识冲突",
        "Conflicting client ids: sent with another device's credential, or by several users",
        COUNT_CLIENT_IDS,
        CLIENT_IDS,
        ("client_id", "username"),
        "客户端标识必须等于设备编号：改正设备配置；同一标识被多台设备使用，多为复制了配置或镜像，逐台重新写入编号与凭据。",
        "The client id has to be the device's number: correct it in the device. One id in several devices is mostly "
        "a copied configuration or disk image: write number and credential into each of them anew.",
    ),
    "retired": Listing(
        "已注销仍在尝试的设备",
        "Retired identities that still try",
        COUNT_RETIRED,
        RETIRED,
        ("device_no",),
        "设备已处置、盘亏或凭据已吊销却仍在连接：找到设备并断电；误处置的，用新编号重新登记，原编号不再使用；"
        "凭据更换后仍用旧凭据的，把新凭据写入设备。",
        "A device that was disposed of, lost or revoked still connects: find it and switch it off. If it was retired "
        "by mistake, register it under a new number: the old one is never issued again. If it still uses an old "
        "credential, write the new one into it.",
    ),
}


def look(
    connection: Connection[Any], name: ListName, *, after: Mapping[str, str] | None = None, limit: int = 50
) -> Seen:
    """Up to *limit* rows of a list beyond the row with the key *after*, in the order of the key, and the total."""
    listing = LISTINGS[name]
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(listing.page, parameters(listing, after) | {"rows": limit}).fetchall()
        counted = cursor.execute(listing.count).fetchone()
    return Seen(counted["total"] if counted else 0, rows)


def parameters(listing: Listing, after: Mapping[str, str] | None) -> dict[str, object]:
    """What *listing*'s page query takes to begin beyond the row with the key *after*, but ``rows``."""
    position: dict[str, object] = {"after": None, "after_username": None}
    if after is not None:
        first, *rest = listing.key
        position |= {"after": after[first]} | {f"after_{name}": after[name] for name in rest}
    return position
