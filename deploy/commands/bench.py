"""``tracefleet bench``: how fast, against what is possible here, and whether anything is lost."""

import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from store.errors import TracefleetError

app = typer.Typer(no_args_is_help=True, help="Measure on this machine, and account for every record.")


@app.command(epilog="Example: tracefleet bench ingest --quick --output bench.json")
def ingest(
    quick: Annotated[bool, typer.Option("--quick", help="Three scenarios, within a minute.")] = False,
    broker: Annotated[
        Literal["auto", "mosquitto", "nats"],
        typer.Option(help="Broker to start; `auto` takes Mosquitto where it is installed, else the embedded one."),
    ] = "auto",
    database_url: Annotated[
        str | None,
        typer.Option(
            help="A PostgreSQL server to make, use and drop a database on; without it an embedded one is started."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Scenarios whose name matches, such as `^100rec-10000dev`.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, max=600, help="How long capacity and latency are measured, each.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure ingest end to end on servers of its own: rates, latency, CPU, memory and WAL, as shares of the ceilings.

    Prints one JSON object. Exit status 1 when a record was lost. Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark measures processes with psutil: pip install psutil")
    from deploy.bench.run import run  # noqa: PLC0415 - heavy: only when it runs
    from deploy.bench.scenario import FULL, QUICK, scenarios  # noqa: PLC0415 - with it

    chosen = [scenario for scenario in scenarios(quick=quick) if only is None or _matches(only, scenario.name)]
    if not chosen:
        names = ", ".join(scenario.name for scenario in scenarios(quick=quick))
        raise typer.BadParameter(f"no scenario matches {only!r}; there are {names}", param_hint="--only")
    _check_folder_of(output)
    effort = QUICK if quick else FULL
    if seconds is not None:
        effort = replace(effort, capacity_seconds=seconds, latency_seconds=seconds)
    told = run(chosen, effort, broker=broker, database_url=database_url)
    _write(told, output)
    if any(scenario["lost"] for scenario in told["scenarios"]):
        raise typer.Exit(1)


@app.command(epilog="Example: tracefleet bench peers --quick --output peers.json")
def peers(
    quick: Annotated[bool, typer.Option("--quick", help="Three short rounds, within two minutes.")] = False,
    broker: Annotated[
        Literal["auto", "mosquitto", "nats"],
        typer.Option(help="Broker to start; `auto` takes Mosquitto where it is installed, else the embedded one."),
    ] = "auto",
    rounds: Annotated[int | None, typer.Option(min=1, max=100, help="How often each side is measured.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.05, max=600, help="How long the faster side takes for the rows of a round.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure ingest beside mq-bridge (Rust): the same rows, broker and server, in turns, single-record messages.

    Prints one JSON object. Exit status 1 when ingest lost a record. Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark measures processes with psutil: pip install psutil")
    _require("mq_bridge", "the peer that ingest is compared with is missing: `make bench-peers` installs it")
    from deploy.bench.peer_run import FULL, QUICK, run  # noqa: PLC0415 - heavy: only when it runs

    _check_folder_of(output)
    effort = QUICK if quick else FULL
    if rounds is not None:
        effort = replace(effort, rounds=rounds)
    if seconds is not None:
        effort = replace(effort, seconds=seconds)
    told = run(effort, broker=broker)
    _write(told, output)
    if told["lost"]["ours"]:
        raise typer.Exit(1)


@app.command(epilog="Example: tracefleet bench ledger --devices 100000 --output ledger.json")
def ledger(
    devices: Annotated[int, typer.Option(min=100, max=1_000_000, help="Devices in the ledger.")] = 100_000,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the requests.")] = False,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="A PostgreSQL server to make, use and drop databases on; without it an embedded one is started."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure the ledger on a server of its own: lists over HTTP, registrations, logins, an import, the audit's check.

    Prints one JSON object, each measure with its target and whether it was met. Exit status 1 when one was not.
    Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark looks at the machine with psutil: pip install psutil")
    from deploy.bench.ledger import effort, run  # noqa: PLC0415 - heavy: only when it runs

    _check_folder_of(output)
    told = run(effort(devices, quick=quick), database_url=database_url)
    _write(told, output)
    if not all(measure["met"] for measure in told["measures"]):
        raise typer.Exit(1)


@app.command(epilog="Example: tracefleet bench fleet --devices 100000 --output fleet.json")
def fleet(
    devices: Annotated[int, typer.Option(min=100, max=1_000_000, help="Devices, each with its days.")] = 100_000,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds; the fleet is as large.")] = False,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="A PostgreSQL server to make, use and drop a database on; without it an embedded one is started."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure what judges the fleet, on a server of its own: the health sweep, the evaluation of the rules.

    Prints one JSON object, each measure with its target and whether it was met. Exit status 1 when one was not.
    Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark looks at the machine with psutil: pip install psutil")
    from deploy.bench.fleet import run  # noqa: PLC0415 - heavy: only when it runs

    _check_folder_of(output)
    told = run(devices, quick=quick, database_url=database_url)
    _write(told, output)
    if not all(measure["met"] for measure in told["measures"]):
        raise typer.Exit(1)


@app.command(epilog="Example: tracefleet bench disk --devices 300 --days 3 --output disk.json")
def disk(
    devices: Annotated[int, typer.Option(min=3, max=10_000, help="Devices of the simulated city.")] = 300,
    days: Annotated[int, typer.Option(min=1, max=30, help="Days of theirs that are written.")] = 3,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="A PostgreSQL server to make, use and drop a database on; without it an embedded one is started. "
            "Compressed figures need TimescaleDB."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure the disk: bytes a record of each stream, raw and compressed, and bytes a day of all else that grows.

    Prints one JSON object. Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark looks at the machine with psutil: pip install psutil")
    from deploy.bench.disk import run  # noqa: PLC0415 - heavy: only when it runs

    _check_folder_of(output)
    _write(run(devices, days, database_url=database_url), output)


@app.command(epilog="Example: tracefleet bench backup --megabytes 500 --output backup.json")
def backup(
    megabytes: Annotated[
        int, typer.Option(min=1, max=100_000, help="What the base backup holds; as much comes after it.")
    ] = 500,
    output: Annotated[Path | None, typer.Option(help="Also write the report into this file.")] = None,
) -> None:
    """Measure backups of the embedded database: how far the log's stream is behind, how long a restore takes.

    Prints one JSON object. Exit status 2 when a row is missing. Everything it starts ends with it, also at Ctrl-C.
    """
    _require("psutil", "the benchmark looks at the machine with psutil: pip install psutil")
    from deploy.bench.backup import run  # noqa: PLC0415 - heavy: only when it runs

    _check_folder_of(output)
    _write(run(megabytes), output)


def _require(package: str, otherwise: str) -> None:
    if find_spec(package) is None:
        raise TracefleetError(otherwise)


def _check_folder_of(output: Path | None) -> None:
    if output is not None and not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {output} does not exist: create it first", param_hint="--output")


def _write(told: dict[str, Any], output: Path | None) -> None:
    report = json.dumps(told, indent=2) + "\n"
    sys.stdout.write(report)
    if output is not None:
        output.write_text(report, encoding="utf-8")


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise typer.BadParameter(f"{pattern!r} is no regular expression: {error}", param_hint="--only") from None
