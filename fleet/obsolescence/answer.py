"""What a rule says of a device: it holds and why, it does not, or nothing can be said just now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Answer(Enum):
    """Why a rule does not hold.

    UNSAID is no acquittal: a market that is closed shows nothing about the scales in it, so what was found before
    stays found.
    """

    NO = "no"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule that holds: the numbers that show it, what they were measured by, and the sentence for people."""

    numbers: Mapping[str, Any]
    sentence_zh: str
    sentence_en: str
    thresholds: Mapping[str, Any] = field(default_factory=dict)
