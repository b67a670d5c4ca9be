"""What each noun's sheet holds: its columns in English and Chinese, how a cell is read, what identifies an entry.

Data, not code: reading rows, comparing them and writing them treat all nouns alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from fleet.ledger import cells
from fleet.ledger.report import Noun, Value

# What a cell may name: another entry of the ledger, or a kind of device.
Reference = Literal["regions", "sites", "merchants", "models", "kinds"]
Entry = Mapping[str, Value | None]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. *needed* is for new entries only; *default* is what a new entry gets from an empty cell."""

    name: str
    chinese: tuple[str, ...]
    read: cells.Reader
    needed: bool = False
    default: Value | None = None
    refers_to: Reference | None = None
    # What may be written, and the same in Chinese, where that is a closed set.
    words: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """One noun: *key* names the columns that identify an entry; *rule* says what is wrong with a whole entry."""

    noun: Noun
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rule: Callable[[Entry], tuple[str, str, str] | None] = field(default=lambda _: None)

    def column(self, name: str) -> Column:
        """The column of that English name."""
        return next(column for column in self.columns if column.name == name)

    def key_of(self, entry: Entry) -> tuple[Value, ...]:
        """What identifies *entry*, which must hold its key columns."""
        return tuple(value for name in self.key if (value := entry[name]) is not None)


SITE_KINDS: Final = {
    "slaughterhouse": "屠宰厂",
    "wholesale_market": "批发市场",
    "wet_market": "菜市场",
    "supermarket": "超市",
    "group_caterer": "团体消费单位",
    "cold_store": "冷库",
    "specialty_shop": "专卖店",
    "check_point": "查验点",
    "origin_wholesaler": "产地批发",
    "ecommerce": "电商",
}
# As the database's table of kinds has them, which is what an import goes by.
DEVICE_KINDS: Final = {
    "trace_scale": "追溯秤",
    "kiosk": "查询机",
    "handheld": "手持读写终端",
    "card_reader": "读卡器",
    "scanner": "扫码器",
    "logger": "温湿度记录仪",
    "door_sensor": "门磁",
    "gateway": "网关",
}
DEVICE_STATES: Final = {
    "draft": "草稿",
    "in_stock": "在库",
    "in_service": "在用",
    "suspended": "停用",
    "faulty": "故障",
    "repairing": "维修",
    "idle": "闲置",
    "recovered": "回收入库",
    "pending_disposal": "待处置",
    "disposed": "已处置",
    "lost": "盘亏",
}
# GB/T 2260 was first in force about then; a region without a date is taken as always valid.
FIRST_DAY: Final = date(1980, 1, 1)

_REGION = cells.code(r"[0-9]{6}", "the 6 digits of GB/T 2260, such as 410100")
_CODE = cells.code(r"[A-Za-z0-9_.-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, - _ and .")
_DEVICE_NO = cells.code(r"[A-Za-z0-9_-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, - and _: it is part of an MQTT topic")


def _in_both_languages(names: Mapping[str, str]) -> cells.Reader:
    return cells.choice({name: name for name in names} | {chinese: name for name, chinese in names.items()})


def _ends_after_it_begins(region: Entry) -> tuple[str, str, str] | None:
    begins, ends = region["valid_from"], region["valid_to"]
    if isinstance(begins, date) and isinstance(ends, date) and ends <= begins:
        return "valid_to", f"is not after valid_from ({begins})", "write the first day on which the code is void"
    return None


LEDGERS: Final[Mapping[Noun, Ledger]] = {
    "regions": Ledger(
        "regions",
        (
            Column("region_code", ("行政区划代码", "区划代码"), _REGION, needed=True),
            Column("name_zh", ("中文名称", "名称"), cells.text, needed=True),
            Column("name_en", ("英文名称",), cells.text, needed=True),
            Column("parent_code", ("上级代码", "上级区划代码"), _REGION, refers_to="regions"),
            Column("valid_from", ("启用日期",), cells.day, default=FIRST_DAY),
            Column("valid_to", ("废止日期",), cells.day),
        ),
        key=("region_code", "valid_from"),
        rule=_ends_after_it_begins,
    ),
    "sites": Ledger(
        "sites",
        (
            Column("site_no", ("节点编号", "节点企业编号"), _CODE, needed=True),
            Column("name_zh", ("中文名称", "名称"), cells.text, needed=True),
            Column("name_en", ("英文名称",), cells.text, needed=True),
            Column("kind", ("节点类型", "类型"), _in_both_languages(SITE_KINDS), needed=True, words=SITE_KINDS),
            Column("region_code", ("行政区划代码", "区划代码"), _REGION, needed=True, refers_to="regions"),
        ),
        key=("site_no",),
    ),
    "merchants": Ledger(
        "merchants",
        (
            Column("merchant_code", ("商户编码", "商户代码", "经营者编码"), _CODE, needed=True),
            Column("name", ("商户名称", "名称"), cells.text, needed=True),
        ),
        key=("merchant_code",),
    ),
    "models": Ledger(
        "models",
        (
            Column("model_no", ("型号", "设备型号"), cells.text, needed=True),
            Column("kind", ("设备类型", "类型"), cells.text, needed=True, refers_to="kinds", words=DEVICE_KINDS),
            Column("vendor", ("厂商", "生产厂商", "厂家"), cells.text, needed=True),
        ),
        key=("model_no",),
    ),
    "devices": Ledger(
        "devices",
        (
            Column("device_no", ("设备编号",), _DEVICE_NO, needed=True),
            Column("model_no", ("型号", "设备型号"), cells.text, needed=True, refers_to="models"),
            Column("site_no", ("节点编号", "节点企业编号"), _CODE, needed=True, refers_to="sites"),
            Column("stall_no", ("摊位号",), cells.text),
            Column("merchant_code", ("商户编码", "商户代码", "经营者编码"), _CODE, refers_to="merchants"),
            Column(
                "state",
                ("状态", "设备状态"),
                _in_both_languages(DEVICE_STATES),
                default="in_service",
                words=DEVICE_STATES,
            ),
        ),
        key=("device_no",),
    ),
}
