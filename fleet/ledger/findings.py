"""What a rule has to say of a row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: the column it is about, what is wrong, and what to do. A warning stops nothing."""

    column: str
    problem: str
    remedy: str
    is_warning: bool = False
