"""Checks of what is weighed by: the zero of a scale, its verification (检定).

Thresholds and points are defaults of ours 默认值.
"""

from typing import Final

from fleet.health import measures
from fleet.health.check import Check, steps
from fleet.health.facts import WINDOW_DAYS

_WEIGHING: Final = frozenset({"trace_scale"})
METROLOGY: Final = (
    Check(
        name="zero_drift",
        name_zh="零点漂移",
        name_en="zero drift",
        measured_zh="秤报零点漂移的天数",
        measured_en="days on which the scale told that its zero had gone",
        unit="days",
        window_days=WINDOW_DAYS,
        steps=steps((1, 8), (3, 20)),
        measure=measures.zero_drift_days,
        sentence_zh="近 {window} 天有 {number} 天零点漂移，界限 {threshold} 天",
        sentence_en="its zero drifted on {number} days of {window}; the limit is {threshold}",
        remedy_zh="清空秤盘、放平后置零；仍漂移则停用并送检",
        remedy_en="Clear and level it and set it to zero; if it still drifts, take it out of use and have it verified",
        kinds=_WEIGHING,
    ),
    Check(
        name="verification_due",
        name_zh="检定到期",
        name_en="verification due",
        measured_zh="距检定有效期截止的天数",
        measured_en="days for which its verification still holds",
        unit="days",
        window_days=0,
        steps=steps((30, 2), (7, 5), (0, 10)),
        measure=measures.verified_days,
        low=True,
        sentence_zh="检定有效期还剩 {number} 天，提醒界限 {threshold} 天",
        sentence_en="its verification holds for {number} more days; the limit is {threshold}",
        remedy_zh="预约强制检定",
        remedy_en="Arrange its verification",
    ),
    Check(
        name="verification_overdue",
        name_zh="检定超期",
        name_en="verification overdue",
        measured_zh="检定有效期已过的天数",
        measured_en="days since its verification ended",
        unit="days",
        window_days=0,
        steps=steps((1, 30)),
        measure=measures.overdue_days,
        sentence_zh="检定已超期 {number} 天",
        sentence_en="its verification has been overdue for {number} days",
        remedy_zh="停止用于贸易结算，立即送检",
        remedy_en="It may not be traded on: have it verified at once",
    ),
    Check(
        name="verification_failed",
        name_zh="检定不合格",
        name_en="verification failed",
        measured_zh="最近一次检定不合格或被撤销",
        measured_en="whether its last verification was failed or withdrawn",
        unit="times",
        window_days=0,
        steps=steps((1, 45)),
        measure=measures.verification_failed,
        sentence_zh="最近一次检定不合格或证书被撤销",
        sentence_en="its last verification was failed or withdrawn",
        remedy_zh="立即停用；修理后重新检定，或申请处置",
        remedy_en="Take it out of use at once; have it repaired and verified again, or propose it for disposal",
    ),
)
