"""The closed sets of words in the ledger's columns, each with its Chinese."""

from typing import Final

from fleet.lifecycle.states import NAMES

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
SITE_STATUSES: Final = {"active": "正常", "suspended": "暂停", "cancelled": "取消"}
CLOSURE_KINDS: Final = {"filed": "停业报备", "holiday": "节假日", "maintenance": "检修", "ordered": "责令停业"}
MERCHANT_STATUSES: Final = {"active": "正常", "suspended": "暂停"}
PARTY_KINDS: Final = {"government": "政府部门", "operator": "运维方", "site": "节点企业", "merchant": "商户"}
DUTIES: Final = {"supervision": "监管", "operation": "运维", "custody": "保管", "use": "使用"}
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
DEVICE_STATES: Final[dict[str, str]] = {state: chinese for state, (chinese, _) in NAMES.items()}
TRANSPORT_SECURITY: Final = {"none": "无", "tls": "单向TLS", "mutual_tls": "双向TLS", "unknown": "未知"}
ASSET_STANDARDS: Final = {
    "GB/T 14885-2010": "固定资产分类与代码2010",
    "GB/T 14885-2022": "固定资产等资产基础分类与代码2022",
}
OWNER_TYPES: Final = {
    "government": "政府",
    "operator": "运维方",
    "site": "节点企业",
    "merchant": "商户",
    "leased": "租赁",
}
FUND_SOURCES: Final = {"central_subsidy": "中央补助", "local": "地方资金", "self_raised": "自筹"}
VERIFICATION_RESULTS: Final = {"passed": "合格", "failed": "不合格", "withdrawn": "撤销"}
CODE_SUBJECTS: Final = {"site": "节点", "merchant": "商户", "trace": "追溯码", "goods": "商品"}
GATE_POLICIES: Final = {"block": "禁止", "require_exemption": "须有豁免文件", "warn": "提醒"}
