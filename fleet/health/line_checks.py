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
        measured_zh="投用以来从未收到任何数据的整天数",
        measured_en="whole days in service without any word",
        unit="days",
        window_days=0,
        # Nobody plugs in all devices on the day on which they are entered.
        steps=steps((1, 30), (3, 60)),
        measure=measures.never_seen_days,
        sentence_zh="投用 {number} 天以来从未上线",
        sentence_en="never heard in {number} days of service",
        remedy_zh="现场核实是否已安装、通电和入网；未启用的退回库存",
        remedy_en="See on site whether it is installed, powered and connected; return what is not used to stock",
    ),
    Check(
        name="silent",
        name_zh="失联",
        name_en="silent",
        measured_zh="失联后距末次数据的整天数",
        measured_en="whole days since its last word, once its silence is no delay any more",
        unit="days",
        window_days=0,
        # It grows no further: availability tells how long it lasts, and counts open hours alone.
        steps=steps((0, 45)),
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
        measured_zh="超过上报间隔仍未上报时，距末次数据的整小时数",
        measured_en="whole hours since its last word, once it should have spoken again",
        unit="hours",
        window_days=0,
        steps=steps((0, 5)),
        measure=measures.late_hours,
        sentence_zh="到时未报，距末次数据 {number} 小时",
        sentence_en="it should have spoken by now; its last word is {number} hours old",
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
