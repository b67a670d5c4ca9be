"""Which of two firmware versions is the older, as people read them: 2.9 before 2.10, 2.4-rc1 before 2.4. Pure."""

import re
from functools import lru_cache
from typing import Final

_PARTS: Final = re.compile(r"\d+|[a-z]+")
_NAME: Final = re.compile(r"^\s*(version|v)\s*(?=\d)")
# What a vendor calls a version that is not out yet. Any other word comes after the version it is written behind.
_BEFORE: Final = frozenset({"dev", "snapshot", "alpha", "beta", "pre", "preview", "rc", "test"})
_EARLY, _END, _WORD, _NUMBER = range(4)

Key = tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=4096)
def key(version: str) -> Key:
    """What versions are put in order by. Zeros at the end say nothing: 2.4 is 2.4.0."""
    parts = [_part(text) for text in _PARTS.findall(_NAME.sub("", version.lower()))]
    while parts and parts[-1] == (_NUMBER, 0, ""):
        parts.pop()
    # Its end stands between a version that is not out yet and one that goes on.
    return (*_without_zeros_before_words(parts), (_END, 0, ""))


@lru_cache(maxsize=4096)
def is_behind(version: str, minimum: str) -> bool:
    """Whether *version* is older than *minimum*."""
    return key(version) < key(minimum)


def _part(text: str) -> tuple[int, int, str]:
    if text.isdigit():
        return _NUMBER, int(text), ""
    return (_EARLY if text in _BEFORE else _WORD), 0, text


def _without_zeros_before_words(parts: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """2.4.0-rc1 as 2.4-rc1."""
    kept: list[tuple[int, int, str]] = []
    for part in parts:
        if part[0] != _NUMBER:
            while kept and kept[-1] == (_NUMBER, 0, ""):
                kept.pop()
        kept.append(part)
    return kept
