"""Checks of probes and doors: lines too flat, jumps too steep, doors never shut, probes that cannot read.

Thresholds and points are defaults of ours 默认值.
"""

from typing import Final

from fleet.health import measures
from fleet.health.check import Check, steps
from fleet.health.facts import WINDOW_DAYS

_SENSING: Final = frozenset({"logger", "door_sensor"})
SENSORS: Final = (
    Check(
        name="flat_line",
        name_zh="读数不变",
        name_en="flat line",
        measured_zh="全天读数完全相同的连续天数",
        measured_en="days in a row through which all readings were the same",
        unit="days",
        window_days=WINDOW_DAYS,
        steps=steps((2, 15), (4, 25)),
        measure=measures.flat_days,
        sentence_zh="温度读数连续 {number} 天毫无变化，界限 {threshold} 天",
        sentence_en="its temperature has not moved for {number} days; the limit is {threshold}",
        remedy_zh="检查探头是否脱落或损坏，用标准温度计比对",
        remedy_en="See whether the probe has come off or is broken; compare it with a good thermometer",
        kinds=_SENSING,
    ),
    Check(
        name="stuck_door",
        name_zh="门磁卡死",
        name_en="stuck door",
        measured_zh="全天门一直为开的连续天数",
        measured_en="days in a row through which the door was never seen shut",
        unit="days",
        window_days=WINDOW_DAYS,
        steps=steps((1, 10), (3, 20)),
        measure=measures.open_days,
        sentence_zh="门连续 {number} 天一直显示为开，界限 {threshold} 天",
        sentence_en="the door has read open for {number} whole days; the limit is {threshold}",
        remedy_zh="检查库门是否关严、门磁是否对位",
        remedy_en="See whether the door shuts and the two halves of the sensor meet",
        kinds=_SENSING,
    ),
    Check(
        name="temperature_jumps",
        name_zh="温度突变",
        name_en="impossible jumps",
        measured_zh="相邻读数变化超出物理可能的次数",
        measured_en="readings that no store can warm or cool to in the time",
        unit="times",
        window_days=WINDOW_DAYS,
        steps=steps((3, 8), (20, 20)),
        measure=measures.temperature_jumps,
        sentence_zh="近 {window} 天温度突变 {number} 次，界限 {threshold} 次",
        sentence_en="its temperature made {number} impossible jumps in {window} days; the limit is {threshold}",
        remedy_zh="检查探头接线和屏蔽，必要时更换探头",
        remedy_en="Check the probe's wiring and shield; change the probe if need be",
        kinds=_SENSING,
    ),
    Check(
        name="sensor_faults",
        name_zh="探头故障",
        name_en="sensor faults",
        measured_zh="探头无法读数的比例",
        measured_en="share of the readings in which a probe could not read",
        unit="pct",
        window_days=WINDOW_DAYS,
        steps=steps((5, 8), (50, 25)),
        measure=measures.sensor_fault_pct,
        digits=1,
        sentence_zh="近 {window} 天 {number}% 的读数为探头故障，界限 {threshold}%",
        sentence_en="its probe could not read {number} % of the time in {window} days; the limit is {threshold} %",
        remedy_zh="更换探头或检查接插件",
        remedy_en="Change the probe, or check its plug",
        kinds=_SENSING,
    ),
)
