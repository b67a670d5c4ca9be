"""What an alert is, for whoever evaluates it: Prometheus, Grafana, or the reader of the runbook.

Data alone. An alert tells a symptom that somebody can act on; its name is its heading in ``deploy/README.md``.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

# `critical`: data or proof is being lost, or will be within hours; somebody is woken. `warning`: today.
Severity = Literal["critical", "warning"]

RUNBOOK: Final = "deploy/README.md"


class Texts(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Promql:
    """A question to Prometheus: every series of the answer is an alert, so the answer is empty while all is well."""

    expression: str


@dataclass(frozen=True, slots=True)
class Sql:
    """A question to the database: every row is an alert. One column is a number, the others are text and tell it apart.

    What only the ledger knows. A view of the dashboards is asked, so that their role may.
    """

    statement: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Texts may hold ``{{ .Labels.x }}`` and ``{{ .Value }}``, as both evaluators fill them in."""

    name: str
    severity: Severity
    asks: Promql | Sql
    for_minutes: int
    title: Texts
    summary: Texts
    description: Texts

    @property
    def anchor(self) -> str:
        """Of its heading in the runbook."""
        return self.name.lower()
