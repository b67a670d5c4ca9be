"""The city's ledger into the store, through the import that an operator would use; never over anything by surprise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from deploy.commands.acting import actor
from deploy.simulator import bands, retiring
from deploy.simulator.city import City
from deploy.simulator.ledger import sheets
from fleet.acting import acting
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet
from store.database import connect_once
from store.errors import TracefleetError

# The spare of a city never speaks, so a ledger without it is none the worse.
HELD: Final = """
SELECT (SELECT count(*) FROM devices) AS devices,
       (SELECT count(*) FROM devices WHERE device_no = ANY(%(numbers)s)) AS of_the_city
"""

# Of those that speak, whom nobody hears: what they say is no telemetry any more.
RETIRED: Final = """
SELECT device_no FROM devices WHERE device_no = ANY(%(numbers)s) AND is_retired(state, decommissioned_at)
"""


@dataclass(frozen=True, slots=True)
class Seeding:
    """What was done: a sentence for the operator, and whether there are devices that ingest has to hear of first.

    *retired* are the numbers of the city's devices that the ledger has put out of use.
    """

    sentence: str
    has_written: bool
    retired: frozenset[str] = frozenset()


def seed(database_url: str, city: City, *, keys: Keys, is_wanted: bool | None) -> Seeding:
    """Import *city*, all of it or nothing, unless the ledger holds every device of it: then nothing is touched.

    With *is_wanted* None that is done to an empty ledger alone. Raises TracefleetError for one that holds other
    devices, and for a city that does not fit it.
    """
    with connect_once(database_url, application_name="tracefleet simulate") as connection:
        where = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
        numbers = [device.device_no for device in city.devices]
        held, of_the_city = connection.execute(HELD, {"numbers": numbers}).fetchone() or (0, 0)
        missing = len(numbers) - int(str(of_the_city))
        if not missing:
            return Seeding(
                f"The ledger in {where} holds all devices of this city: nothing was written.",
                has_written=False,
                retired=_retired(connection, numbers),
            )
        if held and is_wanted is None:
            raise TracefleetError(
                f"the ledger in {where} holds {held} {'device' if held == 1 else 'devices'}, and {missing} of this "
                f"city's {len(numbers)} are not among them: use an empty database, the --devices and --seed of before, "
                f"--seed-store to import this city over the ledger, or --no-seed to leave the ledger as it is."
            )
        with acting(connection, actor(), keys=keys, reason="tracefleet simulate"):
            counts = ", ".join(_import(connection, city, keys))
            bands.set_for(connection, city)
        # A ledger that had devices before has cases of its own.
        if not held:
            counts += f", {retiring.begin(connection, city, keys=keys)}"
        retired = _retired(connection, numbers)
    return Seeding(f"Imported this city into the ledger in {where}: {counts}.", has_written=True, retired=retired)


def _retired(connection: Connection[Any], numbers: list[str]) -> frozenset[str]:
    return frozenset(str(number) for (number,) in connection.execute(RETIRED, {"numbers": numbers}))


def _import(connection: Connection[Any], city: City, keys: Keys) -> Iterator[str]:
    """Import the sheets, each after those it refers to; what became of each."""
    for noun, content in sheets(city).items():
        report = import_sheet(connection, noun, content, apply=True, keys=keys)
        if not report.applied:
            first = report.errors[0]
            raise TracefleetError(
                f"the simulated city's {noun} do not fit the ledger: row {first.row}, {first.column} "
                f"{first.value!r} {first.problem}; {first.remedy}."
            )
        yield f"{len(report.created)} new and {len(report.changed)} changed {noun}"
