"""The rules that a device's days decide: whether it is used, heard, and right in what it says. Pure.

Days without slots in which it was expected count for none of them, so closures and outages excuse by themselves.
"""

from fleet.obsolescence.answer import Answer, Shown
from fleet.obsolescence.facts import Facts
from fleet.obsolescence.parameters import Dormant, Dying, ErrorRate, ReplacedFunction, Unavailable

# Kinds whose scans are their work; of a scale they are a convenience beside the weighing.
SCANNING_KINDS = frozenset({"handheld", "scanner", "card_reader"})


def dormant(facts: Facts, p: Dormant) -> Shown | Answer:
    """沉睡设备: nobody has used it."""
    if facts.kind not in p.kinds:
        return Answer.NO
    scans = facts.dormant_scans if facts.kind in SCANNING_KINDS else 0
    if facts.dormant_trades + facts.dormant_lookups + scans > 0:
        return Answer.NO
    if facts.state != "in_service" or facts.dormant_open_days < p.min_open_days:
        return Answer.UNSAID
    numbers = {
        "open_days": facts.dormant_open_days,
        "trades": facts.dormant_trades,
        "lookups": facts.dormant_lookups,
        "scans": facts.dormant_scans,
    }
    return Shown(
        numbers,
        f"最近{p.days}天中有{facts.dormant_open_days}天开门营业，但没有一笔有效交易或查询。",
        f"In {p.days} days, on {facts.dormant_open_days} of which the site was open, not one sale or look-up came from "
        "it.",
        {"min_open_days": p.min_open_days},
    )


def unavailable(facts: Facts, p: Unavailable) -> Shown | Answer:
    """Too seldom on line while its site was open."""
    expected, online = facts.unavailable_expected_slots, facts.unavailable_online_slots
    if (
        facts.state != "in_service"
        or expected < p.min_expected_slots
        or facts.unavailable_expected_days < p.min_expected_days
    ):
        return Answer.UNSAID
    if online * 100 >= expected * p.min_pct:
        return Answer.NO
    pct = 100 * online / expected
    return Shown(
        {
            "expected_days": facts.unavailable_expected_days,
            "expected_slots": expected,
            "online_slots": online,
            "availability_pct": round(pct, 1),
        },
        f"最近{p.days}天在线率仅{pct:.1f}%（应不低于{p.min_pct:g}%）。",
        f"It was on line {pct:.1f} % of the time it should have been in {p.days} days; {p.min_pct:g} % is asked.",
        {"min_pct": p.min_pct},
    )


def error_rate(facts: Facts, p: ErrorRate) -> Shown | Answer:
    """Too much of what it sends is of no use."""
    records, errors = facts.error_rate_records, facts.error_rate_errors
    if facts.state != "in_service" or records < p.min_records:
        return Answer.UNSAID
    if errors * 100 <= records * p.max_pct:
        return Answer.NO
    pct = 100 * errors / records
    return Shown(
        {"records": records, "errors": errors, "error_pct": round(pct, 1)},
        f"最近{p.days}天{records}条数据中有{errors}条有差错，差错率{pct:.1f}%（上限{p.max_pct:g}%）。",
        f"Of {records} records in {p.days} days {errors} were faulty, {pct:.1f} %; {p.max_pct:g} % is the most.",
        {"max_pct": p.max_pct},
    )


def replaced_function(facts: Facts, p: ReplacedFunction) -> Shown | Answer:
    """A kiosk beside which people take out their telephones."""
    if facts.kind != "kiosk":
        return Answer.NO
    days = facts.replaced_function_open_days
    if facts.state != "in_service" or days < p.min_open_days:
        return Answer.UNSAID
    lookups, by_qr = facts.replaced_function_lookups / days, facts.replaced_function_qr_lookups / days
    if lookups >= p.max_lookups_a_day or by_qr <= p.min_qr_lookups_a_day:
        return Answer.NO
    return Shown(
        {
            "open_days": days,
            "lookups": facts.replaced_function_lookups,
            "qr_lookups": facts.replaced_function_qr_lookups,
        },
        f"查询机日均查询{lookups:.1f}次，同场所扫码查询日均{by_qr:.1f}次，功能已被代替。",
        f"People ask it {lookups:.1f} times a day and look up by QR code {by_qr:.1f} times a day at the same site.",
        {"max_lookups_a_day": p.max_lookups_a_day, "min_qr_lookups_a_day": p.min_qr_lookups_a_day},
    )


def dying(facts: Facts, p: Dying) -> Shown | Answer:
    """A sensor that fails, sticks or jumps. A store that is too warm is not its fault."""
    readings, faults = facts.dying_readings, facts.dying_sensor_faults
    if readings + faults == 0:
        return Answer.UNSAID if facts.kind in ("logger", "door_sensor") else Answer.NO
    if facts.state != "in_service" or readings + faults < p.min_readings:
        return Answer.UNSAID
    pct = 100 * faults / (readings + faults)
    zh, en = [], []
    if pct > p.max_fault_pct:
        zh.append(f"{pct:.1f}%的读数失败（上限{p.max_fault_pct:g}%）")
        en.append(f"{pct:.1f} % of its readings failed ({p.max_fault_pct:g} % is the most allowed)")
    if facts.dying_flat_days >= p.min_flat_days:
        zh.append(f"{facts.dying_flat_days}天读数整日不变")
        en.append(f"its reading did not move all day on {facts.dying_flat_days} days")
    if facts.dying_jumps > p.max_jumps:
        zh.append(f"出现{facts.dying_jumps}次不可能的跳变")
        en.append(f"its reading jumped impossibly {facts.dying_jumps} times")
    if not zh:
        return Answer.NO
    return Shown(
        {
            "readings": readings,
            "sensor_faults": faults,
            "fault_pct": round(pct, 1),
            "flat_days": facts.dying_flat_days,
            "jumps": facts.dying_jumps,
        },
        f"最近{p.days}天传感器失灵：{'，'.join(zh)}。",
        f"Its sensor is failing: in {p.days} days {' and '.join(en)}.",
        {"max_fault_pct": p.max_fault_pct, "min_flat_days": p.min_flat_days, "max_jumps": p.max_jumps},
    )
