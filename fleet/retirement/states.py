"""The life of a case: which step leads from which state to which, on both paths, and what each step needs, as data.

property of the state:  opened → proposed → appraised → approved → executing → silent → recovered → wiped → disposed
                        → written_off → archived
of another owner:       opened → proposed → approved → executing → silent → wiped → disposed → archived
beside both:            opened → kept; proposed, appraised → rejected; until execution → withdrawn; at it → stopped
a loss (报损) is written down from silent, recovered or wiped: what cannot be found cannot be fetched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeGuard, get_args

State = Literal[
    "opened",
    "kept",
    "proposed",
    "appraised",
    "approved",
    "rejected",
    "executing",
    "silent",
    "recovered",
    "wiped",
    "disposed",
    "written_off",
    "archived",
    "withdrawn",
    "stopped",
]
Path = Literal["state", "owner"]
StepName = Literal[
    "keep",
    "propose",
    "appraise",
    "approve",
    "reject",
    "withdraw",
    "execute",
    "silence",
    "recover",
    "wipe",
    "dispose",
    "write_off",
    "archive",
]
GuardName = Literal[
    "day_ahead",
    "named",
    "other_eyes",
    "same_owner",
    "same_value",
    "no_use_left",
    "still_there",
    "undisputed",
    "no_hold",
    "replacement",
    "method",
]
PaperKind = Literal[
    "application",
    "value_evidence",
    "appraisal",
    "consent",
    "approval",
    "photo",
    "wipe_record",
    "receipt",
    "income",
    "write_off",
    "other",
]
Appraisal = Literal["no_use_left", "not_worth_repair", "usable"]
Method = Literal["transfer", "public_warehouse", "sale", "donation", "scrap", "loss", "returned"]
Replacement = Literal["none", "device", "qr_lookup", "erp_upload"]

STATES: Final[tuple[State, ...]] = get_args(State)
PATHS: Final[tuple[Path, ...]] = get_args(Path)
PAPERS: Final[tuple[PaperKind, ...]] = get_args(PaperKind)
NAMES: Final[Mapping[State, tuple[str, str]]] = {
    "opened": ("待审核", "under review"),
    "kept": ("留用", "kept"),
    "proposed": ("已申请处置", "proposed"),
    "appraised": ("已技术鉴定", "appraised"),
    "approved": ("已批准", "approved"),
    "rejected": ("未批准", "rejected"),
    "executing": ("执行中", "executing"),
    "silent": ("已静默", "proven silent"),
    "recovered": ("已回收", "recovered"),
    "wiped": ("数据已清除", "wiped"),
    "disposed": ("已处置", "disposed of"),
    "written_off": ("已核销", "written off"),
    "archived": ("已归档", "archived"),
    "withdrawn": ("已撤回", "withdrawn"),
    "stopped": ("已中止", "stopped"),
}
PATH_NAMES: Final[Mapping[Path, tuple[str, str]]] = {
    "state": ("国有资产处置", "property of the state"),
    "owner": ("所有者决定", "the owner decides"),
}
APPRAISALS: Final[Mapping[Appraisal, tuple[str, str]]] = {
    "no_use_left": ("无使用价值", "no use left"),
    "not_worth_repair": ("无维修价值", "not worth a repair"),
    "usable": ("仍可使用", "still usable"),
}
METHODS: Final[Mapping[Method, tuple[str, str]]] = {
    "transfer": ("调拨", "transfer"),
    "public_warehouse": ("公物仓", "public-goods warehouse"),
    "sale": ("出售", "sale"),
    "donation": ("捐赠", "donation"),
    "scrap": ("报废", "scrap"),
    "loss": ("报损", "loss"),
    "returned": ("退还所有者", "returned to its owner"),
}
REPLACEMENTS: Final[Mapping[Replacement, tuple[str, str]]] = {
    "none": ("不替换", "nothing"),
    "device": ("替换设备", "another device"),
    "qr_lookup": ("二维码查询", "look-up by QR code"),
    "erp_upload": ("ERP上传", "upload from the ERP"),
}
# Nothing leaves these; another case may be opened for the device, except for one that is gone.
OVER: Final[frozenset[State]] = frozenset({"kept", "rejected", "archived", "withdrawn", "stopped"})
_PATH_OF: Final[Mapping[str, Path]] = {
    "government": "state",
    "operator": "state",
    "site": "owner",
    "merchant": "owner",
    "leased": "owner",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, from which states it is taken on each path, to which it leads, and what it needs.

    *needs* and *may_have* are fields of an order; *papers* the kinds of document that lie with the case by then, told
    with the step or before. *roles*: any one of them may take it. None: it is taken by the fleet itself.
    """

    name: StepName
    name_zh: str
    name_en: str
    before: Mapping[Path, tuple[State, ...]]
    after: State
    roles: tuple[str, ...]
    needs: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()
    papers: Mapping[Path, tuple[PaperKind, ...]] = field(default_factory=dict)
    guards: tuple[GuardName, ...] = ()

    def is_taken_from(self, state: str, path: Path) -> bool:
        """Whether it may follow *state* on *path* at all."""
        return state in self.before.get(path, ())


