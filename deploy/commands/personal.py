"""``tracefleet merchants|parties|devices reveal``: personal data in clear, each reading a row of the audit."""

import json
from typing import Annotated, Final

import typer

from deploy.commands import desk
from fleet.keys import Keys
from fleet.ledger.personal import PersonalNoun, reveal
from store.settings import load

EPILOG: Final = 'Example: tracefleet {noun} reveal {example} --reason "call about a fault"'
EXAMPLES: Final[dict[PersonalNoun, str]] = {
    "merchants": "4101000010001",
    "parties": "OP-1",
    "devices": "TD-410100-SC-000001-0",
}
WHAT: Final[dict[PersonalNoun, str]] = {
    "merchants": "Show a merchant's phone and identity number in clear.",
    "parties": "Show a responsible party's phone in clear.",
    "devices": "Show a device's IMEI, ICCID and custodian's phone in clear.",
}


def add_to(app: typer.Typer, noun: PersonalNoun) -> None:
    """Give the group of a noun its `reveal`."""

    @app.command(
        "reveal",
        help=f"{WHAT[noun]} That it was read, by whom and why, is in the audit.",
        epilog=EPILOG.format(noun=noun, example=EXAMPLES[noun]),
    )
    def _reveal(
        key: Annotated[str, typer.Argument(metavar="NUMBER", help="Number or code of the entry.")],
        reason: Annotated[str, typer.Option(help="Why it is read; the audit keeps it.")],
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        if not reason.strip():
            raise typer.BadParameter("say why it is read", param_hint="--reason")
        _show(noun, key, reason, as_json=as_json)


def _show(noun: PersonalNoun, key: str, reason: str, *, as_json: bool) -> None:
    keys = Keys.of(load())
    revealed = desk.change(
        f"tracefleet {noun} reveal",
        lambda connection: reveal(connection, noun, key, keys=keys, reason=reason),
        reason=reason,
    )
    if as_json:
        typer.echo(json.dumps(dict(revealed.values), ensure_ascii=False))
        return
    width = max(map(len, revealed.values))
    for column, value in revealed.values.items():
        typer.echo(f"{column:<{width}}  {value or '–'}")
