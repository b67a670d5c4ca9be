"""Checks of what a device sends: gaps, errors, delays, backlog, its clock.

Thresholds and points are defaults of ours 默认值.
"""

from typing import Final

from fleet.health import measures
from fleet.health.check import Check, steps
from fleet.health.facts import WINDOW_DAYS

DATA: Final = (
    Check(
        name="data_gaps",
        name_zh="数据缺号",
        name_en="gaps in the data",
        measured_zh="同一次开机内首末序号之间未到的比例",
        measured_en="share of the sequence numbers of its boots that never came",
        unit="pct",
        window_days=WINDOW_DAYS,
        steps=steps((1, 5), (5, 15), (20, 25)),
        measure=measures.missing_pct,
        digits=1,
        sentence_zh="近 {window} 天缺失 {number}% 的记录，界限 {threshold}%",
        sentence_en="{number} % of its records of {window} days never came; the limit is {threshold} %",
        remedy_zh="检查断网续传和存储；让设备补发缺失记录",
        remedy_en="Check its store-and-forward and its storage; have it send what is missing",
    ),
    Check(
        name="error_rate",
        name_zh="错误率高",
        name_en="high error rate",
        measured_zh="死信和冲突占全部记录的比例",
        measured_en="share of what it sent that became dead letters or conflicts",
        unit="pct",
        window_days=WINDOW_DAYS,
        steps=steps((1, 5), (5, 20), (20, 30)),
        measure=measures.error_pct,
        digits=1,
        sentence_zh="近 {window} 天 {number}% 的记录有误，界限 {threshold}%",
        sentence_en="{number} % of what it sent in {window} days was no good; the limit is {threshold} %",
        remedy_zh="查看死信原因，升级固件或更正配置",
        remedy_en="Read the reasons of its dead letters; update the firmware or correct its settings",
    ),
    Check(
        name="late_share",
        name_zh="数据晚到",
        name_en="late records",
        measured_zh="晚到记录占全部记录的比例",
        measured_en="share of the records that came late",
        unit="pct",
        window_days=WINDOW_DAYS,
        steps=steps((20, 5), (50, 12)),
        measure=measures.late_pct,
        digits=1,
        sentence_zh="近 {window} 天 {number}% 的记录晚到，界限 {threshold}%",
        sentence_en="{number} % of its records of {window} days came late; the limit is {threshold} %",
        remedy_zh="检查网络是否时断时续，缩短上报间隔",
        remedy_en="Look for a network that comes and goes; let it report more often",
    ),
    Check(
        name="backlog",
        name_zh="积压",
        name_en="backlog",
        measured_zh="设备自报的待发记录数",
        measured_en="records that it says it still has to send",
        unit="records",
        window_days=0,
        steps=steps((500, 5), (5000, 15)),
        measure=measures.backlog_records,
        sentence_zh="设备内积压 {number} 条待发，界限 {threshold} 条",
        sentence_en="{number} records wait in it to be sent; the limit is {threshold}",
        remedy_zh="恢复网络并等待补发；不要清空或重置设备",
        remedy_en="Restore its network and let it catch up; do not clear or reset it",
    ),
    Check(
        name="clock_drift",
        name_zh="时钟偏差",
        name_en="clock drift",
        measured_zh="设备时钟与平台相差的秒数",
        measured_en="seconds by which its clock is off, either way",
        unit="seconds",
        window_days=0,
        steps=steps((30, 4), (120, 12)),
        measure=measures.clock_seconds,
        sentence_zh="时钟相差 {number} 秒，界限 {threshold} 秒",
        sentence_en="its clock is off by {number} s; the limit is {threshold} s",
        remedy_zh="开启自动对时（NTP），检查时钟电池",
        remedy_en="Let it set its clock by NTP; check the clock's battery",
    ),
)
