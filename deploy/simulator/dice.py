"""Chance that can be repeated: every draw is named by the seed, what it is for, and a counter.

A device's nth message is the same whatever happened before it and to others; 50,000 devices keep no generator each.
"""

import random
import zlib


class Dice:
    """One generator, set anew for each purpose. Take what you need of it before you ask for the next."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generator = random.Random()  # noqa: S311 - repeatable, not secret

    def for_(self, purpose: str, *numbers: int) -> random.Random:
        """The generator for the draw that *purpose* and *numbers* (each from 0 to 2^64 - 1) name."""
        key = (self._seed << 32) | zlib.crc32(purpose.encode())
        for number in numbers:
            key = (key << 64) | number
        self._generator.seed(key)
        return self._generator


def chance(rng: random.Random, share: float) -> bool:
    """Whether something that happens with probability *share* happens now."""
    return rng.random() < share
