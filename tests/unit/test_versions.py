"""Versions of firmware in the order in which people read them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.versions import is_behind, key

IN_ORDER = (
    "1.9",
    "2.4.0-alpha",
    "2.4.0-rc1",
    "2.4-rc2",
    "2.4.0",
    "2.4.0b",
    "2.4.1",
    "v2.9",
    "2.10.0-rc1",
    "2.10",
    "10.0",
)


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations(IN_ORDER, 2)))
def test_older_is_behind_the_newer(older: str, newer: str) -> None:
    """Numbers as numbers, what is not out yet before what is; never the other way round."""
    assert is_behind(older, newer)
    assert not is_behind(newer, older)


@pytest.mark.parametrize(
    ("one", "other"),
    [("2.4", "2.4.0"), ("V2.4", "2.4"), ("2.04", "2.4"), ("2_4", "2.4"), ("2.0-rc1", "2-rc1"), ("Version 2", "2")],
)
def test_same_version_is_not_behind_however_it_is_written(one: str, other: str) -> None:
    """Zeros at the end, a V before it and the separator say nothing."""
    assert not is_behind(one, other)
    assert not is_behind(other, one)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_texts_are_in_one_order(a: str, b: str, c: str) -> None:
    """Whatever a device calls its firmware."""
    assert not (is_behind(a, b) and is_behind(b, a))
    assert not (is_behind(a, b) and is_behind(b, c) and not is_behind(a, c))
    assert is_behind(a, b) == (key(a) < key(b))
