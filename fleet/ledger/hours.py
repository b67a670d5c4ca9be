"""Weekly opening hours as people write them, to the one form the ledger keeps: ``1-5 06:00-18:00; 6,7 05:00-19:00``.

1 is Monday. An interval may pass midnight, and 00:00-24:00 is the whole day. Pure; the database turns the same text
into minutes of the week.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from fleet.ledger.cells import CellError, long_text

_ENGLISH: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHINESE: Final = "一二三四五六日"
_WORDS: Final = {
    "每天": "1-7",
    "每日": "1-7",
    "天天": "1-7",
    "全周": "1-7",
    "工作日": "1-5",
    "周末": "6-7",
    "daily": "1-7",
    "everyday": "1-7",
    "weekdays": "1-5",
    "weekends": "6-7",
}
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d"
_SPAN = re.compile(rf"({_TIME})-({_TIME})")
_PART = re.compile(rf"([1-7][1-7,-]*)?\s*({_TIME}-{_TIME}(?:\s*,\s*{_TIME}-{_TIME})*)")
_DAYS = re.compile(r"([1-7])(?:-([1-7]))?")
MINUTES: Final = 1440
DAYS: Final = 7
REMEDY: Final = "write days and hours, as 1-5 06:00-18:00; 6,7 05:00-19:00 (1 is Monday) or 每天 06:00-18:00"

Span = tuple[int, int]


def opening_hours(cell: str) -> str:
    """The hours in *cell* in the ledger's form: days with the same hours together, in the order of the week."""
    week: dict[int, list[Span]] = {}
    for part in _parts(cell):
        found = _PART.fullmatch(part)
        if found is None:
            raise CellError("is not understood as opening hours", REMEDY)
        spans = [_span(begins, ends) for begins, ends in _SPAN.findall(found[2])]
        for day in _days(found[1] or "1-7"):
            week.setdefault(day, []).extend(spans)
    if not week:
        raise CellError("is not understood as opening hours", REMEDY)
    _refuse_overlaps(week)
    return "; ".join(_written(week))


def _parts(cell: str) -> Iterator[str]:
    """Days and hours of each part, in digits, commas and dashes alone."""
    written = unicodedata.normalize("NFKC", long_text(cell)).lower()
    written = re.sub(r"[—–~～至到]+", "-", written).replace("、", ",").replace("。", ";").replace("及", ",")
    for words, days in _WORDS.items():
        written = written.replace(words, f" {days} ")
    written = re.sub(r"(?:周|星期|礼拜)([一二三四五六日天])", lambda m: str(_chinese_day(m[1])), written)
    # 周一至五: the second day goes without its word.
    written = re.sub(r"(?<=[1-7][-,])[一二三四五六日天]", lambda m: str(_chinese_day(m[0])), written)
    written = re.sub(r"\b(mo|tu|we|th|fr|sa|su)[a-z]*\.?", lambda m: str(_english_day(m[0])), written)
    written = re.sub(r"\s*([-,:])\s*", r"\1", written)
    return (part.strip() for part in re.split(r"[;\n]", written) if part.strip())


def _chinese_day(letter: str) -> int:
    return DAYS if letter == "天" else _CHINESE.index(letter) + 1


def _english_day(word: str) -> int:
    return next((day for day, name in enumerate(_ENGLISH, 1) if word.startswith(name[:2])), 0)


def _days(written: str) -> Iterator[int]:
    for each in written.strip().rstrip(",").split(","):
        found = _DAYS.fullmatch(each)
        if found is None:
            raise CellError("names days that are not understood", REMEDY)
        first, last = int(found[1]), int(found[2] or found[1])
        # Saturday to Monday goes round the end of the week.
        yield from ((first - 1 + step) % DAYS + 1 for step in range((last - first) % DAYS + 1))


def _span(begins: str, ends: str) -> Span:
    start, end = _minutes(begins), _minutes(ends)
    if start >= MINUTES or end > MINUTES:
        raise CellError("names an hour after 24:00", REMEDY)
    if start == end:
        raise CellError("has an interval without length", "write 00:00-24:00 for the whole day")
    return start, end


def _minutes(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def _refuse_overlaps(week: dict[int, list[Span]]) -> None:
    taken: list[Span] = []
    for day, spans in week.items():
        for start, end in spans:
            begins = (day - 1) * MINUTES + start
            length = (end - start) % MINUTES or MINUTES
            taken.append((begins, begins + length))
    taken.sort()
    round_the_week = [*taken, (taken[0][0] + DAYS * MINUTES, taken[0][1])]
    if any(later[0] < earlier[1] for earlier, later in zip(taken, round_the_week[1:], strict=True)):
        raise CellError("has intervals that overlap", "let each interval begin where the one before has ended")


def _written(week: dict[int, list[Span]]) -> Iterator[str]:
    """A part for each interval, its days together: canonical, so that two who mean the same write the same."""
    days_of: dict[Span, list[int]] = {}
    for day in sorted(week):
        for span in sorted(week[day]):
            days_of.setdefault(span, []).append(day)
    for (start, end), days in sorted(days_of.items(), key=lambda item: (item[1], item[0])):
        yield f"{','.join(_runs(days))} {_clock(start)}-{_clock(end)}"


def _runs(days: Iterable[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        together = [day for _, day in run]
        # Two days are written apart, as people do: 6,7.
        yield f"{together[0]}-{together[-1]}" if len(together) > 2 else ",".join(map(str, together))  # noqa: PLR2004


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
