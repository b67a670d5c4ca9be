"""The sheets of models and devices. Headers are those of asset ledgers and of the national standards for scales."""

from typing import Final

from fleet.ledger import cells, identities, quantities
from fleet.ledger.columns import GATEWAY, MODEL, Column, Ledger, word
from fleet.ledger.nouns_people import DEVICE_NO, MERCHANTS
from fleet.ledger.nouns_people import MEMBERSHIPS as _MEMBERSHIPS
from fleet.ledger.nouns_places import ADDRESS, CODE, LAT, LON, SITE_NO
from fleet.ledger.words import (
    ASSET_STANDARDS,
    DEVICE_KINDS,
    DEVICE_STATES,
    FUND_SOURCES,
    OWNER_TYPES,
    TRANSPORT_SECURITY,
    VERIFICATION_RESULTS,
)

# 50 years, and 100 tonnes: no device of this trade is beyond either.
_MOST_MONTHS: Final = 600
_MOST_GRAMS: Final = 100_000_000


def _months(name: str, chinese: str, english: str) -> Column:
    return Column(
        name,
        (f"{chinese}(月)", chinese),
        quantities.months(_MOST_MONTHS),
        units={f"{chinese}(年)": quantities.years(_MOST_MONTHS), f"{english}_years": quantities.years(_MOST_MONTHS)},
        sql_type="integer",
    )


def _grams(name: str, chinese: tuple[str, ...], lowest: int) -> Column:
    in_kilograms = quantities.kilograms(lowest, _MOST_GRAMS)
    symbol = name.removesuffix("_g")
    return Column(
        name,
        tuple(f"{each}(g)" for each in chinese),
        quantities.grams(lowest, _MOST_GRAMS),
        units={f"{each}(kg)": in_kilograms for each in chinese} | {f"{symbol}_kg": in_kilograms},
        sql_type="integer",
    )


def _day(name: str, *chinese: str, english: tuple[str, ...] = ()) -> Column:
    return Column(name, chinese, cells.day, english=english, sql_type="date")


MODELS: Final = Ledger(
    "models",
    "models",
    (
        Column("model_no", ("型号", "设备型号"), cells.text, needed=True),
        Column("kind", ("设备类型", "类型"), cells.text, needed=True, refers_to="kinds", words=DEVICE_KINDS),
        Column("vendor", ("厂商", "生产厂商", "厂家", "品牌"), cells.text, needed=True, english=("brand", "maker")),
        Column("name", ("名称", "型号名称"), cells.text),
        _months("service_life_months", "使用年限", "service_life"),
        Column("min_firmware", ("最低固件版本",), cells.text),
        _day("support_ends_on", "停止支持日期", "停服日期"),
        word("transport_security", ("传输安全",), TRANSPORT_SECURITY, default="unknown"),
        _day("withdrawn_on", "停止采购日期", "淘汰日期"),
    ),
    key=("model_no",),
)

