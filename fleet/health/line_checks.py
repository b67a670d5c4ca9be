"""Checks of a device's line: whether, how lately and how well it is heard.

Thresholds and points are defaults of ours 默认值.
"""

from typing import Final

from fleet.health import measures
from fleet.health.check import Check, steps
from fleet.health.facts import WINDOW_DAYS

LINE: Final = (
    Check(
        name="never_seen",
        name_zh="从未上线",
        name_en="never seen",
        measured_zh="登记以来从未收到任何数据的整天数，停业和故障免责",
        measured_en="whole days since it was entered without any word; nothing excuses it",
        unit="days",
        window_days=0,
        steps=steps((0, 60)),
        measure=measures.never_seen_days,
        sentence_zh="登记 {number} 天以来从未上线",
        sentence_en="never heard in the {number} days since it was entered",
        remedy_zh="现场核实是否已安装、通电和入网；未启用的退回库存",
        remedy_en="See on site whether it is installed, powered and connected; return what is not used to stock",
    ),
    Check(
        name="silent",
        name_zh="失联",
        name_en="silent",
        measured_zh="应在线时持续无数据的整天数",
        measured_en="whole days of silence that nothing excuses",
        unit="days",
        window_days=0,
        steps=steps((0, 40), (3, 50), (7, 60)),
        measure=measures.silent_days,
        sentence_zh="已失联 {number} 天，无停业或故障可解释",
        sentence_en="silent for {number} days, and nothing excuses it",
        remedy_zh="检查电源、网线和 SIM 卡，重启设备；三天未恢复派人上门",
        remedy_en="Check power, cable and SIM card, restart it; send somebody when it is not back within three days",
    ),
    Check(
        name="late",
        name_zh="迟报",
        name_en="late",
        measured_zh="应在线时超过上报间隔的整小时数",
        measured_en="whole hours past the time at which it should have spoken",
        unit="hours",
        window_days=0,
        steps=steps((0, 5), (6, 10)),
        measure=measures.late_hours,
        sentence_zh="已超过应上报时间 {number} 小时",
        sentence_en="past the time to speak by {number} hours",
        remedy_zh="查看设备是否开机、信号是否正常",
        remedy_en="See whether it is switched on and has a signal",
    ),
    Check(
        name="availability",
        name_zh="在线率低",
        name_en="low availability",
        measured_zh="应在线的 5 分钟时段中实际在线的比例",
        measured_en="share of the expected 5-minute slots in which it was heard live",
        unit="pct",
        window_days=WINDOW_DAYS,
        steps=steps((95, 5), (90, 12), (80, 25), (50, 35)),
        measure=measures.availability_pct,
        low=True,
        digits=1,
        sentence_zh="近 {window} 天应在线时段的在线率为 {number}%，界限 {threshold}%",
        sentence_en="heard in {number} % of the slots expected in {window} days; the limit is {threshold} %",
        remedy_zh="检查供电和网络是否不稳，营业时间是否登记正确",
        remedy_en="Look for unsteady power or network, and whether the site's opening hours are entered as they are",
    ),
    Check(
        name="signal",
        name_zh="信号弱",
        name_en="weak signal",
        measured_zh="每日末次信号强度的平均值",
        measured_en="strength of the signal, the mean of each day's last",
        unit="dbm",
        window_days=WINDOW_DAYS,
        steps=steps((-95, 3), (-105, 10)),
        measure=measures.signal_dbm,
        low=True,
        digits=0,
        sentence_zh="近 {window} 天平均信号 {number} dBm，界限 {threshold} dBm",
        sentence_en="a signal of {number} dBm on average over {window} days; the limit is {threshold} dBm",
        remedy_zh="移动天线或设备位置，必要时加装放大器",
        remedy_en="Move the antenna or the device; add a repeater if that is not enough",
    ),
)
