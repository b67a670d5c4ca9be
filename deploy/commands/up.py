"""``tracefleet up``: the whole system on this machine."""

from typing import Annotated

import typer


def up(
    simulate: Annotated[
        int, typer.Option(min=0, max=50_000, metavar="N", help="Also run N simulated devices; 0 runs none.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The simulated city: the same seed gives the same city.")] = 1,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let the API listen off this machine without TLS: behind a proxy.")
    ] = False,
) -> None:
    """Run everything on this machine, with a PostgreSQL and a broker of its own, until Ctrl-C.

    Data and logs are kept in TRACEFLEET_DATA_DIR, so a second start finds them.
    """
    from deploy.embedded.system import Simulation, run  # noqa: PLC0415 - heavy: only when it runs

    if not run(Simulation(simulate, seed) if simulate else None, insecure=insecure):
        raise typer.Exit(1)