_IDENTITY: Final = (
    Column("device_no", ("设备编号",), DEVICE_NO, needed=True),
    Column("model_no", ("型号", "设备型号"), cells.text, needed=True, refers_to="models", foreign=MODEL),
    Column("name", ("设备名称", "名称"), cells.text),
    Column("factory_no", ("出厂编号", "序列号", "机身号"), cells.text, english=("serial_no", "serial_number", "sn")),
    Column("mac", ("MAC地址", "MAC", "物理地址"), identities.mac, english=("mac_address",)),
    Column("imei", ("IMEI号", "设备串号"), identities.imei, personal="serial"),
    Column("iccid", ("ICCID号", "SIM卡号"), identities.iccid, english=("sim_no",), personal="serial"),
    Column("hardware_version", ("硬件版本",), cells.text, english=("hw_ver", "hw_version")),
    Column("firmware", ("固件版本", "软件版本"), cells.text, english=("fw_ver", "firmware_version")),
    Column("photo_sha256", ("照片摘要",), identities.sha256),
)
_ASSET: Final = (
    Column("asset_no", ("资产编号", "固定资产编号"), cells.text),
    word("asset_class_standard", ("资产分类标准",), ASSET_STANDARDS),
    Column(
        "asset_class_code",
        ("资产分类代码", "资产分类"),
        cells.code(r"[0-9]{7}|A[0-9]{2,12}", "7 digits (GB/T 14885-2010), or A and digits (GB/T 14885-2022)"),
    ),
    word("owner_type", ("产权归属", "产权类型", "权属"), OWNER_TYPES, english=("owner",)),
    word("fund_source", ("资金来源", "经费来源"), FUND_SOURCES),
    Column("contract_no", ("合同编号",), cells.text),
    Column("supplier", ("供应商", "供货商"), cells.text),
    _day("acquired_on", "取得日期", "购置日期", "采购日期", english=("acquired_at", "purchase_date")),
    _day("accepted_on", "验收日期", english=("accepted_at",)),
    Column(
        "original_value_yuan",
        ("原值(元)", "原值", "账面原值", "资产原值"),
        quantities.yuan,
        english=("original_value",),
        units={"original_value_fen": quantities.fen, "原值(分)": quantities.fen},
        sql_type="numeric",
        stored="original_value_fen",
        shown="({} / 100.0)::numeric(16, 2)",
        kept="({} * 100)::bigint",
    ),
    _months("depreciation_months", "折旧年限", "depreciation"),
    _day("warranty_until", "保修期至", "质保期至"),
    _months("min_service_months", "最低使用年限", "min_service"),
)
_PLACE: Final = (
    SITE_NO,
    Column("stall_no", ("摊位号", "摊位"), cells.text),
    Column(
        "merchant_code",
        MERCHANTS.column("merchant_code").chinese,
        CODE,
        refers_to="merchants",
        foreign=_MEMBERSHIPS.column("merchant_code").foreign,
    ),
    Column("address", ("安装地址", *ADDRESS.chinese), ADDRESS.read),
    LAT,
    LON,
    Column("storage_place", ("存放地点", "库位"), cells.text),
    Column("custodian", ("保管人",), cells.text),
    Column("custodian_phone", ("保管人电话", "保管人手机"), identities.phone, personal="phone"),
    Column("installer", ("安装单位", "安装人"), cells.text),
    _day("installed_on", "安装日期", english=("installed_at",)),
)
_METROLOGY: Final = (
    Column("type_approval_no", ("型式批准证书编号", "型式批准编号", "型批编号"), cells.text),
    Column("accuracy_class", ("准确度等级", "精度等级"), cells.text),
    _grams("max_g", ("最大秤量", "最大称量"), 1),
    _grams("min_g", ("最小秤量", "最小称量"), 0),
    _grams("interval_g", ("检定分度值", "分度值"), 1),
    Column("seal_no", ("铅封编号", "铅封号"), cells.text),
    Column("verification_no", ("检定证书编号", "检定证书号"), cells.text, english=("verify_cert_no",)),
    Column("verification_body", ("检定机构", "检定单位"), cells.text, english=("verify_org",)),
    Column("verification_rule", ("检定规程",), cells.text),
    _day("verified_on", "检定日期", english=("verify_date",)),
    _day("verified_until", "检定有效期至", "有效期至", english=("valid_until",)),
    word("verification_result", ("检定结果", "检定结论"), VERIFICATION_RESULTS),
    Column("is_fair_scale", ("是否公平秤", "公平秤"), cells.yes_no, english=("fair_scale",), sql_type="boolean"),
)
_CONNECTIVITY: Final = (
    Column("protocol", ("通信协议", "协议"), cells.text),
    Column("sim_plan", ("流量套餐", "资费套餐"), cells.text),
    Column("gateway_no", ("网关编号",), DEVICE_NO, refers_to="devices", foreign=GATEWAY),
)
_LIFECYCLE: Final = (
    word("state", ("状态", "设备状态"), DEVICE_STATES, default="in_service"),
    Column("state_reason", ("状态原因", "状态说明"), cells.long_text),
    _day("commissioned_on", "投用日期", "启用日期"),
    Column("exemption_document", ("豁免文件", "豁免文件编号"), cells.text, english=("exemption_doc",)),
)
DEVICES: Final = Ledger(
    "devices",
    "devices",
    (*_IDENTITY, *_ASSET, *_PLACE, *_METROLOGY, *_CONNECTIVITY, *_LIFECYCLE),
    key=("device_no",),
    follows={
        "updated_at": "now()",
        "state_since": "CASE WHEN coalesce(entry.state, own.state) <> own.state THEN now() ELSE own.state_since END",
    },
)
