"""The rules that a row has to keep besides those of its cells: noun by noun, each a function of a draft and the facts.

Pure. A finding stops the import, unless it is a warning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from fleet.ledger import rules_of_devices
from fleet.ledger.drafts import Draft
from fleet.ledger.facts import Facts, Profile, Region
from fleet.ledger.findings import Finding
from fleet.ledger.report import Noun

Rule = Callable[[Draft, Facts], Iterable[Finding]]


def findings(noun: Noun, drafts: Sequence[Draft], facts: Facts) -> dict[int, list[Finding]]:
    """What the rules of *noun* find, by the number of the row."""
    found: dict[int, list[Finding]] = {}
    for draft in drafts:
        for rule in RULES.get(noun, ()):
            for finding in rule(draft, facts):
                found.setdefault(draft.row, []).append(finding)
    if noun == "devices":
        for row, finding in rules_of_devices.between_devices(drafts, facts):
            found.setdefault(row, []).append(finding)
    return found


def _ends_after(begins: str, ends: str, remedy: str, *, or_with: bool = False) -> Rule:
    def rule(draft: Draft, _: Facts) -> Iterator[Finding]:
        first, last = draft.after[begins], draft.after[ends]
        if isinstance(first, date) and isinstance(last, date) and (last < first if or_with else last <= first):
            yield Finding(ends, f"is {'before' if or_with else 'not after'} {begins} ({first})", remedy)

    return rule


def _region_is_valid(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """A code that has been given up is refused to who writes it now; who holds it from before is told."""
    code = draft.after["region_code"]
    of_the_code = [region for region in facts.regions if region.region_code == code]
    if not of_the_code or any(region.is_valid(facts.today) for region in of_the_code):
        return
    last = of_the_code[-1]
    if last.valid_to is None or last.valid_to > facts.today:
        problem, remedy = f"is not valid before {last.valid_from}", "write the code that is valid today"
    else:
        problem = f"is no longer valid since {last.valid_to}"
        successor = successor_of(last, facts.regions, facts.today)
        remedy = (
            f"write {successor.region_code} ({successor.name_zh})"
            if successor
            else "write the code that is valid today"
        )
    yield Finding("region_code", problem, remedy, is_warning="region_code" not in draft.names)


def successor_of(gone: Region, regions: Iterable[Region], today: date) -> Region | None:
    """The region that took the place of *gone*: valid from the day on which that ended, and the nearest by its name."""
    begun = [
        region
        for region in regions
        if region.valid_from == gone.valid_to and region.is_valid(today) and region.region_code != gone.region_code
    ]
    # 长垣县 became 长垣市: the name goes on but for its last character.
    named = [region for region in begun if region.name_zh[:-1] == gone.name_zh[:-1]]
    siblings = [region for region in begun if region.parent_code == gone.parent_code]
    for candidates in (named, siblings):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _is_written_as(subject: str, column: str, region_column: str | None) -> Rule:
    """A new code has to fit the profile of its region, or any, where it has no region of its own."""

    def rule(draft: Draft, facts: Facts) -> Iterator[Finding]:
        if not draft.is_new:
            return
        region = str(draft.after[region_column]) if region_column else None
        profiles = profiles_for(facts.profiles, subject, region)
        code = str(draft.after[column])
        if profiles and not any(profile.fits(code) for profile in profiles):
            is_warning = not all(profile.verified for profile in profiles)
            patterns = " or ".join(sorted({profile.pattern for profile in profiles}))
            known = "not verified" if is_warning else "verified"
            problem = f"is not written as the region's code profile says ({known})"
            yield Finding(column, problem, f"compare it with {patterns}", is_warning=is_warning)

    return rule


def profiles_for(profiles: Iterable[Profile], subject: str, region_code: str | None) -> list[Profile]:
    """The profiles for *subject* that bind: the latest of the nearest region above, or of each where none is given."""
    binding: dict[str, Profile] = {}
    for profile in profiles:
        if profile.subject != subject or not (region_code or profile.region_code).startswith(profile.region_code):
            continue
        known = binding.get(profile.region_code)
        if known is None or known.version < profile.version:
            binding[profile.region_code] = profile
    if region_code is None:
        return list(binding.values())
    return [binding[max(binding, key=len)]] if binding else []


def _party_is_what_it_names(draft: Draft, _: Facts) -> Iterator[Finding]:
    for column, kind in (("site_no", "site"), ("merchant_code", "merchant")):
        if draft.after[column] is not None and draft.after["kind"] != kind:
            yield Finding(
                column, f"is for parties of the kind {kind} alone", f"empty the cell, or write {kind} as kind"
            )


def _kind_stays(draft: Draft, facts: Facts) -> Iterator[Finding]:
    """The devices of a model passed the gate as what it was then, and report what that may."""
    if "kind" in draft.names and not draft.is_new and str(draft.after["model_no"]) in facts.in_use:
        yield Finding("kind", "does not change while there are devices of the model", "import another model for them")


RULES: Final[Mapping[Noun, tuple[Rule, ...]]] = {
    "regions": (_ends_after("valid_from", "valid_to", "write the first day on which the code is void"),),
    "sites": (_region_is_valid, _is_written_as("site", "site_no", "region_code")),
    "closures": (_ends_after("begins_on", "ends_on", "write the last day of the closure", or_with=True),),
    "merchants": (_is_written_as("merchant", "merchant_code", None),),
    "parties": (_party_is_what_it_names,),
    "models": (_kind_stays,),
    "code_profiles": (_ends_after("valid_from", "valid_to", "write the first day on which the profile is void"),),
    "devices": rules_of_devices.RULES,
}
