"""The known word nearest to one that nobody knows: for sentences that end in “did you mean”. Pure."""

import difflib
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

NEIGHBOURS: Final = 4


class Nearest:
    """A set of words, ordered so that a look-up costs the same among ten and among a hundred thousand.

    Compared are the few words beside the unknown one in alphabetical order, read forwards and backwards: enough for a
    typing error at either end, and a full comparison would take minutes where every row of a large sheet is wrong.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {word.casefold(): word for word in words}
        self._forwards = sorted(self._words)
        self._backwards = sorted(word[::-1] for word in self._words)

    def to(self, unknown: str) -> str | None:
        """The nearest word, or None when none is near."""
        folded = unknown.casefold()
        beside = _neighbours(self._forwards, folded)
        beside += [word[::-1] for word in _neighbours(self._backwards, folded[::-1])]
        close = difflib.get_close_matches(folded, dict.fromkeys(beside), n=1)
        return self._words[close[0]] if close else None


def _neighbours(ordered: list[str], word: str) -> list[str]:
    at = bisect_left(ordered, word)
    return ordered[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
