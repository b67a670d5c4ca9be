"""The command line ``tracefleet``.

Exit status: 0 done, 1 done and something needs attention, 2 not done for a reason that is said in a sentence.
"""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from deploy.commands import (
    api,
    audit,
    backup,
    bands,
    bench,
    broker_config,
    cases,
    credentials,
    dead_letters,
    doctor,
    enrol,
    events,
    findings,
    fleet,
    health,
    history,
    holds,
    ingest,
    issuing,
    keys,
    labels,
    ledger,
    lookups,
    migrate,
    moves,
    outages,
    outsiders,
    personal,
    programmes,
    rules,
    security,
    simulate,
    thresholds,
    up,
    users,
    workers,
)
from deploy.invocation import as_typed
from store.errors import TracefleetError

app = typer.Typer(
    name="tracefleet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tracefleet up --simulate 200",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import, and wanted here alone

        typer.echo(f"tracefleet {version('tracefleet')}")
        raise typer.Exit


@app.callback()
def tracefleet(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Ingest telemetry of traceability devices and manage the fleet."""


app.command(epilog="Example: tracefleet up --simulate 200")(up.up)
app.command(epilog="Example: TRACEFLEET_DATABASE_URL=postgresql://… tracefleet migrate")(migrate.migrate)
app.command(epilog="Example: TRACEFLEET_BROKER_URL=mqtt://broker:1883 tracefleet ingest")(ingest.ingest)
for commands in (outages, thresholds, bands, health, rules, findings, cases, security, programmes, lookups, events):
    commands.add_to(fleet.app)
app.add_typer(fleet.app, name="fleet", epilog="Example: TRACEFLEET_FLEET_METRICS_PORT=9202 tracefleet fleet")
app.command(epilog="Example: TRACEFLEET_API_PORT=8080 tracefleet api")(api.api)
app.command(epilog="Example: tracefleet simulate --devices 1000 --rate 500 --seed 7")(simulate.simulate)
app.command(epilog="Example: tracefleet doctor --json")(doctor.doctor)
app.command("broker-config", epilog="Example: tracefleet broker-config --output access.conf")(
    broker_config.broker_config
)
for command, name, example in (
    (credentials.credential, "credential", "credential TD-410100-SC-000001-0 --rotate --overlap 24h"),
    (credentials.credentials, "credentials", "credentials TD-410100-SC-000001-0"),
    (credentials.revoke, "revoke", "revoke TD-410100-SC-000001-0 --reason stolen"),
    (credentials.certificate, "certificate", "certificate TD-410100-SC-000001-0 device.pem"),
    (issuing.issue_in_bulk, "credentials-issue", "credentials-issue --site 410100001 --out passwords.csv"),
    (enrol.enrol, "enrol", "enrol TD-410100-SC-000001-0 --qr"),
):
    ledger.devices.command(name, epilog=f"Example: tracefleet devices {example}")(command)
for name, group in ledger.GROUPS.items():
    app.add_typer(group, name=name, epilog=f"Example: tracefleet {name} import {name}.csv --apply")
personal.add_to(ledger.merchants, "merchants")
personal.add_to(ledger.devices, "devices")
ledger.devices.command(epilog="Example: tracefleet devices hold TD-410100-SC-000001-0 --kind evidence --reason 复检")(
    holds.hold
)
ledger.devices.command(epilog="Example: tracefleet devices unhold TD-410100-SC-000001-0 17 --reason 复检合格")(
    holds.unhold
)
history.add_to(ledger.devices)
moves.add_to(ledger.devices)
ledger.devices.command(epilog="Example: tracefleet devices labels --out labels.pdf --site 410100001")(labels.labels)
outsiders.add_to(ledger.devices)
app.add_typer(outsiders.app, name="outsiders", epilog="Example: tracefleet outsiders strangers")
app.add_typer(audit.app, name="audit", epilog="Example: tracefleet audit verify")
app.add_typer(backup.app, name="backup", epilog="Example: tracefleet backup create")
app.add_typer(bench.app, name="bench", epilog="Example: tracefleet bench ingest --quick")
app.add_typer(workers.app, name="workers", epilog="Example: tracefleet workers list")
app.add_typer(users.app, name="users", epilog="Example: tracefleet users create wang.li --role operator --region 4101")
app.add_typer(keys.app, name="keys", epilog="Example: tracefleet keys create --name erp --role viewer --expires 365d")
app.add_typer(dead_letters.app, name="dead-letters", epilog="Example: tracefleet dead-letters list")


def main() -> None:
    """Run the command of this process's arguments, and exit."""
    sentences: list[str] = []
    try:
        app()
    except* TracefleetError as group:
        # From a command or from among a service's tasks, it is a sentence for the operator, not a traceback.
        sentences = list(_sentences(group))
    if sentences:
        sys.stderr.write("".join(f"{as_typed(sentence)}\n" for sentence in sentences))
        sys.exit(2)


def _sentences(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _sentences(inner)
    else:
        yield str(error)


if __name__ == "__main__":
    main()
