"""Whether a device's verification (检定) holds today: an axis of its own, beside its state. Pure; the same in SQL.

A certificate holds through its last day. Days are those of Asia/Shanghai, where every inspector's calendar hangs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, LiteralString

Metrology = Literal["not_applicable", "unknown", "valid", "due_soon", "overdue", "failed", "withdrawn"]

# Whose use in trade asks for a verification. Others have one only where the ledger says so.
MEASURING_KINDS: Final = frozenset({"trace_scale"})
DUE_SOON_DAYS: Final = 30

# The axis as far as the device's own columns tell it; NULL where nothing was ever entered. `d` is the device, the
# parameters are *today* and *due_soon*, the last day that is soon.
OF_THE_DEVICE: Final[LiteralString] = """CASE
    WHEN d.verification_result IN ('failed', 'withdrawn') THEN d.verification_result
    WHEN d.verified_until IS NULL THEN CASE WHEN d.verification_result IS NOT NULL THEN 'unknown' END
    WHEN d.verified_until < %(today)s::date THEN 'overdue'
    WHEN d.verified_until <= %(due_soon)s::date THEN 'due_soon'
    ELSE 'valid' END"""
# What it is where that is NULL; `m` is the model.
OF_THE_KIND: Final[LiteralString] = "CASE WHEN m.kind IN ('trace_scale') THEN 'unknown' ELSE 'not_applicable' END"
IN_SQL: Final[LiteralString] = f"coalesce({OF_THE_DEVICE}, {OF_THE_KIND})"
_SOUND: Final[LiteralString] = "(d.verification_result IS NULL OR d.verification_result = 'passed')"
_MEASURING: Final[LiteralString] = "ANY(ARRAY(SELECT k.model_id FROM models AS k WHERE k.kind IN ('trace_scale')))"
# The same once more, each value as a condition on columns, of which the server knows how many rows it leaves.
CONDITIONS: Final[Mapping[Metrology, LiteralString]] = {
    "not_applicable": (f"d.verified_until IS NULL AND d.verification_result IS NULL AND NOT d.model_id = {_MEASURING}"),
    "unknown": (
        "d.verified_until IS NULL"
        f" AND (d.verification_result = 'passed' OR (d.verification_result IS NULL AND d.model_id = {_MEASURING}))"
    ),
    "valid": f"d.verified_until > %(due_soon)s::date AND {_SOUND}",
    "due_soon": f"d.verified_until BETWEEN %(today)s::date AND %(due_soon)s::date AND {_SOUND}",
    "overdue": f"d.verified_until < %(today)s::date AND {_SOUND}",
    "failed": "d.verification_result = 'failed'",
    "withdrawn": "d.verification_result = 'withdrawn'",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What the ledger has of a device's verification."""

    verified_until: date | None
    result: Literal["passed", "failed", "withdrawn"] | None


def judge(kind: str, verification: Verification, *, today: date) -> Metrology:
    """The axis of a device of *kind* on that day."""
    if verification.result in ("failed", "withdrawn"):
        return verification.result
    until = verification.verified_until
    if until is None:
        applies = kind in MEASURING_KINDS or verification.result is not None
        return "unknown" if applies else "not_applicable"
    if until < today:
        return "overdue"
    return "due_soon" if until <= last_day_soon(today) else "valid"


def last_day_soon(today: date) -> date:
    """The last day on which what ends is due soon."""
    return today + timedelta(days=DUE_SOON_DAYS)
