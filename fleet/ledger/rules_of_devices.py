"""The rules of devices: their lives, their places, their numbers, their metrology. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from fleet.ledger.drafts import Draft
from fleet.ledger.facts import Facts
from fleet.ledger.findings import Finding
from fleet.lifecycle import states
from fleet.lifecycle.gate import judge

# A number as this ledger proposes them begins with the region in which the device was registered.
_WITH_REGION = re.compile(r"TD-(\d{6})-.+", re.ASCII)
# What decides the registration gate.
_GATED: Final = frozenset({"acquired_on", "exemption_document", "model_no"})
# What a device is and where it stands, as the moves change it.
_SUBSTANCE: Final = frozenset(
    {
        "model_no",
        "factory_no",
        "mac",
        "imei",
        "iccid",
        "hardware_version",
        "site_no",
        "stall_no",
        "merchant_code",
        "gateway_no",
        "address",
        "lat",
        "lon",
    }
)
# What may stand once in the ledger, and the columns that decide it.
_ONCE: Final = {"factory_no": ("factory_no", "model_no"), "mac": ("mac",), "imei": ("imei",)}


def _number_is_not_retired(draft: Draft, facts: Facts) -> Iterator[Finding]:
    retired = facts.retired.get(str(draft.after["device_no"])) if draft.is_new else None
    if retired is not None:
        problem = f"was retired ({retired}) and is never issued again"
        yield Finding("device_no", problem, "register the device under a number of its own")


def _state_may_follow(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """Registration passes the gate, and a step has to be one of a device's life."""
    before = None if draft.before is None else str(draft.before["state"])
    number, after = str(draft.after["device_no"]), str(draft.after["state"])
    model = facts.models.get(str(draft.after["model_no"]))
    if after == before or model is None:
        return
    acquired_on, exemption = _gate_facts(draft)
    asked = states.Facts(
        kind=model.kind,
        acquired_on=acquired_on,
        exemption_document=exemption,
        holds=facts.holds.get(number, ()),
        gates=facts.gates,
        is_decommissioned=number in facts.decommissioned,
        case_no=facts.cases.get(number),
    )
    refused = states.check(before, after, asked)
    if refused is not None:
        yield _refusal(before, refused)
        return
    if before in (None, "draft") and after != "draft":
        doubt = judge(facts.gates, model.kind, acquired_on, exemption).sentence
        if doubt:
            problem, _, remedy = doubt.partition(" Remedy: ")
            yield Finding("acquired_on", problem, remedy.rstrip("."), is_warning=True)


