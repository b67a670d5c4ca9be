"""The sheets of places: regions, sites and the days on which sites are closed."""

from datetime import date
from typing import Final

from fleet.ledger import cells
from fleet.ledger.columns import SITE, Column, Ledger, word
from fleet.ledger.hours import opening_hours
from fleet.ledger.identities import credit_code
from fleet.ledger.quantities import degrees
from fleet.ledger.words import CLOSURE_KINDS, SITE_KINDS, SITE_STATUSES

# GB/T 2260 was first in force about then; a region without a date is taken as always valid.
FIRST_DAY: Final = date(1980, 1, 1)
REGION: Final = cells.code(r"[0-9]{6}", "the 6 digits of GB/T 2260, such as 410100")
CODE: Final = cells.code(r"[A-Za-z0-9_.-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, - _ and .")

SITE_NO: Final = Column(
    "site_no", ("节点编号", "节点企业编号", "节点代码"), CODE, needed=True, refers_to="sites", foreign=SITE
)
ADDRESS: Final = Column("address", ("地址", "详细地址"), cells.long_text)
LAT: Final = Column("lat", ("纬度",), degrees(90), english=("latitude",), sql_type="double precision")
LON: Final = Column("lon", ("经度",), degrees(180), english=("longitude", "lng"), sql_type="double precision")
CREDIT_CODE: Final = Column(
    "credit_code", ("统一社会信用代码", "信用代码"), credit_code, english=("unified_social_credit_code", "uscc")
)

REGIONS: Final = Ledger(
    "regions",
    "regions",
    (
        Column("region_code", ("行政区划代码", "区划代码"), REGION, needed=True),
        Column("name_zh", ("中文名称", "名称"), cells.text, needed=True),
        Column("name_en", ("英文名称",), cells.text, needed=True),
        Column("parent_code", ("上级代码", "上级区划代码"), REGION, refers_to="regions"),
        Column("valid_from", ("启用日期",), cells.day, default=FIRST_DAY, sql_type="date"),
        Column("valid_to", ("废止日期",), cells.day, sql_type="date"),
    ),
    key=("region_code", "valid_from"),
    follows={},
)
SITES: Final = Ledger(
    "sites",
    "sites",
    (
        Column("site_no", ("节点编号", "节点企业编号", "节点代码"), CODE, needed=True),
        Column("name_zh", ("中文名称", "名称", "节点名称"), cells.text, needed=True),
        Column("name_en", ("英文名称",), cells.text, needed=True),
        word("kind", ("节点类型", "类型"), SITE_KINDS, needed=True),
        Column("region_code", ("行政区划代码", "区划代码"), REGION, needed=True, refers_to="regions"),
        ADDRESS,
        LAT,
        LON,
        CREDIT_CODE,
        word("status", ("状态", "节点状态"), SITE_STATUSES, default="active"),
        Column("opening_hours", ("营业时间", "营业时段"), opening_hours, english=("hours", "business_hours")),
    ),
    key=("site_no",),
)
CLOSURES: Final = Ledger(
    "closures",
    "site_closures",
    (
        SITE_NO,
        Column("begins_on", ("开始日期", "停业开始日期"), cells.day, needed=True, sql_type="date"),
        Column("ends_on", ("结束日期", "停业结束日期"), cells.day, needed=True, sql_type="date"),
        word("kind", ("停业类型", "类型"), CLOSURE_KINDS, needed=True),
        Column("reason", ("原因", "停业原因"), cells.long_text, needed=True),
        Column("document", ("文件", "依据文件"), cells.text, english=("document_no",)),
    ),
    key=("site_no", "begins_on"),
)
