"""What an import would do, or did: the answer that people and programs read. No personal data is ever in it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Noun = Literal[
    "regions",
    "sites",
    "closures",
    "merchants",
    "memberships",
    "parties",
    "models",
    "devices",
    "responsibilities",
    "code_profiles",
    "registration_gates",
]
Value = str | int | float | Decimal | bool | date


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing that is wrong with a sheet. Row 1 is the header."""

    row: int
    column: str
    value: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that gets another value; *before* is None where there was none, *after* where none is left."""

    column: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the ledger that a row changes."""

    row: int
    key: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an import.

    *created* holds the keys. With errors, nothing is applied, and created and changed say what the good rows would do.
    Warnings have the shape of errors and stop nothing.
    """

    noun: Noun
    rows: int
    created: tuple[str, ...]
    changed: tuple[Change, ...]
    unchanged: int
    errors: tuple[RowError, ...]
    applied: bool
    warnings: tuple[RowError, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether no row has an error."""
        return not self.errors
