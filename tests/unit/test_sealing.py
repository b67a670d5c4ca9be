"""Sealing personal data, and the masks of it."""

import pytest

from fleet.errors import KeyFileError
from fleet.sealing import Personal, Safe, mask


def test_what_is_sealed_can_be_opened_and_never_looks_the_same() -> None:
    """A nonce of its own each time."""
    safe = Safe(bytes(32))
    one, other = safe.seal("13800138000"), safe.seal("13800138000")
    assert one != other
    assert safe.open(one) == safe.open(other) == "13800138000"


@pytest.mark.parametrize("damage", [lambda sealed: sealed[:-1], lambda sealed: bytes(len(sealed)), lambda _: b""])
def test_what_was_damaged_is_refused(damage: object) -> None:
    """With a sentence that says nothing of it."""
    sealed = Safe(bytes(32)).seal("13800138000")
    with pytest.raises(KeyFileError) as caught:
        Safe(bytes(32)).open(damage(sealed))  # type: ignore[operator]
    assert "138" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("phone", "13800138000", "138****8000"),
        ("phone", "0371-65566556-801", "0371-****6556"),
        ("phone", "4001234567", "400****567"),
        ("identity", "11010519491231002X", "1101**********002X"),
        ("serial", "490154203237518", "***********7518"),
    ],
)
def test_mask_shows_the_ends_alone(kind: Personal, value: str, expected: str) -> None:
    """As the rules for personal data have them."""
    assert mask(kind, value) == expected
