"""What ``tracefleet doctor`` says of one thing."""

from dataclasses import dataclass
from typing import Literal

# A warning is worth knowing, and things work; a problem needs somebody; what was skipped nobody has looked at.
Verdict = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing is. *remedy* is empty where nothing is to be done; of what was skipped, how to look."""

    what: str
    verdict: Verdict
    detail: str
    remedy: str = ""
