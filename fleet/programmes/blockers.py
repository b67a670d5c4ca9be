"""What holds devices of a programme up: each reason by name, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Reason = Literal[
    "not_flagged",
    "no_case",
    "kept",
    "waiting_for_proposal",
    "waiting_for_appraisal",
    "waiting_for_approval",
    "waiting_for_execution",
    "waiting_for_silence",
    "waiting_for_recovery",
    "waiting_for_wiping",
    "waiting_for_disposal",
    "rejected",
    "withdrawn",
    "stopped",
    "held",
    "overdue",
    "no_owner",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
# A device is in one stage; these come on top of it.
BESIDES: Final = frozenset({"held", "overdue", "no_owner"})


@dataclass(frozen=True, slots=True)
class Words:
    """A reason and its remedy, for people."""

    name_zh: str
    name_en: str
    remedy_zh: str
    remedy_en: str


WORDS: Final[Mapping[Reason, Words]] = {
    "not_flagged": Words(
        "未标记，无处置案件",
        "not flagged, and no case",
        "核实设备是否仍在使用；应当淘汰的，以本任务为依据开立处置案件。",
        "Look whether it still serves. If it is to go, open a case on the ground of this programme.",
    ),
    "no_case": Words(
        "已标记，尚无处置案件",
        "flagged, and no case yet",
        "审核标记，开立处置案件或注明留用期限。",
        "Review the flag: open a case, or keep the device until a day.",
    ),
    "kept": Words(
        "留用期内",
        "kept until a day",
        "到期前复核留用理由；理由不再成立的，重新开立案件。",
        "Review the reason before the day comes; where it no longer holds, open a case again.",
    ),
    "waiting_for_proposal": Words(
        "待提出处置申请",
        "waiting for a proposal",
        "审核并提出处置申请，或决定留用。",
        "Review it: propose disposal, or keep it.",
    ),
    "waiting_for_appraisal": Words(
        "待技术鉴定",
        "waiting for appraisal",
        "安排技术鉴定并上传鉴定意见。",
        "Have it appraised, and attach the appraisal.",
    ),
    "waiting_for_approval": Words(
        "待审批或所有者同意",
        "waiting for approval",
        "催办审批；申请人与审批人须为不同人员。",
        "Remind those who approve; it has to be another person than the proposer.",
    ),
    "waiting_for_execution": Words(
        "已批准，待执行",
        "approved, waiting for execution",
        "执行处置：吊销凭据并停用设备。",
        "Execute it: the credential is revoked.",
    ),
    "waiting_for_silence": Words(
        "待静默证明",
        "waiting for the proof of silence",
        "确认设备已断电断网；满24小时无数据后自动确认。",
        "See that it is switched off; after 24 hours without a word it goes on by itself.",
    ),
    "waiting_for_recovery": Words(
        "待回收",
        "waiting for recovery",
        "派人回收设备，登记地点、经手人和照片。",
        "Fetch it, and note place, person and photo.",
    ),
    "waiting_for_wiping": Words(
        "待数据清除",
        "waiting for its data to be wiped",
        "清除设备数据并上传清除记录。",
        "Wipe it, and attach the record.",
    ),
    "waiting_for_disposal": Words(
        "待处置交接",
        "waiting for disposal",
        "按批准的方式处置，登记接收单位和收据。",
        "Dispose of it in the way that was approved, and note recipient and receipt.",
    ),
    "rejected": Words(
        "未获批准",
        "rejected",
        "按批复意见补充材料后重新申请，或将其移出淘汰目标。",
        "Mend what the reply names and propose again, or lower the target.",
    ),
    "withdrawn": Words(
        "申请已撤回", "withdrawn", "查明撤回原因后重新开立案件。", "Find out why, and open a case again."
    ),
    "stopped": Words(
        "执行中止（设备恢复使用等）",
        "stopped: it came back to life",
        "到现场核实设备为何恢复使用，再决定留用或重新申请。",
        "Look at the place why it works again; then keep it, or open a case again.",
    ),
    "held": Words(
        "存在保全或争议等限制",
        "held",
        "处理并解除限制（证据保全、纠纷、维护、检查）后方可处置。",
        "Settle what it is held for and lift the hold (evidence, dispute, maintenance, inspection).",
    ),
    "overdue": Words(
        "案件办理超期",
        "its case is overdue",
        "督促责任人办理，或上报协调。",
        "Remind who is to act, or take it one level up.",
    ),
    "no_owner": Words(
        "资产权属不明",
        "nobody knows whose it is",
        "在台账中补充资产权属，处置路径由权属决定。",
        "Enter its owner type in the ledger: the way of disposal depends on it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Blocker:
    """A reason that holds up *devices*. Of those that are no stage, a device may have several."""

    reason: Reason
    devices: int
    is_stage: bool
    name_zh: str
    name_en: str
    remedy_zh: str
    remedy_en: str


def blockers_of(groups: Iterable[Mapping[str, Any]]) -> list[Blocker]:
    """The blockers in rows of :data:`fleet.programmes.standing.GROUPS`, in the order of the work."""
    counts = dict.fromkeys(REASONS, 0)
    for group in groups:
        for reason in group["reasons"]:
            counts[reason] += group["devices"]
    return [_blocker(reason, devices) for reason, devices in counts.items() if devices]


def _blocker(reason: Reason, devices: int) -> Blocker:
    words = WORDS[reason]
    is_stage = reason not in BESIDES
    return Blocker(reason, devices, is_stage, words.name_zh, words.name_en, words.remedy_zh, words.remedy_en)
