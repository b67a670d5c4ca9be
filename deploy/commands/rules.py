"""``tracefleet fleet rules|rule-set|what-if``: rules of obsolescence, another version, and what it would do."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from rich.markup import escape
from rich.table import Table

from deploy.commands import desk
from deploy.commands.files import content_of
from deploy.commands.tables import print_table, table_of
from fleet.business_day import today
from fleet.obsolescence import versions
from fleet.obsolescence.rules import RULES
from fleet.obsolescence.versions import CHANGEABLE, RuleVersion
from fleet.obsolescence.what_if import Changes, WhatIf, what_if
from store.errors import TracefleetError

NAME: Final = "tracefleet fleet rules"
SHOWN: Final = 100

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def rules(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="All versions of this one.")] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="That count on this day.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the rules that count on a day, or all versions of one, with what may be set of it (淘汰规则)."""
    day = on.date() if on is not None else today()

    def work(connection: Connection[Any]) -> list[RuleVersion]:
        if rule is not None:
            return versions.versions_of(connection, rule)
        return list(versions.versions_on(connection, day).values())

    found = desk.read(NAME, work)
    if as_json:
        told: dict[str, Any] = {"items": [_version(version) for version in found]}
        if rule is not None:
            told["parameter_schema"] = RULES[rule].parameters.model_json_schema()
        _print_json(told)
        return
    table = table_of("rule", "version, from", "weight", "parameters", title="Rules · 淘汰规则")
    for version in found:
        weight = "mandatory\n必须" if version.is_mandatory else str(version.weight)
        parameters = "\n".join(f"{name}={_text(value)}" for name, value in _version(version)["parameters"].items())
        name = f"{version.name_zh} {version.name_en}{'' if version.is_enabled else ' (disabled 停用)'}"
        _row(table, f"{version.rule}\n{name}", f"{version.version}\n{version.effective_from}", weight, parameters)
    print_table(table, none="There is no rule then. 当日没有规则。")


def rule_set(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.")],
    effective_from: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="From which day on: today or later.")],
    *,
    parameters: Annotated[str, typer.Option(metavar="JSON", help="Some of its parameters: '{\"days\": 90}'.")] = "{}",
    weight: Annotated[int | None, typer.Option(min=0, max=100, help="What a finding adds to the score.")] = None,
    mandatory: Annotated[bool | None, typer.Option("--mandatory/--not-mandatory", help="Flags by itself.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it counts at all.")] = None,
    clear_after_days: Annotated[int | None, typer.Option(min=0, help="Days without cause until it clears.")] = None,
    basis: Annotated[str | None, typer.Option(help="The document that it stands on.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a version of a rule (新规则版本): what is not given stays as it is. Try it with `what-if` before."""
    given = {"weight": weight, "is_mandatory": mandatory, "is_enabled": enabled, "basis": basis}
    given |= {"clear_after_days": clear_after_days}

    def work(connection: Connection[Any]) -> RuleVersion:
        return versions.add_version(
            connection,
            rule,
            effective_from=effective_from.date(),
            today=today(),
            parameters=_object(parameters, "--parameters"),
            **given,
        )

    added = desk.change(NAME, work, reason=reason)
    if as_json:
        _print_json(_version(added))
    else:
        typer.echo(f"Version {added.version} of {rule} counts from {added.effective_from} on.")


def try_rules(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help='JSON: {"dormant": {"parameters": …, "weight": …}, …}.')
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option(metavar="RULE.NAME=VALUE", help="One thing otherwise; as often as needed.")
    ] = None,
    *,
    begins: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    ends: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
    step_days: Annotated[int, typer.Option(min=1, max=400, help="Judge every so many days.")] = 7,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Begin with the rules that count on this day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what other rules would have flagged over days that are past; nothing is written (规则试算)."""
    rules = _object(content_of(file), str(file)) if file is not None else {}
    _check(rules, str(file))
    policy = _take(change or [], rules)
    changes = Changes(rules, policy, as_of.date() if as_of is not None else None)

    def work(connection: Connection[Any]) -> WhatIf:
        first, last = begins.date(), ends.date()
        return what_if(connection, changes, begins_on=first, ends_on=last, today=today(), step_days=step_days)

    told = desk.read(NAME, work)
    if as_json:
        _print_json(asdict(told))
        return
    typer.echo(
        f"{begins.date()} to {ends.date()}, {len(told.days)} days judged: {len(told.flagged)} devices would be "
        f"flagged, {told.as_they_are} by the rules as they are; {len(told.added)} more, {len(told.spared)} spared."
    )
    for title, of in (("rule", told.by_rule), ("kind", told.by_kind), ("region", told.by_region)):
        typer.echo(f"  by {title}: {', '.join(f'{name} {number}' for name, number in sorted(of.items())) or 'none'}")
    for title, devices in (("More · 增加", told.added), ("Spared · 减少", told.spared)):
        table = table_of("device", "first", "rules", "why", title=title)
        for device in devices[:SHOWN]:
            why = f"{device.sentence_zh}\n{device.sentence_en}"
            _row(table, device.device_no, device.first_day, ", ".join(device.rules), why)
        print_table(table, none=f"{title}: none · 无")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for name, command, example in (
        ("rules", rules, "rules dormant"),
        ("rule-set", rule_set, "rule-set dormant --effective-from 2027-01-01 --parameters '{\"days\": 90}'"),
        ("what-if", try_rules, "what-if --change dormant.days=90 --from 2026-01-01 --to 2026-06-30"),
    ):
        app.command(name, epilog=f"Example: tracefleet fleet {example}")(command)


def _take(given: list[str], rules: dict[str, Any]) -> dict[str, Any]:
    """Put each `rule.name=value` into *rules*; those of the policy are answered."""
    policy: dict[str, Any] = {}
    for text in given:
        place, equals, value = text.partition("=")
        rule, dot, name = place.partition(".")
        if not equals or not dot or not name:
            raise typer.BadParameter(f"{text!r} is no change such as dormant.days=90", param_hint="--change")
        if rule == "policy":
            policy[name] = _value(value)
        elif name in CHANGEABLE:
            rules.setdefault(rule, {})[name] = _value(value)
        else:
            rules.setdefault(rule, {}).setdefault("parameters", {})[name] = _value(value)
    return policy


def _check(rules: dict[str, Any], where: str) -> None:
    for rule, change in rules.items():
        if not isinstance(change, dict) or not isinstance(change.get("parameters", {}), dict):
            raise TracefleetError(f'{where}: {rule} has to be an object, such as {{"parameters": {{"days": 90}}}}.')


def _value(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _object(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TracefleetError(f"{where} is no JSON: {error}.") from error
    if not isinstance(told, dict):
        raise TracefleetError(f"{where} is no JSON object.")
    return told


def _version(version: RuleVersion) -> dict[str, Any]:
    told = {of.name: getattr(version, of.name) for of in fields(RuleVersion)}
    return told | {"parameters": version.parameters.model_dump(mode="json")}


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _row(table: Table, *cells: date | str | int | None) -> None:
    table.add_row(*(escape("" if cell is None else str(cell)) for cell in cells))


def _print_json(told: Mapping[str, Any]) -> None:
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
