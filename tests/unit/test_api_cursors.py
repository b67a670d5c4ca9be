"""Cursors: what was sealed comes back, and nothing else is taken."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api import cursors
from api.problems import BAD_CURSOR, ProblemError

OF = ("devices", "kind=logger")


class Place(BaseModel):
    """A position."""

    name: str
    number: int


@given(name=st.text(max_size=50), number=st.integers())
def test_position_comes_back(name: str, number: int) -> None:
    """Any text and number, in letters that a URL takes as they are."""
    sealed = cursors.seal(Place(name=name, number=number), of=OF)
    assert sealed.isascii()
    assert sealed.replace("-", "").replace("_", "").isalnum()
    assert cursors.unseal(sealed, Place, of=OF) == Place(name=name, number=number)


@pytest.mark.parametrize(
    "of", [(), ("devices",), ("devices", "kind=loggers"), ("deviceskind=logger",), ("sites", OF[1])]
)
def test_cursor_is_refused_when_of_another_list(of: tuple[str, ...]) -> None:
    """The list is part of the check."""
    sealed = cursors.seal(Place(name="a", number=1), of=OF)
    with pytest.raises(ProblemError) as refused:
        cursors.unseal(sealed, Place, of=of)
    assert refused.value.kind is BAD_CURSOR


def test_cursor_is_refused_when_any_letter_is_changed() -> None:
    """Damage never gives another position."""
    sealed = cursors.seal(Place(name="abc", number=1), of=OF)
    for index, letter in enumerate(sealed[:-1]):  # the last letter may hold bits that mean nothing
        damaged = sealed[:index] + ("A" if letter != "A" else "B") + sealed[index + 1 :]
        with pytest.raises(ProblemError):
            cursors.unseal(damaged, Place, of=OF)


@settings(database=None)
@given(
    text=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
)
def test_cursor_is_refused_when_it_never_was_one(text: str) -> None:
    """Always as a problem, whatever the text."""
    with pytest.raises(ProblemError):
        cursors.unseal(text, Place, of=OF)


def test_cursor_is_refused_when_it_holds_another_kind_of_position() -> None:
    """The right check over the wrong fields."""

    class Other(BaseModel):
        name: int

    with pytest.raises(ProblemError):
        cursors.unseal(cursors.seal(Other(name=1), of=OF), Place, of=OF)
