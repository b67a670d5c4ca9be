"""What each column of the ledger's sheets means, in Chinese and English, with an example that an import would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fleet.ledger.columns import Column, Ledger


@dataclass(frozen=True, slots=True)
class Explained:
    """A column in a sentence of each language."""

    chinese: str
    english: str
    example: str


# By name, and by noun and name where a name means several things.
EXPLAINED: Final[Mapping[str, Explained]] = {
    name: Explained(*texts)
    for name, texts in {
        # places
        "region_code": ("GB/T 2260 行政区划代码", "the region's code of GB/T 2260", "410105"),
        "code_profiles.region_code": (
            "适用的区划：2、4 或 6 位，含下级",
            "the region it holds for, with all below it: 2, 4 or 6 digits",
            "4101",
        ),
        "regions.name_zh": ("区划中文名称", "the region's name in Chinese", "金水区"),
        "regions.name_en": ("区划英文名称", "the region's name in English", "Jinshui"),
        "parent_code": ("上一级区划的代码", "the code of the region above", "410100"),
        "valid_from": ("自该日起有效", "the first day on which it holds", "2012-01-01"),
        "valid_to": (
            "自该日起失效；仍有效则留空",
            "the first day on which it holds no more; empty while it does",
            "2030-01-01",
        ),
        "site_no": ("节点企业编号", "the number of the node enterprise", "410105001"),
        "name_zh": ("节点中文名称", "the site's name in Chinese", "金水农贸市场"),
        "name_en": ("节点英文名称", "the site's name in English", "Jinshui Market"),
        "sites.kind": ("节点企业类型", "the kind of node enterprise", "wet_market"),
        "address": ("详细地址", "the address in full", "郑州市金水区文化路 1 号"),
        "devices.address": (
            "安装地址，与节点地址不同时填写",
            "where it is installed, if not at the site's address",
            "文化路 1 号",
        ),
        "lat": ("纬度，十进制度", "the latitude in decimal degrees", "34.7657"),
        "lon": ("经度，十进制度", "the longitude in decimal degrees", "113.6621"),
        "credit_code": ("统一社会信用代码，18 位", "the unified social credit code", "91350100M000100Y43"),
        "sites.status": ("节点状态", "whether the site takes part", "active"),
        "opening_hours": (
            "每周营业时间，1 为周一",
            "weekly opening hours; 1 is Monday",
            "1-5 06:00-18:00; 6,7 05:00-19:00",
        ),
        "begins_on": ("停业首日", "the first day of the closure", "2026-02-16"),
        "ends_on": ("停业末日（含）", "its last day", "2026-02-22"),
        "closures.kind": ("停业类型", "why in a word", "holiday"),
        "reason": ("停业原因", "why in a sentence", "春节放假"),
        "document": ("依据文件编号", "the document that says so", "停业报备〔2026〕3号"),
        # people
        "merchant_code": ("商户编码", "the merchant's code", "4101050010001"),
        "name": ("商户名称", "the merchant's name", "张记鲜肉"),
        "merchants.status": ("商户状态", "whether the merchant trades", "active"),
        "contact_name": ("联系人姓名", "whom to ask for", "李红"),
        "phone": ("联系电话，加密保存", "the phone; kept encrypted", "13800138000"),
        "identity_no": (
            "公民身份号码，加密保存",
            "the citizen's identity number; kept encrypted",
            "11010519491231002X",
        ),
        "stall_no": ("摊位号", "the number of the stall", "A-012"),
        "party_no": ("责任方编号", "the number of the party", "P-0001"),
        "parties.name": ("责任方名称", "the party's name", "郑州市商务局"),
        "parties.kind": ("责任方类型", "what the party is", "government"),
        "parties.site_no": ("责任方为节点企业时，其编号", "the site that the party is, if it is one", "410105001"),
        "parties.merchant_code": (
            "责任方为商户时，其编码",
            "the merchant that the party is, if it is one",
            "4101050010001",
        ),
        "duty": ("责任类型", "what the party answers for", "operation"),
        # rules
        "subject": ("编码的对象", "what the codes are of", "site"),
        "version": ("版本号", "the version of the rule", "1"),
        "pattern": ("编码格式（正则表达式）", "how a code is written, as a pattern", "[0-9]{9}"),
        "segments": ("各段含义", "what its parts mean", "region 1-6; serial 7-9"),
        "verified": ("是否已与正式文件核对", "whether somebody has compared it with the document", "no"),
        "source": ("来源文件", "where it is from", "豫商办文〔2018〕81号"),
        "registration_gates.kind": ("受限的设备类型", "the kind of device it holds for", "kiosk"),
        "acquired_after": ("在此日之后取得的设备受限", "devices acquired after this day are concerned", "2018-08-27"),
        "policy": ("准入策略", "what becomes of them", "require_exemption"),
        "basis": ("依据文件", "the document it rests on", "豫商办文〔2018〕81号"),
        "instead_zh": ("可用什么替代", "what may come instead, in Chinese", "二维码查询"),
        "instead_en": ("可用什么替代（英文）", "what may come instead, in English", "QR look-up"),
        # models
        "model_no": ("设备型号", "the model's number", "ACS-15"),
        "models.kind": ("设备类型", "the kind of device", "trace_scale"),
        "vendor": ("生产厂商", "who makes it", "某某衡器"),
        "models.name": ("型号名称", "the model's name", "15 kg 追溯秤"),
        "service_life_months": ("设计使用年限，月", "how long it is made to serve, in months", "72"),
        "min_firmware": ("允许的最低固件版本", "the oldest firmware that may run", "2.4.0"),
        "support_ends_on": ("厂商停止支持日期", "the day on which its maker's support ends", "2030-12-31"),
        "transport_security": ("设备通信的加密方式", "how its connection is protected", "tls"),
        "withdrawn_on": ("不再采购的日期", "the day from which it is no longer bought", "2028-01-01"),
        # devices
        "device_no": (
            "设备编号，也是设备上报主题的一部分",
            "the device's number, a part of the topics it reports to",
            "TD-410105-SC-000001",
        ),
        "devices.name": ("设备名称", "what people call it", "一号通道追溯秤"),
        "factory_no": ("出厂编号（序列号）", "the maker's serial number", "2018060012345"),
        "mac": ("网卡地址", "the address of its network card", "A4:CF:12:00:3B:07"),
        "imei": ("IMEI，加密保存", "its IMEI; kept encrypted", "490154203237518"),
        "iccid": ("SIM 卡号，加密保存", "the number of its SIM card; kept encrypted", "89860012345678901234"),
        "hardware_version": ("硬件版本", "the version of its hardware", "B2"),
        "firmware": ("固件版本", "the version of its firmware", "2.4.1"),
        "photo_sha256": (
            "照片文件的 SHA-256",
            "the SHA-256 of its photograph",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        "asset_no": ("固定资产编号", "its number in the books", "GZ-2018-00123"),
        "asset_class_standard": ("资产分类所依据的标准", "the standard of its asset class", "GB/T 14885-2010"),
        "asset_class_code": ("资产分类代码", "its asset class", "2100701"),
        "owner_type": ("产权归属", "who owns it", "government"),
        "fund_source": ("资金来源", "who paid for it", "central_subsidy"),
        "contract_no": ("采购合同编号", "the contract it was bought with", "HT-2018-017"),
        "supplier": ("供应商", "who delivered it", "某某科技"),
        "acquired_on": ("取得日期", "the day it was acquired", "2018-06-01"),
        "accepted_on": ("验收日期", "the day it was accepted", "2018-06-20"),
        "original_value_yuan": ("账面原值，元", "what it cost, in yuan", "3600.00"),
        "depreciation_months": ("折旧年限，月", "how long it is written off, in months", "60"),
        "warranty_until": ("质保期末日", "the last day of its warranty", "2020-06-19"),
        "min_service_months": ("最低使用年限，月", "how long it has to serve, in months", "72"),
        "devices.merchant_code": ("使用该设备的商户", "the merchant who uses it", "4101050010001"),
        "storage_place": ("存放地点", "where it lies while it is in stock", "二号库 3 排"),
        "custodian": ("保管人", "who keeps it", "王强"),
        "custodian_phone": ("保管人电话，加密保存", "that person's phone; kept encrypted", "13800138000"),
        "installer": ("安装单位或安装人", "who installed it", "某某科技"),
        "installed_on": ("安装日期", "the day it was installed", "2018-06-25"),
        "type_approval_no": ("计量器具型式批准证书编号", "the number of its type approval", "2016F123-41"),
        "accuracy_class": ("准确度等级", "its accuracy class", "III"),
        "max_g": ("最大秤量，克", "its maximum capacity, in grams", "15000"),
        "min_g": ("最小秤量，克", "its minimum capacity, in grams", "100"),
        "interval_g": ("检定分度值，克", "its verification scale interval, in grams", "5"),
        "seal_no": ("铅封编号", "the number of its seal", "QF-00123"),
        "verification_no": ("检定证书编号", "the number of its verification certificate", "JL2026-00123"),
        "verification_body": ("检定机构", "who verified it", "郑州市计量所"),
        "verification_rule": ("检定规程", "the rule it was verified by", "JJG 539-2016"),
        "verified_on": ("检定日期", "the day it was verified", "2026-03-01"),
        "verified_until": ("检定有效期末日", "the last day on which that holds", "2027-02-28"),
        "verification_result": ("检定结果", "what came out", "passed"),
        "is_fair_scale": ("是否为公平秤", "whether customers may check their goods on it", "no"),
        "protocol": ("通信协议", "the protocol it speaks", "MQTT 5"),
        "sim_plan": ("流量套餐", "the tariff of its SIM card", "100 MB/月"),
        "gateway_no": ("代其上报的网关编号", "the gateway that speaks for it", "TD-410105-GW-000001"),
        "state": ("设备状态", "where it is in its life", "in_service"),
        "state_reason": ("状态变更原因", "why it is in that state", "市场改造"),
        "commissioned_on": ("投用日期", "the day on which it went into service", "2018-07-01"),
        "exemption_document": (
            "豁免文件编号",
            "the document that exempts it from the registration gate",
            "豫商函〔2019〕12号",
        ),
    }.items()
}
_REFERENCES: Final = {
    "regions": ("台账中的行政区划", "a region of the ledger"),
    "sites": ("台账中的节点", "a site of the ledger"),
    "merchants": ("台账中的商户", "a merchant of the ledger"),
    "parties": ("台账中的责任方", "a party of the ledger"),
    "models": ("台账中的型号", "a model of the ledger"),
    "devices": ("台账中的设备", "a device of the ledger"),
}
_TYPES: Final = {
    "text": ("文本", "text"),
    "integer": ("整数", "a whole number"),
    "bigint": ("整数", "a whole number"),
    "numeric": ("数字，最多两位小数", "a number with at most two decimals"),
    "double precision": ("数字", "a number"),
    "boolean": ("是、否", "yes, no"),
    "date": ("日期，年-月-日", "a day, year-month-day"),
}


def explained(ledger: Ledger, column: Column) -> Explained:
    """What *column* means in the sheet of *ledger*."""
    return EXPLAINED.get(f"{ledger.noun}.{column.name}") or EXPLAINED[column.name]


def form_of(column: Column) -> tuple[str, str]:
    """What may be written in *column*, in Chinese and in English."""
    if column.words is not None:
        return "、".join(column.words.values()), ", ".join(column.words)
    if column.refers_to is not None and column.refers_to in _REFERENCES:
        return _REFERENCES[column.refers_to]
    return _TYPES[column.sql_type]
