"""What steps of cases come to, or came to: the answer that people and programs read."""

from dataclasses import dataclass, field

from fleet.errors import refuse


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why an order is refused. *column* is the field to look at; *unknown* that it names what the ledger does not hold.

    *state* and *allowed* are given when a state may not follow the present one.
    """

    row: int
    case_no: str
    device_no: str
    column: str
    sentence: str
    unknown: bool = False
    state: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that goes from one state to another; *sentence* says what else there is to know, in Chinese and English.

    *case_no* of a case that would be opened is empty: it has none yet.
    """

    row: int
    case_no: str
    device_no: str
    before: str | None
    after: str
    sentence_zh: str = ""
    sentence_en: str = ""
    device_states: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of orders. With errors nothing is applied, and *changed* says what the good ones would do."""

    step: str
    orders: int
    changed: tuple[Changed, ...]
    errors: tuple[Complaint, ...]
    applied: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with any order."""
        return not self.errors

    def settle(self) -> "Report":
        """The report itself when nothing is wrong. Raises RefusedError of the sort of its first complaint."""
        if self.errors:
            first = self.errors[0]
            refuse(first.case_no or first.device_no, self.errors)
        return self
