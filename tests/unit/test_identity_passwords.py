"""Passwords: what may be one, and that a name which nobody has costs as much as a wrong one."""

import re

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from fleet.errors import RefusedError
from fleet.identity import passwords

GOOD = "correct horse battery"


def test_password_is_kept_as_argon2id_and_known_again() -> None:
    """Two hashes of one are not the same; another is none; composed and decomposed signs are."""
    kept = passwords.hash_of("中文密码与é与更多的字")
    assert re.match(r"\$argon2id\$v=19\$m=65536,t=3,p=4\$", kept)
    assert passwords.check("中文密码与é与更多的字", kept) == (True, None)
    assert passwords.check(GOOD, kept) == (False, None)


def test_nobodys_hash_costs_what_a_real_one_does() -> None:
    """The parameters are those by which passwords are hashed today: else the time would tell who exists."""
    assert not Argon2Hasher().check_needs_rehash(passwords.NOBODYS_HASH)
    assert passwords.check(GOOD, None) == (False, None)


def test_password_of_weaker_parameters_is_renewed() -> None:
    """At the first log-in after the parameters grew."""
    weak = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    is_right, renewed = passwords.check(GOOD, weak)
    assert is_right
    assert renewed is not None
    assert passwords.check(GOOD, renewed) == (True, None)
    assert passwords.check("another one entirely", weak) == (False, None)


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 40, "abababababab", "x" * 129, "my name is Wang.Li", "12345678901"]
)
def test_password_is_refused_when_it_is_easy(password: str) -> None:
    """Too short, too long, a few characters over and over, or the name."""
    with pytest.raises(RefusedError):
        passwords.require_good(password, name="wang.li")


def test_password_is_taken_in_any_script() -> None:
    """Length counts, not odd signs."""
    for password in (GOOD, "正确的马电池订书钉不会忘记"):
        passwords.require_good(password, name="wang.li")


def test_short_name_is_in_every_sentence() -> None:
    """And forbids none."""
    passwords.require_good("a horse is a horse of course", name="a")


def test_one_time_password_is_new_each_time_and_good() -> None:
    """A hundred bits in four groups that can be read out."""
    made = {passwords.one_time() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){3}", one) for one in made)
