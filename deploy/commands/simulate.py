"""``tracefleet simulate``: devices that behave like devices."""

import asyncio
import sys
from datetime import datetime, time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from store import log
from store.errors import TracefleetError
from store.settings import Settings, load
from store.stopping import told_to_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from deploy.simulator.tally import Tally


def simulate(
    *,
    devices: Annotated[int, typer.Option(min=1, max=50_000, help="Devices of the city.")] = 200,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages a second of the whole fleet; 0 leaves each device its natural pace.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same city.")] = 1,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long; without it, at Ctrl-C.")] = None,
    city_time: Annotated[
        str,
        typer.Option(help="Local time in the city at the start, HH:MM, or `now`. Moves its habits, not its records."),
    ] = "07:30",
    faults: Annotated[
        Literal["none", "some", "many"],
        typer.Option(help="Outages, reboots, deaths, wrong clocks and messages sent twice."),
    ] = "some",
    bad_share: Annotated[float, typer.Option(min=0, max=1, help="Share of messages with a record to refuse.")] = 0.0,
    strangers: Annotated[int, typer.Option(min=0, max=1000, help="Devices besides that no ledger knows.")] = 0,
    connections: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Connections at most, 1000 by default. With more devices, neighbours share one, as behind a gateway.",
        ),
    ] = None,
    seed_store: Annotated[
        bool | None,
        typer.Option(
            "--seed-store/--no-seed",
            help="Import the city's ledger into the database first, over what is there, unless it holds every device "
            "of the city; or never. Without either, only an empty ledger is written, and another city's is refused.",
            show_default=False,
        ),
    ] = None,
    credentials: Annotated[
        bool | None,
        typer.Option(
            "--credentials/--no-credentials",
            help="Issue each device with a connection of its own a credential, and let it log in with that; shared "
            "connections log in as the broker's URL says. Without either, as TRACEFLEET_NATS_URL is set or not.",
            show_default=False,
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Write the city's ledger as CSV files into this folder, to import yourself, and end."),
    ] = None,
    tally: Annotated[
        Path | None, typer.Option(help="Keep the account in this file, renewed every second and at the end.")
    ] = None,
) -> None:
    """Run simulated devices against the broker, and account for every message it acknowledged.

    The account is one JSON object on standard output at the end. Ctrl-C and SIGTERM are normal ends.
    """
    from deploy.simulator import service  # noqa: PLC0415 - heavy: only when it runs

    start = _time_of_day(city_time)
    if ledger is not None:
        _write_ledger(devices, seed, ledger)
        return
    settings = load()
    log.configure(settings.log_format)
    _check_folder(tally)
    run = partial(
        service.run,
        devices=devices,
        rate=rate,
        seed=seed,
        seconds=seconds,
        city_time=start,
        faults=faults,
        bad_share=bad_share,
        strangers=strangers,
        connections=connections,
        seed_store=seed_store,
        credentials=credentials,
        tally_file=tally,
        say=lambda sentence: typer.echo(sentence, err=True),
    )
    sys.stdout.write(asyncio.run(_until_told(run, settings)).as_json().decode())


async def _until_told(run: "Callable[..., Coroutine[object, object, Tally]]", settings: Settings) -> "Tally":
    from deploy.simulator.progress import Progress  # noqa: PLC0415 - with the service

    progress = Progress()
    try:
        return await run(settings, stop=told_to_stop(), watch=progress)
    finally:
        progress.close()


def _time_of_day(text: str) -> time | None:
    if text == "now":
        return None
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time of day: write HH:MM, for example 07:30, or now") from None


def _check_folder(tally: Path | None) -> None:
    if tally is not None and not tally.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {tally} does not exist: create it first", param_hint="--tally")


def _write_ledger(devices: int, seed: int, folder: Path) -> None:
    from deploy.simulator.city import build  # noqa: PLC0415 - only when asked for
    from deploy.simulator.ledger import write_sheets  # noqa: PLC0415 - only when asked for

    try:
        written = write_sheets(build(devices, seed), folder)
    except OSError as error:
        raise TracefleetError(
            f"the ledger cannot be written to {folder.absolute()}: {error.strerror}. "
            f"Name a folder that can be, with --ledger."
        ) from error
    for path in written:
        typer.echo(str(path))
