"""What people read on a dashboard, in English and in Chinese. The words a query answers with are the same in both."""

from collections.abc import Callable
from typing import Final

# Given a text in English and in Chinese, the one to show.
Say = Callable[[str, str], str]
# By the word a query answers with, its text in both.
Words = dict[str, tuple[str, str]]

STREAMS: Final[Words] = {
    "weighing": ("weighing", "称重"),
    "scan": ("scan", "扫码"),
    "coldchain": ("cold chain", "冷链"),
    "status": ("status", "状态"),
    "presence": ("presence", "上下线"),
}
OUTCOMES: Final[Words] = {
    "stored": ("stored", "入库"),
    "duplicate": ("duplicate", "重复"),
    "conflict": ("conflict", "冲突"),
    "dead_lettered": ("dead letter", "死信"),
}
# Of dead letters. A panel shows the codes, which people search for, and its description these texts.
REASONS: Final[Words] = {
    "bad_topic": ("no topic of ours", "主题不合规定"),
    "bad_json": ("no JSON", "不是 JSON"),
    "bad_utf8": ("no UTF-8", "不是 UTF-8"),
    "too_large": ("too large", "过大"),
    "too_deep": ("nested too deep", "嵌套过深"),
    "bad_version": ("unknown version of the message", "消息版本不支持"),
    "bad_message": ("wrong form of the message", "消息格式错误"),
    "bad_record": ("wrong form of a record", "记录格式错误"),
    "out_of_range": ("value out of range", "数值超出范围"),
    "non_finite": ("number that is none", "非有限数值"),
    "nul_character": ("NUL character", "含 NUL 字符"),
    "clock_out_of_range": ("impossible time", "时间超出范围"),
    "no_time": ("no time", "缺少时间"),
    "unknown_device": ("device not in the ledger", "设备未登记"),
    "retired_device": ("device retired: disposed of or lost", "设备已退役（处置或盘亏）"),
    "wrong_stream": ("stream not of this kind of device", "该类设备不应有此数据流"),
    "database_rejected": ("refused by the database", "数据库拒绝"),
    "crashed": ("fault of ours", "程序故障"),
}
KINDS: Final[Words] = {
    "trace_scale": ("trace scale", "追溯秤"),
    "kiosk": ("query kiosk", "查询机"),
    "handheld": ("handheld terminal", "手持读写终端"),
    "card_reader": ("card reader", "读卡器"),
    "scanner": ("scanner", "扫码器"),
    "logger": ("cold-chain logger", "温湿度记录仪"),
    "door_sensor": ("door sensor", "门磁"),
    "gateway": ("gateway", "网关"),
}
STATES: Final[Words] = {
    "draft": ("draft", "草稿"),
    "in_stock": ("in stock", "在库"),
    "in_service": ("in service", "在用"),
    "suspended": ("suspended", "停用"),
    "faulty": ("faulty", "故障"),
    "repairing": ("repairing", "维修中"),
    "idle": ("idle", "闲置"),
    "recovered": ("recovered", "已回收"),
    "pending_disposal": ("pending disposal", "待处置"),
    "disposed": ("disposed", "已处置"),
    "lost": ("lost", "丢失"),
}
PRESENCES: Final[Words] = {
    "online": ("online", "在线"),
    "late": ("late", "迟到"),
    "silent": ("silent", "失联"),
    "never_seen": ("never seen", "从未上线"),
    "excused": ("nothing expected", "免计"),
}
BANDS: Final[Words] = {
    "90": ("90 and more", "90 分及以上"),
    "80": ("80 to 89", "80 至 89 分"),
    "60": ("60 to 79", "60 至 79 分"),
    "0": ("below 60", "60 分以下"),
    "none": ("not judged", "不评分"),
}
CASE_STATES: Final[Words] = {
    "opened": ("under review", "待审核"),
    "kept": ("kept", "留用"),
    "proposed": ("proposed", "已申请处置"),
    "appraised": ("appraised", "已技术鉴定"),
    "approved": ("approved", "已批准"),
    "rejected": ("rejected", "未批准"),
    "executing": ("executing", "执行中"),
    "silent": ("proven silent", "已静默"),
    "recovered": ("recovered", "已回收"),
    "wiped": ("wiped", "数据已清除"),
    "disposed": ("disposed of", "已处置"),
    "written_off": ("written off", "已核销"),
    "archived": ("archived", "已归档"),
    "withdrawn": ("withdrawn", "已撤回"),
    "stopped": ("stopped", "已中止"),
}
SCOPES: Final[Words] = {"platform": ("platform", "平台"), "site": ("site", "节点")}
CHANNELS: Final[Words] = {"broker": ("refused at login", "登录被拒"), "ingest": ("message refused", "消息被拒")}
TRADES: Final[Words] = {"sales": ("sales", "销售"), "returns": ("returns", "退货"), "voids": ("voids", "作废")}


def english(text: str, _: str) -> str:
    """The first text."""
    return text


def chinese(_: str, text: str) -> str:
    """The second text."""
    return text
