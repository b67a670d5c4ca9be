"""What people read on a dashboard, in English and in Chinese. The words a query answers with are the same in both."""

from collections.abc import Callable, Mapping
from typing import Final

# Given a text in English and in Chinese, the one to show.
Say = Callable[[str, str], str]
# By the word a query answers with, its text in both.
Words = Mapping[str, tuple[str, str]]

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
# Of retries, by the class of the database's error (SQLSTATE) or the driver's own trouble.
RETRIES: Final[Words] = {
    "08": ("connection", "连接异常"),
    "21": ("cardinality", "基数不符"),
    "22": ("data", "数据异常"),
    "23": ("constraint", "违反约束"),
    "25": ("transaction state", "事务状态异常"),
    "40": ("transaction rolled back", "事务回滚"),
    "42": ("statement or right", "语句或权限错误"),
    "53": ("resources", "资源不足"),
    "54": ("limit exceeded", "超出限制"),
    "55": ("object state", "对象状态不符"),
    "57": ("operator intervention", "人为干预或停机"),
    "58": ("system", "系统错误"),
    "lost": ("connection lost", "连接中断"),
    "driver": ("driver", "驱动程序"),
    "other": ("other", "其他"),
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
    "none": ("not judged", "未评分"),
}
# How long a case has been in its state.
AGES: Final[Words] = {
    "7": ("up to 7 days", "7 天以内"),
    "30": ("8 to 30 days", "8 至 30 天"),
    "90": ("31 to 90 days", "31 至 90 天"),
    "more": ("more than 90 days", "90 天以上"),
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
DEVICES: Final[Words] = {"devices": ("devices", "设备数")}
# Of a device's verification (检定).
METROLOGIES: Final[Words] = {
    "not_applicable": ("not needed", "无需检定"),
    "unknown": ("not entered", "未录入"),
    "valid": ("valid", "有效"),
    "due_soon": ("due within 30 days", "30 天内到期"),
    "overdue": ("overdue", "已超期"),
    "failed": ("failed", "不合格"),
    "withdrawn": ("withdrawn", "已撤销"),
}
# Of a device's health, what lowers it.
CHECKS: Final[Words] = {
    "never_seen": ("never seen", "从未上线"),
    "silent": ("silent", "失联"),
    "late": ("late", "迟报"),
    "availability": ("low availability", "在线率低"),
    "signal": ("weak signal", "信号弱"),
    "data_gaps": ("gaps in the data", "数据缺号"),
    "error_rate": ("high error rate", "错误率高"),
    "late_share": ("late records", "数据晚到"),
    "backlog": ("backlog", "积压"),
    "clock_drift": ("clock drift", "时钟偏差"),
    "battery_low": ("low battery", "电量低"),
    "battery_days_left": ("battery running out", "电池将尽"),
    "restarts": ("restarts", "频繁重启"),
    "storage": ("storage nearly full", "存储将满"),
    "printer": ("printer trouble", "打印机故障"),
    "unprinted": ("sales without a receipt", "打单率低"),
    "firmware": ("firmware behind", "固件落后"),
    "flat_line": ("flat line", "读数不变"),
    "stuck_door": ("stuck door", "门磁卡死"),
    "temperature_jumps": ("impossible jumps", "温度突变"),
    "sensor_faults": ("sensor faults", "探头故障"),
    "zero_drift": ("zero drift", "零点漂移"),
    "verification_due": ("verification due", "检定到期"),
    "verification_overdue": ("verification overdue", "检定超期"),
    "verification_failed": ("verification failed", "检定不合格"),
}
SCOPES: Final[Words] = {"platform": ("platform", "平台"), "site": ("site", "节点")}
CHANNELS: Final[Words] = {"broker": ("refused at login", "登录被拒"), "ingest": ("message refused", "消息被拒")}
YES_NO: Final[Words] = {"true": ("yes", "是"), "false": ("no", "否")}
TRADES: Final[Words] = {"sales": ("sales", "销售"), "returns": ("returns", "退货"), "voids": ("voids", "作废")}

# Where a probe of the cold chain is, and how it stands.
PROBE_PLACES: Final[Words] = {"store": ("store", "冷库"), "vehicle": ("vehicle", "冷藏车")}
STANDINGS: Final[Words] = {
    "missing": ("no data", "数据缺失"),
    "fault": ("probe fault", "探头故障"),
    "warm": ("too warm", "超上限"),
    "cold": ("too cold", "低于下限"),
    "inside": ("inside its band", "正常"),
}
RESULTS: Final[Words] = {"ok": ("found", "成功"), "unknown": ("unknown code", "无此码"), "errors": ("error", "出错")}
# What is wrong with trades and scans, by the rules that a day is checked by.
DATA_ERRORS: Final[Words] = {
    "amount": ("amount is not price × weight", "金额与单价×重量不符"),
    "weight": ("sale of no weight", "销售重量不为正"),
    "unstable": ("weight not stable", "重量未稳定"),
    "scan": ("scan failed", "扫码出错"),
    "conflict": ("contradicts a stored record", "与已存记录冲突"),
    "dead_letter": ("refused", "被拒收"),
}
OWNERS: Final[Words] = {
    "government": ("government", "政府"),
    "operator": ("operator", "运维方"),
    "site": ("site", "节点企业"),
    "merchant": ("merchant", "商户"),
    "leased": ("leased", "租赁"),
}


def english(text: str, _: str) -> str:
    """The first text."""
    return text


def chinese(_: str, text: str) -> str:
    """The second text."""
    return text


# By the ending of a file's name.
LANGUAGES: Final[Mapping[str, Say]] = {"en": english, "zh": chinese}


def language_of(say: Say) -> str:
    """The key of LANGUAGES under which *say* stands."""
    return say("en", "zh")
