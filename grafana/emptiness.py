"""What an empty panel says, where several say the same: why there is nothing, so that nobody takes it for a fault."""

from typing import Final

from grafana.catalogue import Texts

# On tiles: as short as a number.
NOT_EVALUATED: Final[Texts] = ("not judged yet", "尚未评估")
NOT_SCORED: Final[Texts] = ("not judged yet", "尚未评分")
NONE_EXPECTED: Final[Texts] = ("excused or not judged", "免计或尚未评估")
NO_VERIFICATION: Final[Texts] = ("no verification entered", "未录入检定")
NO_DAY: Final[Texts] = ("no day reckoned yet", "尚无日统计")
NO_DAY_JUDGED: Final[Texts] = ("no whole day judged yet", "尚无整日评估")
NO_SALES: Final[Texts] = ("no sales reckoned", "尚无销售统计")
NO_SCALE: Final[Texts] = ("no scale reckoned yet", "尚无追溯秤日统计")
NO_PROBE: Final[Texts] = ("no probe", "无探头")
NO_PROBE_READ: Final[Texts] = ("no probe can be read", "无有效读数")
NO_OUTAGE: Final[Texts] = ("no outage", "无中断")
NO_INGEST: Final[Texts] = ("no ingest process", "未发现接入进程")
NOTHING_CAME: Final[Texts] = ("nothing came", "无数据")
NONE_SPEAKS: Final[Texts] = ("none speaks", "无访问")
NO_CASE: Final[Texts] = ("no open case", "无在办案件")

# On tables, bars and lines.
NO_DEVICE: Final[Texts] = ("the ledger has no device of this choice", "台账中没有符合所选条件的设备")
NO_HEALTH: Final[Texts] = (
    "no device of this choice is judged yet: the first figures come within minutes",
    "所选设备尚未评估：首次结果在数分钟内得出",
)
NO_SCORES: Final[Texts] = (
    "not judged yet: the first scores come within minutes of the first day's roll-up, once devices are expected",
    "尚未评分：首日数据汇总且有应在线设备后，数分钟内得出",
)
NO_DAYS: Final[Texts] = (
    "no day of this range is reckoned yet: today's figures come within ten minutes",
    "所选时段尚无日统计：当日统计在十分钟内得出",
)
NOT_HEARD: Final[Texts] = ("no device was heard live in this range", "所选时段没有设备上报实时数据")
NO_TRADES: Final[Texts] = (
    "no trades in this range: no trace scale here, or none used",
    "所选时段无交易：此处无追溯秤，或未使用",
)
NO_PROBES: Final[Texts] = (
    "no probe here: no logger in service has told a temperature yet",
    "此处无探头：没有在用记录仪上报过温度",
)
NO_PROBE_DAYS: Final[Texts] = (
    "no probe was read in this range: no logger here, or today's figures are still to come, within ten minutes",
    "所选时段无探头读数：此处无记录仪，或当日统计尚未得出（十分钟内）",
)
NO_OUTAGES: Final[Texts] = ("no outage in this range", "所选时段无中断")
NOT_MEASURED: Final[Texts] = (
    "no ingest process was measured in this range",
    "所选时段未采集到接入进程的指标",
)
NOTHING_WRITTEN: Final[Texts] = (
    "nothing was written in this range, or no ingest process was measured",
    "所选时段没有写入，或未采集到接入进程的指标",
)
NO_ERRORS: Final[Texts] = (
    "no errors in what is reckoned so far; today's figures come within ten minutes",
    "已统计的数据中无差错；当日统计在十分钟内得出",
)
# A new installation has none before its first midnight.
AFTER_THE_DAY: Final[Texts] = ("none; each day is judged when it is over", "无；每日结束后评估")
