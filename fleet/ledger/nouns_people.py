"""The sheets of those who trade and those who answer: merchants, memberships, parties, responsibilities."""

from typing import Final

from fleet.ledger import cells, identities
from fleet.ledger.columns import DEVICE, MERCHANT, PARTY, Column, Ledger, word
from fleet.ledger.nouns_places import CODE, CREDIT_CODE, SITE_NO
from fleet.ledger.words import DUTIES, MERCHANT_STATUSES, PARTY_KINDS

DEVICE_NO: Final = cells.code(r"[A-Za-z0-9_-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, - and _: it is part of an MQTT topic")
_CODE_HEADERS: Final = ("商户编码", "商户代码", "经营者编码", "经营者代码")
_CONTACT: Final = Column("contact_name", ("联系人", "负责人"), cells.text, english=("contact",))
_PHONE: Final = Column(
    "phone", ("联系电话", "手机号", "电话"), identities.phone, english=("mobile", "telephone"), personal="phone"
)

MERCHANTS: Final = Ledger(
    "merchants",
    "merchants",
    (
        Column("merchant_code", _CODE_HEADERS, CODE, needed=True),
        Column("name", ("商户名称", "名称", "经营者名称"), cells.text, needed=True),
        CREDIT_CODE,
        word("status", ("状态", "商户状态"), MERCHANT_STATUSES, default="active"),
        _CONTACT,
        _PHONE,
        Column(
            "identity_no",
            ("身份证号", "身份证号码", "公民身份号码"),
            identities.identity_no,
            english=("id_card_no",),
            stored="identity",
            personal="identity",
        ),
    ),
    key=("merchant_code",),
)
MEMBERSHIPS: Final = Ledger(
    "memberships",
    "site_merchants",
    (
        SITE_NO,
        Column("merchant_code", _CODE_HEADERS, CODE, needed=True, refers_to="merchants", foreign=MERCHANT),
        Column("stall_no", ("摊位号", "摊位"), cells.text, default=""),
    ),
    key=("site_no", "merchant_code", "stall_no"),
)
PARTIES: Final = Ledger(
    "parties",
    "parties",
    (
        Column("party_no", ("责任方编号", "主体编号"), CODE, needed=True),
        Column("name", ("责任方名称", "名称", "主体名称"), cells.text, needed=True),
        word("kind", ("责任方类型", "类型", "主体类型"), PARTY_KINDS, needed=True),
        Column("site_no", SITE_NO.chinese, CODE, refers_to="sites", foreign=SITE_NO.foreign),
        Column("merchant_code", _CODE_HEADERS, CODE, refers_to="merchants", foreign=MERCHANT),
        CREDIT_CODE,
        _CONTACT,
        _PHONE,
    ),
    key=("party_no",),
)
RESPONSIBILITIES: Final = Ledger(
    "responsibilities",
    "device_responsibilities",
    (
        Column("device_no", ("设备编号",), DEVICE_NO, needed=True, refers_to="devices", foreign=DEVICE),
        word("duty", ("责任类型", "职责"), DUTIES, needed=True),
        Column("party_no", ("责任方编号", "主体编号"), CODE, needed=True, refers_to="parties", foreign=PARTY),
    ),
    key=("device_no", "duty"),
)
