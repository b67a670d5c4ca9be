"""Which programme is asked for, and of which day: shared by its routes."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, TypeVar

from fastapi import Path
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from api.parameters import Day
from api.problems import OF_CHANGES, documented
from fleet.business_day import today
from fleet.programmes.programme import Programme, programme, require_past

READS: Final = documented(besides=OF_CHANGES)
T = TypeVar("T")

ProgrammeNo = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Number of the programme.", examples=["KS-4101-2026"])
]


class DayQuery(BaseModel):
    """Of which day."""

    model_config = ConfigDict(extra="forbid")

    on: Day | None = Field(None, description="at whose end; left out: as it is now")


def on_day(
    programme_no: str, day: date | None, work: Callable[[Connection[Any], Programme, date], T]
) -> Callable[[Connection[Any]], T]:
    """*work* with the programme as it was on *day*. Raises RefusedError for a day that is still to come."""

    def asked(connection: Connection[Any]) -> T:
        last = today()
        chosen = day or last
        require_past(chosen, today=last)
        return work(connection, programme(connection, programme_no, chosen), chosen)

    return asked
