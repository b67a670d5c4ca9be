"""Spans of time that a request asks for: half-open, bounded, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from api.problems import BAD_SPAN, ProblemError

LONGEST: Final = timedelta(days=400)
DEFAULT: Final = timedelta(hours=1)
# A device's clock may run this much ahead and count as right; without it the newest record would hide for a moment.
AHEAD: Final = timedelta(minutes=5)

Order = Literal["asc", "desc"]
_ONE = timedelta(microseconds=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


class Span(BaseModel):
    """From an instant, up to and without another; never empty, never longer than 400 days."""

    model_config = ConfigDict(frozen=True)

    from_at: AwareDatetime
    to_at: AwareDatetime

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if not timedelta(0) < self.to_at - self.from_at <= LONGEST:
            raise ValueError("a span is not empty and at most 400 days long")
        return self

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.to_at - self.from_at

    def aligned(self, step: timedelta) -> "Span":
        """The span with its start moved back to a whole *step* of UTC, so the first bucket is whole."""
        start = self.from_at - (self.from_at - _EARLIEST) % step
        # model_construct: a span of 400 days may grow by a part of a step.
        return Span.model_construct(from_at=start, to_at=self.to_at)

    def beyond(self, at: datetime, order: Order) -> "Span":
        """What is left after a page that ended at *at*, that instant included: others may share it."""
        if order == "asc":
            return Span.model_construct(from_at=max(self.from_at, at), to_at=self.to_at)
        return Span.model_construct(from_at=self.from_at, to_at=min(self.to_at, at + _ONE))


def resolve(from_at: datetime | None, to_at: datetime | None, now: datetime) -> Span:
    """The span meant by what was given: without bounds the last hour, and what fast clocks wrote up to 5 minutes ahead.

    Raises ProblemError, bad-span, when it is empty, upside down or longer than 400 days.
    """
    if from_at is None:
        from_at = _moved(to_at or now, -DEFAULT)
    if to_at is None:
        to_at = _moved(now, AHEAD)
    if from_at >= to_at:
        raise ProblemError(BAD_SPAN, f"`from` ({_text(from_at)}) does not come before `to` ({_text(to_at)}).")
    if to_at - from_at > LONGEST:
        days = (to_at - from_at) / timedelta(days=1)
        raise ProblemError(BAD_SPAN, f"The span is {days:.1f} days long.")
    return Span(from_at=from_at, to_at=to_at)


def _moved(at: datetime, by: timedelta) -> datetime:
    """*at* moved, as far as the calendar goes."""
    try:
        return at + by
    except OverflowError:
        return _LATEST if by > timedelta(0) else _EARLIEST


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
