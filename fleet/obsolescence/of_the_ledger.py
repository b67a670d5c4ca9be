"""The rules that the ledger alone decides: what a device is, how old it is, what its vendor says. Pure."""

from datetime import date

from fleet.obsolescence.answer import Answer, Shown
from fleet.obsolescence.facts import Facts
from fleet.obsolescence.parameters import (
    FirmwareBehind,
    ForbiddenKind,
    ModelWithdrawn,
    PastServiceLife,
    Repairs,
    SupportEnded,
    Verification,
)
from fleet.versions import is_behind

MONTHS_OF_A_YEAR = 12


def forbidden_kind(facts: Facts, p: ForbiddenKind) -> Shown | Answer:
    """A kind that the notice sorts out. A day of acquisition that nobody knows accuses no device."""
    if facts.exemption_document and p.exemption_excuses:
        return Answer.NO
    acquired_on = facts.acquired_on or facts.accepted_on or facts.commissioned_on
    numbers = {"kind": facts.kind, "acquired_on": _iso(acquired_on), "exemption_document": facts.exemption_document}
    thresholds = {"acquired_after": _iso(p.acquired_after)}
    if facts.kind in p.always_kinds:
        return Shown(
            numbers,
            f"{facts.kind_zh}属于通知要求淘汰的设备，查询已由二维码代替。"
            if facts.kind == "kiosk"
            else f"{facts.kind_zh}属于要求淘汰的设备种类。",
            f"A {facts.kind_en} is of a kind that the notice orders to be retired"
            f"{': look-ups are done by QR code now' if facts.kind == 'kiosk' else ''}.",
            thresholds,
        )
    if facts.kind in p.acquired_after_kinds and acquired_on is not None and acquired_on > p.acquired_after:
        return Shown(
            numbers,
            f"{facts.kind_zh}于{acquired_on}取得，晚于{p.acquired_after}，且没有豁免文件。",
            f"The {facts.kind_en} was acquired on {acquired_on}, after {p.acquired_after}, without an exemption.",
            thresholds,
        )
    return Answer.NO


def past_service_life(facts: Facts, p: PastServiceLife) -> Shown | Answer:
    """Older than it was meant to be. Never enough by itself: equipment that still works shall not be scrapped."""
    since = facts.commissioned_on or facts.accepted_on or facts.acquired_on
    life = facts.service_life_months
    if since is None or life is None:
        return Answer.NO
    months = months_between(since, facts.day)
    if months < life + p.grace_months:
        return Answer.NO
    return Shown(
        {"in_use_since": _iso(since), "months_in_use": months, "service_life_months": life},
        f"自{since}起已使用{_years_zh(months)}，超过规定年限{_years_zh(life)}。",
        f"It has served {_years_en(months)} since {since}; its service life is {_years_en(life)}.",
        {"grace_months": p.grace_months},
    )


def firmware_behind(facts: Facts, p: FirmwareBehind) -> Shown | Answer:
    """In use with firmware below its model's least, or without any protection of what it sends."""
    if facts.state != "in_service":
        return Answer.UNSAID
    numbers = {
        "firmware": facts.firmware,
        "min_firmware": facts.min_firmware,
        "transport_security": facts.transport_security,
    }
    if facts.firmware and facts.min_firmware and is_behind(facts.firmware, facts.min_firmware):
        return Shown(
            numbers,
            f"固件版本{facts.firmware}低于最低要求{facts.min_firmware}。",
            f"Its firmware {facts.firmware} is below the least that is allowed, {facts.min_firmware}.",
        )
    if p.no_transport_security and facts.transport_security == "none":
        return Shown(
            numbers,
            f"型号{facts.model_no}的数据传输没有加密保护。",
            f"The model {facts.model_no} sends its data without any protection.",
        )
    return Answer.UNSAID if facts.min_firmware and not facts.firmware else Answer.NO


def support_ended(facts: Facts, p: SupportEnded) -> Shown | Answer:
    """The vendor's support is over."""
    ended = facts.support_ends_on
    if ended is None or (facts.day - ended).days <= p.grace_days:
        return Answer.NO
    return Shown(
        {"support_ends_on": _iso(ended)},
        f"厂家支持已于{ended}结束。",
        f"The vendor's support ended on {ended}.",
        {"grace_days": p.grace_days},
    )


def model_withdrawn(facts: Facts, p: ModelWithdrawn) -> Shown | Answer:
    """Its model is withdrawn."""
    withdrawn = facts.withdrawn_on
    if withdrawn is None or (facts.day - withdrawn).days < p.grace_days:
        return Answer.NO
    return Shown(
        {"withdrawn_on": _iso(withdrawn)},
        f"型号{facts.model_no}已于{withdrawn}停用召回。",
        f"The model {facts.model_no} was withdrawn on {withdrawn}.",
        {"grace_days": p.grace_days},
    )


def repairs(facts: Facts, p: Repairs) -> Shown | Answer:
    """Repaired too often, or for too much. What a repair cost may be told at its beginning or at its end."""
    value, cost = facts.original_value_fen, facts.repairs_cost_fen
    numbers = {"repairs": facts.repairs, "cost_fen": cost, "original_value_fen": value}
    thresholds = {"min_repairs": p.min_repairs, "max_cost_pct": p.max_cost_pct}
    if facts.repairs >= p.min_repairs:
        return Shown(
            numbers,
            f"最近{p.days}天内维修{facts.repairs}次。",
            f"It went to repair {facts.repairs} times within {p.days} days.",
            thresholds,
        )
    if value and cost * 100 > value * p.max_cost_pct:
        pct = 100 * cost / value
        return Shown(
            numbers,
            f"最近{p.days}天内维修费{cost / 100:.2f}元，达原值{value / 100:.2f}元的{pct:.0f}%。",
            f"Repairs within {p.days} days cost {cost / 100:.2f} yuan, {pct:.0f} % of what it cost new.",
            thresholds,
        )
    return Answer.NO


def verification(facts: Facts, p: Verification) -> Shown | Answer:
    """Not to be used for trade by law. Of a device in use: what lies in stock need not be verified."""
    if facts.state != "in_service":
        return Answer.UNSAID
    until, result = facts.verified_until, facts.verification_result
    overdue = (facts.day - until).days if until is not None else 0
    numbers = {"verification_result": result, "verified_until": _iso(until)}
    thresholds = {"overdue_days": p.overdue_days}
    if result == "failed":
        return Shown(numbers, "强制检定不合格。", "It failed its mandatory verification.", thresholds)
    if result == "withdrawn":
        return Shown(numbers, "检定证书已被撤销。", "Its verification was withdrawn.", thresholds)
    if until is not None and overdue > p.overdue_days:
        return Shown(
            numbers,
            f"强制检定已逾期{overdue}天（有效期至{until}）。",
            f"Its mandatory verification is {overdue} days overdue (it held until {until}).",
            thresholds,
        )
    return Answer.NO


def months_between(since: date, until: date) -> int:
    """Whole months from one day to another, as calendars count them."""
    months = (until.year - since.year) * MONTHS_OF_A_YEAR + until.month - since.month
    return months - (until.day < since.day)


def _years_zh(months: int) -> str:
    years, rest = divmod(months, MONTHS_OF_A_YEAR)
    return f"{years}年{f'{rest}个月' if rest else ''}" if years else f"{rest}个月"


def _years_en(months: int) -> str:
    years, rest = divmod(months, MONTHS_OF_A_YEAR)
    parts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((years, "year"), (rest, "month")) if n]
    return " and ".join(parts) or "0 months"


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
