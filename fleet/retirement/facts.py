"""What the guards of a step go by besides the case and the order: read before, so that judging is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from fleet.lifecycle.gate import Gate
from fleet.retirement.replacement import Successor
from fleet.retirement.tiers import Tier


@dataclass(frozen=True, slots=True)
class Facts:
    """The device, the papers and the actor as they are at *now*, which is on the *day* in Asia/Shanghai.

    *papers* are the kinds that lie with the case, those told with the step among them. *bundle_fen* is the original
    value of all that was proposed together, None when one of them is not known; *approved_fen* that of the device
    when it was approved. *has_lapsed*: none of the rules that the case was opened by holds any more.
    """

    actor: str
    now: datetime
    day: date
    device_state: str
    owner_type: str | None
    holds: Sequence[str] = ()
    papers: frozenset[str] = frozenset()
    single_fen: int | None = None
    bundle_fen: int | None = None
    tier: Tier | None = None
    approval_document: str | None = None
    approved_fen: int | None = None
    has_lapsed: bool = False
    successors: Mapping[str, Successor] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