def _both(*states: State) -> Mapping[Path, tuple[State, ...]]:
    return dict.fromkeys(PATHS, states)


_HANDS: Final = ("operator", "fleet_admin")
_ADMIN: Final = ("fleet_admin",)
_APPROVER: Final = ("approver",)
_INSTEAD: Final = ("replacement", "successor_no")
STEPS: Final[Mapping[StepName, Step]] = {
    step.name: step
    for step in (
        Step(
            "keep",
            "留用",
            "keep",
            _both("opened"),
            "kept",
            _HANDS,
            ("kept_until", "reason"),
            guards=("day_ahead",),
        ),
        Step(
            "propose",
            "申请处置",
            "propose",
            _both("opened"),
            "proposed",
            _HANDS,
            ("reason",),
            ("document", *_INSTEAD),
            guards=("named", "same_owner", "replacement"),
        ),
        Step(
            "appraise",
            "技术鉴定",
            "appraise",
            {"state": ("proposed",)},
            "appraised",
            _ADMIN,
            ("appraisal",),
            ("reason", "document"),
            {"state": ("appraisal",)},
            ("named",),
        ),
        Step(
            "approve",
            "批准",
            "approve",
            {"state": ("appraised",), "owner": ("proposed",)},
            "approved",
            _APPROVER,
            ("document",),
            ("reason",),
            {"state": ("value_evidence", "approval"), "owner": ("consent",)},
            ("named", "other_eyes", "same_owner", "no_use_left"),
        ),
        Step(
            "reject",
            "不予批准",
            "reject",
            {"state": ("proposed", "appraised"), "owner": ("proposed",)},
            "rejected",
            _APPROVER,
            ("reason",),
            ("document",),
            guards=("named", "other_eyes"),
        ),
        Step(
            "withdraw",
            "撤回",
            "withdraw",
            {"state": ("opened", "proposed", "appraised", "approved"), "owner": ("opened", "proposed", "approved")},
            "withdrawn",
            _HANDS,
            ("reason",),
        ),
        Step(
            "execute",
            "执行",
            "execute",
            _both("approved"),
            "executing",
            _ADMIN,
            (),
            ("reason", *_INSTEAD),
            guards=("other_eyes", "same_owner", "same_value", "still_there", "undisputed", "replacement"),
        ),
        Step(
            "silence",
            "静默确认",
            "prove silent",
            _both("executing"),
            "silent",
            (),
            ("silence", "silent_since"),
            ("reason",),
        ),
        Step(
            "recover",
            "回收",
            "recover",
            {"state": ("silent",)},
            "recovered",
            _HANDS,
            ("recovered_place", "photo_sha256"),
            ("recovered_by", "reason", *_INSTEAD),
            guards=("still_there", "undisputed", "replacement"),
        ),
        Step(
            "wipe",
            "清除数据",
            "wipe",
            {"state": ("recovered",), "owner": ("silent",)},
            "wiped",
            _HANDS,
            (),
            ("reason", "recovered_place", "photo_sha256", *_INSTEAD),
            guards=("still_there", "no_hold", "replacement"),
        ),
        Step(
            "dispose",
            "处置",
            "dispose of",
            {"state": ("wiped", "recovered", "silent"), "owner": ("wiped", "silent")},
            "disposed",
            _ADMIN,
            ("method",),
            ("reason", "document", "recipient", "recycler_licence", "receipt_no", "income_fen"),
            guards=("no_hold", "method"),
        ),
        Step(
            "write_off",
            "核销",
            "write off",
            {"state": ("disposed",)},
            "written_off",
            _ADMIN,
            ("document",),
            ("reason",),
        ),
        Step(
            "archive",
            "归档",
            "archive",
            {"state": ("written_off",), "owner": ("disposed",)},
            "archived",
            _ADMIN,
            (),
            ("reason",),
        ),
    )
}
# Over which only a loss leads straight to the disposal.
LOST_FROM: Final[frozenset[State]] = frozenset({"silent", "recovered"})


def is_step(text: str) -> TypeGuard[StepName]:
    """Whether *text* is the name of a step."""
    return text in STEPS


def path_of(owner_type: str | None) -> Path | None:
    """The path of a device of this owner; None where the ledger does not say whose it is."""
    return _PATH_OF.get(owner_type or "")


def steps_from(state: str, path: Path) -> tuple[Step, ...]:
    """The steps that may follow *state* on *path*, whatever their guards say; none when the case is over."""
    return tuple(step for step in STEPS.values() if step.is_taken_from(state, path))


def allowed(state: str, path: Path) -> tuple[State, ...]:
    """The states that may follow *state* on *path*; at the execution a case may also stop."""
    states = [step.after for step in steps_from(state, path)]
    return tuple(dict.fromkeys((*states, "stopped") if state == "approved" else states))
