"""Versions of firmware in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.obsolescence.firmware import is_below, key

VERSIONS = st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-?(rc|beta|a|b)[0-9]?)?", fullmatch=True)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("1.9.9", "2"),
        ("2.0-rc1", "2.0"),
        ("2.0-beta2", "2.0-rc1"),
        ("2.0", "2.0b"),
        ("2.0b", "2.0.1"),
        ("V1.2", "v1.3"),
        ("1.2_20240101", "1.2_20250101"),
    ],
)
def test_version_is_below_a_newer_one(older: str, newer: str) -> None:
    """Numbers as numbers, a draft before its release."""
    assert is_below(older, newer)
    assert not is_below(newer, older)


@pytest.mark.parametrize(("one", "other"), [("V2.0", "2.0.0"), ("2", "2.0"), ("1.02", "1.2"), ("2.0-rc1", "2-rc1")])
def test_versions_are_the_same_when_only_written_otherwise(one: str, other: str) -> None:
    """Trailing and leading zeros, a v."""
    assert key(one) == key(other)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_have_one_order(a: str, b: str, c: str) -> None:
    """Never both ways round, and without circles."""
    assert not (is_below(a, b) and is_below(b, a))
    if is_below(a, b) and is_below(b, c):
        assert is_below(a, c)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_compared(a: str, b: str) -> None:
    """Whatever a device calls its firmware."""
    assert is_below(a, b) + is_below(b, a) <= 1
