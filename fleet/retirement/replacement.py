"""What comes in the place of a device: another of the ledger, or another way to do its work. Judging is pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from fleet.lifecycle.gate import Gate, judge
from fleet.lifecycle.replacements import PLACED

SUCCESSORS: Final = """
SELECT d.device_id, d.device_no, m.kind, d.state, d.acquired_on, d.exemption_document,
       d.decommissioned_at IS NOT NULL OR EXISTS (
           SELECT FROM cases AS c WHERE c.device_id = d.device_id
           AND NOT is_over(c.state)) AS is_leaving
FROM devices AS d JOIN models AS m USING (model_id)
WHERE d.device_no = ANY(%(device_nos)s::text[])
"""


@dataclass(frozen=True, slots=True)
class Successor:
    """A device that may take the place of another. *is_leaving*: it is being retired itself."""

    device_id: int
    device_no: str
    kind: str
    state: str
    acquired_on: date | None = None
    exemption_document: str | None = None
    is_leaving: bool = False


def load_successors(connection: Connection[Any], device_nos: Iterable[str]) -> dict[str, Successor]:
    """The devices of these numbers, by number."""
    wanted = sorted(set(device_nos))
    if not wanted:
        return {}
    with connection.cursor(row_factory=class_row(Successor)) as cursor:
        return {found.device_no: found for found in cursor.execute(SUCCESSORS, {"device_nos": wanted})}


def unfit(
    device_no: str,
    device_state: str,
    successor_no: str,
    successors: Mapping[str, Successor],
    gates: Mapping[str, Gate],
) -> str | None:
    """Why *successor_no* may not take the place of the device, or None."""
    successor = successors.get(successor_no)
    if successor is None:
        return f"{successor_no} is not in the ledger: register it first, or correct the number"
    if successor_no == device_no:
        return "a device cannot take its own place"
    if successor.state != "in_stock":
        return f"{successor_no} is {successor.state}: only a device in stock takes the place of another"
    if successor.is_leaving:
        return f"{successor_no} is being retired itself: name another"
    if device_state not in PLACED:
        sentence = f"{device_no} is {device_state} and has no place to hand over"
        return f"{sentence}: give the other its place by itself, and tell the replacement none"
    verdict = judge(gates, successor.kind, successor.acquired_on, successor.exemption_document)
    return None if verdict.ok else _forbidden(successor, gates.get(successor.kind))


def _forbidden(successor: Successor, gate: Gate | None) -> str:
    what = f"{successor.device_no} is a {successor.kind}, which may not be added any more"
    if gate is None or gate.instead is None:
        return f"{what}: name a device of another kind, or another way (qr_lookup, erp_upload)"
    instead_zh, instead_en = gate.instead
    return (
        f"{what} ({gate.basis}): what may come instead is {instead_en} · "
        f"{successor.device_no} 属不再新增的设备，可改用：{instead_zh}"
    )
