"""``tracefleet devices hold|unhold``: why nothing may be done to a device for a while."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from deploy.commands import desk
from fleet.business_day import SHANGHAI
from fleet.lifecycle import holds
from fleet.lifecycle.holds import Hold, HoldKind

NAME: Final = "tracefleet devices hold"

DeviceNo = Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def hold(
    device_no: DeviceNo,
    kind: Annotated[HoldKind, typer.Option(help="Under evidence and dispute a device stays as and where it is.")],
    reason: Reason,
    document: Annotated[str | None, typer.Option(help="Number of the document that orders it.")] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Its last day, in Asia/Shanghai. Without, until it is lifted."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Place a hold on a device, from now on; several may stand at a time."""
    ends_at = until.replace(tzinfo=SHANGHAI) + timedelta(days=1) if until else None
    placed = desk.change(
        NAME,
        lambda connection: holds.place(connection, device_no, kind, reason=reason, document=document, ends_at=ends_at),
        reason=reason,
    )
    _tell(placed, f"{device_no} is held ({kind}); the hold has the number {placed.hold_id}.", as_json=as_json)


def unhold(
    device_no: DeviceNo,
    hold_id: Annotated[int, typer.Argument(metavar="HOLD", help="Number of the hold, as it was told.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Lift a hold now. It stays on record."""
    lifted = desk.change(NAME, lambda connection: holds.lift(connection, device_no, hold_id), reason=reason)
    _tell(lifted, f"The hold {hold_id} of {device_no} is lifted.", as_json=as_json)


def _tell(told: Hold, sentence: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(told), ensure_ascii=False, default=datetime.isoformat) if as_json else sentence)
