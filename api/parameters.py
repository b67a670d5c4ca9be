"""Parameters that several routes take: device numbers, instants, texts, page limits."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from fastapi import Path
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.ledger import EXAMPLE_LOGGER

DEVICE_NO_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
LIMIT_MAX: Final = 500

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# An offset whose "+" was not escaped: in a URL that is a space.
_LOST_PLUS = re.compile(r"\S+ \d\d:\d\d", re.ASCII)


def parse_instant(value: object) -> datetime:
    """The instant of an RFC 3339 text with an offset, in UTC.

    Raises ValueError for anything else, times outside the years 1 to 9999 included.
    """
    if not isinstance(value, str):
        raise ValueError("expected RFC 3339 text, such as 2026-11-23T08:00:00Z")  # noqa: TRY004 - pydantic asks for it
    if _LOST_PLUS.fullmatch(value):
        raise ValueError(
            "expected RFC 3339; in a URL the + of an offset is written %2B, or give the time in UTC with Z"
        )
    if _RFC_3339.fullmatch(value) is None:
        raise ValueError("expected RFC 3339 with an offset, such as 2026-11-23T08:00:00Z or 2026-11-23T16:00:00+08:00")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("no such time in the calendar (years 0001 to 9999, UTC)") from None


Instant = Annotated[datetime, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


def parse_day(value: object) -> date:
    """The day of a text such as 2018-08-27. Raises ValueError for anything else, numbers included."""
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        raise ValueError("expected a day, such as 2018-08-27")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("no such day in the calendar") from None


Day = Annotated[date, BeforeValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
# Control characters, NUL first of all, are in no name and PostgreSQL refuses NUL.
Text = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\u0000-\u001f\u007f]*$")]
# Why something is done: more than blanks, on one line.
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
    ),
]
Cursor = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9_-]+$")]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX)]
DeviceNo = Annotated[
    str,
    Path(
        pattern=DEVICE_NO_PATTERN,
        description="Number of the device, as on its label and in its topics.",
        examples=[EXAMPLE_LOGGER],
    ),
]

CURSOR_HELP: Final = "`next_cursor` of the page before; every other parameter but `limit` stays as it was."
LIMIT_HELP: Final = f"Items on a page, at most {LIMIT_MAX}."
