"""Secrets and one-time codes."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.identity.secret import code_as_meant, code_digest, digest, new_code, new_secret


def test_secret_is_43_url_safe_characters_when_made() -> None:
    """A secret goes into a URL, a shell and a form as it is, and no two are alike."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{42}", secret) for secret in made)


def test_digest_is_sha256_when_taken() -> None:
    """Any program can check what is kept."""
    assert digest("secret") == hashlib.sha256(b"secret").digest()


@given(st.text(alphabet=st.characters()))
def test_digest_is_defined_when_text_is_anything(text: str) -> None:
    """Whatever a stranger sends as a password has a digest, lone surrogates included."""
    assert len(digest(text)) == 32
    assert len(code_digest(text)) == 32


def test_code_is_two_groups_when_made() -> None:
    """A code is read out over the telephone: two groups of five, without letters that look like digits."""
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", new_code()) for _ in range(100))


@pytest.mark.parametrize("typed", ["7kq1m-x0t91", " 7KQIM X0T9l ", "7KQlMXoT9i", "7-K-Q-1-M-X-O-T-9-1"])
def test_code_is_the_same_when_typed_otherwise(typed: str) -> None:
    """Case, groups and look-alikes make no difference."""
    assert code_as_meant(typed) == "7KQ1MX0T91"
    assert code_digest(typed) == code_digest("7KQ1M-X0T91")