def _gate_is_still_passed(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """What let a device in may not be changed afterwards into what would have kept it out."""
    if draft.before is None or draft.after["state"] == "draft" or draft.names.isdisjoint(_GATED):
        return
    before, after = (facts.models.get(str(entry["model_no"])) for entry in (draft.before, draft.after))
    is_only_renamed = draft.names.isdisjoint(_GATED - {"model_no"}) and before and after and before.kind == after.kind
    if after is None or is_only_renamed:
        return
    verdict = judge(facts.gates, after.kind, *_gate_facts(draft))
    if verdict.sentence:
        problem, _, remedy = verdict.sentence.partition(" Remedy: ")
        column = next(name for name in ("acquired_on", "model_no", "exemption_document") if name in draft.names)
        yield Finding(column, problem.rstrip("."), remedy.rstrip("."), is_warning=verdict.ok)


def _is_left_as_it_is(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """Under a hold that asks for it, and at the end of its life, a device stays what it is and where it is."""
    touched = sorted(draft.names & _SUBSTANCE)
    if draft.before is None or not touched:
        return
    state = str(draft.before["state"])
    holds = sorted(states.UNTOUCHABLE & set(facts.holds.get(str(draft.after["device_no"]), ())))
    if state in states.TERMINAL or state == "pending_disposal":
        yield Finding(touched[0], f"is of a device that is {state}: it stays what and where it is", "leave it as it is")
    elif holds:
        problem = f"is of a device that is held ({', '.join(holds)}) and stays as it is"
        yield Finding(touched[0], problem, "end the hold first, or leave it as it is")


def _gate_facts(draft: Draft) -> tuple[date | None, str | None]:
    acquired_on, exemption = draft.after["acquired_on"], draft.after["exemption_document"]
    return acquired_on if isinstance(acquired_on, date) else None, None if exemption is None else str(exemption)


def _refusal(before: str | None, sentence: str) -> Finding:
    """What the lifecycle says, cut into problem and remedy."""
    if before is None:
        problem, _, remedy = sentence.partition(" Remedy: ")
        return Finding("acquired_on", problem.rstrip("."), remedy.rstrip(".") or "write draft as its state")
    problem, _, _ = sentence.partition(". Allowed now: ")
    # Those need a document, for which a sheet has no column.
    may = [state for state in states.allowed(before) if state not in states.TERMINAL]
    remedy = (
        f"allowed after {before}: {', '.join(may)}" if may else f"leave the state as it is: nothing follows {before}"
    )
    return Finding("state", problem, remedy)


def _place_is_fit(draft: Draft, facts: Facts) -> Iterator[Finding]:
    site_no, merchant = draft.after["site_no"], draft.after["merchant_code"]
    moves = not draft.names.isdisjoint({"site_no", "merchant_code"})
    if moves and merchant is not None and (str(site_no), str(merchant)) not in facts.members:
        problem = f"is no merchant of site {site_no}"
        yield Finding("merchant_code", problem, "import the membership, or correct the cell", is_warning=True)
    site = facts.sites.get(str(site_no))
    if "site_no" in draft.names and site is not None and site.status == "cancelled":
        yield Finding("site_no", "is a site that was cancelled", "correct the cell, or the site", is_warning=True)


def _number_is_of_the_region(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """A number keeps the code of its day, so only one that is valid still can be at the wrong place."""
    found = _WITH_REGION.fullmatch(str(draft.after["device_no"]))
    site = facts.sites.get(str(draft.after["site_no"]))
    if not draft.is_new or found is None or site is None or found[1] == site.region_code:
        return
    if any(region.region_code == found[1] and region.is_valid(facts.today) for region in facts.regions):
        problem = f"names the region {found[1]}, and its site is in {site.region_code}"
        yield Finding("device_no", problem, "compare the number and the site with the label", is_warning=True)


def _model_is_on_sale(draft: Draft, facts: Facts) -> Iterator[Finding]:
    model = facts.models.get(str(draft.after["model_no"]))
    acquired_on = draft.after["acquired_on"]
    withdrawn_on = None if model is None else model.withdrawn_on
    if draft.is_new and withdrawn_on and isinstance(acquired_on, date) and acquired_on >= withdrawn_on:
        problem = f"was withdrawn on {withdrawn_on}, before the device was acquired"
        yield Finding("model_no", problem, "compare the model with the nameplate", is_warning=True)


def _gateway_is_one(draft: Draft, facts: Facts) -> Iterator[Finding]:
    gateway_no = draft.after["gateway_no"]
    if gateway_no is None:
        return
    model = facts.models.get(str(draft.after["model_no"]))
    if model is not None and model.kind == "gateway":
        yield Finding(
            "gateway_no", "is for devices behind a gateway, and this one is a gateway", "leave the cell empty"
        )
    # One that the sheet itself registers is judged between the rows.
    elif facts.kinds.get(str(gateway_no), "gateway") != "gateway":
        yield Finding("gateway_no", "is no gateway", "write the number of a device of the kind gateway")


def _gateway_stays_one(draft: Draft, facts: Facts) -> Iterator[Finding]:
    model = facts.models.get(str(draft.after["model_no"]))
    if str(draft.after["device_no"]) in facts.in_use and model is not None and model.kind != "gateway":
        problem = f"is a {model.kind}, and devices stand behind this gateway"
        yield Finding("model_no", problem, "put them behind another gateway first")


def _dates_are_in_order(draft: Draft, facts: Facts) -> Iterator[Finding]:
    for begins, ends, is_warning in (("verified_on", "verified_until", False), ("acquired_on", "accepted_on", True)):
        first, last = draft.after[begins], draft.after[ends]
        moves = not draft.names.isdisjoint({begins, ends})
        if moves and isinstance(first, date) and isinstance(last, date) and last < first:
            yield Finding(ends, f"is before {begins} ({first})", "compare both days with the documents", is_warning)
    acquired_on = draft.after["acquired_on"]
    if "acquired_on" in draft.names and isinstance(acquired_on, date) and acquired_on > facts.today:
        yield Finding("acquired_on", "is a day to come", "compare it with the invoice", is_warning=True)


def _scale_is_one(draft: Draft, _: Facts) -> Iterator[Finding]:
    least, most, interval = (draft.after[name] for name in ("min_g", "max_g", "interval_g"))
    if draft.names.isdisjoint({"min_g", "max_g", "interval_g"}) or not isinstance(most, int):
        return
    if isinstance(least, int) and least >= most:
        yield Finding("min_g", f"is not less than max_g ({most})", "compare both with the nameplate")
    if isinstance(interval, int) and interval > most:
        yield Finding("interval_g", f"is more than max_g ({most})", "compare both with the nameplate")


RULES: Final[tuple[Callable[[Draft, Facts], Iterable[Finding]], ...]] = (
    _number_is_not_retired,
    _state_may_follow,
    _gate_is_still_passed,
    _is_left_as_it_is,
    _place_is_fit,
    _number_is_of_the_region,
    _model_is_on_sale,
    _gateway_is_one,
    _gateway_stays_one,
    _dates_are_in_order,
    _scale_is_one,
)


def between_devices(drafts: Sequence[Draft], facts: Facts) -> Iterator[tuple[int, Finding]]:
    """What rows do to each other and to other devices: numbers that stand twice, gateways that are none."""
    by_number = {str(draft.after["device_no"]): draft for draft in drafts}
    for column, deciding in _ONCE.items():
        yield from _twice(column, deciding, by_number, facts)
    for draft in drafts:
        gateway = by_number.get(str(draft.after["gateway_no"]))
        model = None if gateway is None else facts.models.get(str(gateway.after["model_no"]))
        if gateway is not None and gateway.is_new and model is not None and model.kind != "gateway":
            yield draft.row, Finding("gateway_no", "is no gateway", "write the number of a device of the kind gateway")


def _twice(
    column: str, deciding: tuple[str, ...], by_number: dict[str, Draft], facts: Facts
) -> Iterator[tuple[int, Finding]]:
    first_rows: dict[tuple[str, ...], int] = {}
    for device_no, draft in by_number.items():
        value = draft.after[column]
        if value is None or draft.names.isdisjoint(deciding):
            continue
        what = _identity(column, str(value), draft, facts)
        first = first_rows.setdefault(what, draft.row)
        remedy = "compare it with the labels of both devices"
        if first != draft.row:
            yield draft.row, Finding(column, f"stands in row {first} already", remedy)
        for owner in facts.owners.get(what, ()):
            other = by_number.get(owner)
            # One whose own row changes it gives it away.
            if owner != device_no and (other is None or other.names.isdisjoint(deciding)):
                yield draft.row, Finding(column, f"is that of device {owner} already", remedy)


def _identity(column: str, value: str, draft: Draft, facts: Facts) -> tuple[str, ...]:
    """A factory number is its vendor's own."""
    if column != "factory_no":
        return column, value
    model = facts.models.get(str(draft.after["model_no"]))
    return column, model.vendor if model is not None else "", value
