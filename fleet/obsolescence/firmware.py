"""Which of two versions of firmware is the older: 1.9 before 1.10, 2.0-rc1 before 2.0, V2.0 the same as 2.0.0. Pure."""

import re
from typing import Final

_PARTS: Final = re.compile(r"\d+|[a-z]+")
_BEFORE_THE_RELEASE: Final = frozenset({"alpha", "beta", "rc", "pre", "dev", "test"})
# What comes first of two versions that are alike so far: a draft of the release, the release, a letter after it, a
# further number.
_DRAFT, _END, _LETTERS, _NUMBER = range(4)

Key = tuple[tuple[int, int, str], ...]


def key(version: str) -> Key:
    """What versions are sorted by. Whatever is no letter or digit only parts them; a leading v says nothing."""
    parts: list[tuple[int, int, str]] = []
    for part in _PARTS.findall(re.sub(r"^\s*v(?=\d)", "", version.lower())):
        if part.isdigit():
            parts.append((_NUMBER, int(part), ""))
            continue
        _drop_zeros(parts)
        parts.append((_DRAFT if part in _BEFORE_THE_RELEASE else _LETTERS, 0, part))
    _drop_zeros(parts)
    return (*parts, (_END, 0, ""))


def is_below(version: str, least: str) -> bool:
    """Whether *version* is older than *least*."""
    return key(version) < key(least)


def _drop_zeros(parts: list[tuple[int, int, str]]) -> None:
    while parts and parts[-1] == (_NUMBER, 0, ""):
        parts.pop()
