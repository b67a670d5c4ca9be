"""Spans of time as one types them: `365d`, `12h`, `30m`, and `0` where none is meant."""

import re
from datetime import timedelta
from typing import Final

import typer

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dhm])", re.ASCII)
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def span(text: str) -> timedelta:
    """The span of a *text*. Raises BadParameter, which the command line turns into its sentence."""
    if text == "0":
        return timedelta()
    match = _SPAN.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no span: write days, hours or minutes, such as 365d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
