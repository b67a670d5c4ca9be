"""The registration gate: which kinds of device may no longer be added to the ledger, and what to use instead.

The notice (豫商办文〔2018〕81号) can be read two ways, so dates and policy are rows of the ledger. Judging is pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

Policy = Literal["block", "require_exemption", "warn"]

GATES: Final = "SELECT kind, acquired_after, policy, basis, instead_zh, instead_en FROM registration_gates"
# What such a device is called.
NAMES: Final[Mapping[str, str]] = {"kiosk": "a query kiosk (查询机)", "trace_scale": "a trace scale (追溯秤)"}


@dataclass(frozen=True, slots=True)
class Gate:
    """Devices of *kind* acquired after that day fall under *policy*, on the *basis* of a document.

    *instead* says what may come in their place, as the ledger has it in either language.
    """

    kind: str
    acquired_after: date
    policy: Policy
    basis: str
    instead_zh: str | None = None
    instead_en: str | None = None

    @property
    def instead(self) -> tuple[str, str] | None:
        """What may come in their place, zh and en; one stands for both where the other is not told."""
        zh, en = self.instead_zh or self.instead_en, self.instead_en or self.instead_zh
        return (zh, en) if zh and en else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a device may be registered. The sentence says why not; with *ok* it is a warning, or empty."""

    ok: bool
    sentence: str = ""


PASSES: Final = Verdict(ok=True)


def judge(gates: Mapping[str, Gate], kind: str, acquired_on: date | None, exemption_document: str | None) -> Verdict:
    """Whether a device of *kind* may enter the ledger in any state but draft.

    A day of acquisition that is not known counts as after the gate's: else leaving it out would be the way around.
    """
    gate = gates.get(kind)
    if gate is None or (acquired_on is not None and acquired_on <= gate.acquired_after):
        return PASSES
    if exemption_document and gate.policy != "block":
        return PASSES
    return Verdict(ok=gate.policy == "warn", sentence=_sentence(gate, acquired_on))


def _sentence(gate: Gate, acquired_on: date | None) -> str:
    name = NAMES.get(gate.kind, f"a device of the kind {gate.kind}")
    when = f"acquired on {acquired_on}" if acquired_on else "whose acquired_on (取得日期) is not known"
    rule = {
        "block": "is not registered",
        "require_exemption": "is registered only with an exemption document (豁免文件)",
        "warn": "should not be added",
    }[gate.policy]
    remedies = [] if acquired_on else [f"fill in acquired_on if it was acquired by {gate.acquired_after}"]
    if gate.policy != "block":
        remedies.append("attach the exemption document")
    zh, en = gate.instead or ("", "")
    remedies.append(f"use instead {en} ({zh})" if en else "use a device of another kind")
    return (
        f"{name} {when} {rule}: {gate.basis} admits those acquired up to {gate.acquired_after}. "
        f"Remedy: {', or '.join(remedies)}."
    )


def load_gates(connection: Connection[Any]) -> dict[str, Gate]:
    """The gates of the ledger, by kind."""
    with connection.cursor(row_factory=class_row(Gate)) as cursor:
        return {gate.kind: gate for gate in cursor.execute(GATES)}
