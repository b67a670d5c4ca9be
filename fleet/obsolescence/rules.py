"""The rules as data: what each is called, what can be set of it, when it holds, and how far back it looks.

Names, texts, weights and parameters in force are rows of the ledger (fleet.obsolescence.versions). The weights that a
new installation begins with, against 30 for watch and 60 for a flag, follow one thought: a reason that shows a device
to be of no use flags by itself; age and its like never do, alone or together.

mandatory   forbidden_kind
60, flags   dormant, unavailable, repairs, firmware_behind, replaced_function, model_withdrawn, dying
40, watch   error_rate, verification: both can be mended, and with age beside them they flag
25, noted   past_service_life, support_ended: together 50, still watch
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fleet.obsolescence import of_its_days, of_the_ledger, parameters
from fleet.obsolescence.answer import Answer, Shown
from fleet.obsolescence.facts import Facts, Windows
from fleet.obsolescence.parameters import Parameters


@dataclass(frozen=True, slots=True)
class RuleType:
    """A rule: *holds* is pure and judges the facts by parameters of the type *parameters*."""

    rule: str
    parameters: type[Parameters]
    holds: Callable[[Facts, Any], Shown | Answer]
    # Whether it looks back over `days` of its parameters.
    looks_back: bool = False


_TYPES: Final = (
    RuleType("forbidden_kind", parameters.ForbiddenKind, of_the_ledger.forbidden_kind),
    RuleType("model_withdrawn", parameters.ModelWithdrawn, of_the_ledger.model_withdrawn),
    RuleType("dormant", parameters.Dormant, of_its_days.dormant, looks_back=True),
    RuleType("replaced_function", parameters.ReplacedFunction, of_its_days.replaced_function, looks_back=True),
    RuleType("unavailable", parameters.Unavailable, of_its_days.unavailable, looks_back=True),
    RuleType("dying", parameters.Dying, of_its_days.dying, looks_back=True),
    RuleType("repairs", parameters.Repairs, of_the_ledger.repairs, looks_back=True),
    RuleType("firmware_behind", parameters.FirmwareBehind, of_the_ledger.firmware_behind),
    RuleType("error_rate", parameters.ErrorRate, of_its_days.error_rate, looks_back=True),
    RuleType("verification", parameters.Verification, of_the_ledger.verification),
    RuleType("past_service_life", parameters.PastServiceLife, of_the_ledger.past_service_life),
    RuleType("support_ended", parameters.SupportEnded, of_the_ledger.support_ended),
)
# In the order in which reasons are told.
RULES: Final[Mapping[str, RuleType]] = {of.rule: of for of in _TYPES}


def windows(chosen: Mapping[str, Parameters]) -> Windows:
    """How far back the rules look by these parameters; a rule that is not among them, as it does by default."""
    days = {rule: chosen[rule].days for rule, of in RULES.items() if of.looks_back and rule in chosen}  # type: ignore[attr-defined]
    dying = chosen.get("dying")
    if isinstance(dying, parameters.Dying):
        days["flat_readings"] = dying.min_readings_a_day
    return Windows(**days)
