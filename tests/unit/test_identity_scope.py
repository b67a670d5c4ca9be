"""Where somebody may act: what lies in a scope, and what is left of two."""

import pytest

from fleet.errors import RefusedError
from fleet.identity.roles import roles_within
from fleet.identity.scope import EVERYWHERE, Scope, scope_as_asked, scope_of

ZHENGZHOU = Scope(("4101",), None)


def test_scope_holds_what_is_below_a_region_or_is_named() -> None:
    """A region by the beginning of its code; a site by its whole number, wherever it lies."""
    scope = Scope(("4101", "410205"), ("410700001",))
    for region_code, site_no, inside in (
        ("410105", "410105001", True),
        ("410205", "410205001", True),
        ("410204", "410204001", False),
        ("410700", "410700001", True),
        ("410700", "41070000", False),
        ("4201", "420101001", False),
    ):
        assert scope.holds(region_code=region_code, site_no=site_no) is inside, site_no
        assert EVERYWHERE.holds(region_code=region_code, site_no=site_no)
        assert not Scope((), ()).holds(region_code=region_code, site_no=site_no)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (EVERYWHERE, EVERYWHERE, EVERYWHERE),
        (EVERYWHERE, ZHENGZHOU, ZHENGZHOU),
        (Scope(("41",), None), ZHENGZHOU, Scope(("4101",), ())),
        (Scope(("410105", "4102"), None), ZHENGZHOU, Scope(("410105",), ())),
        (Scope(("42",), None), ZHENGZHOU, Scope((), ())),
        (Scope(None, ("1", "2")), Scope(None, ("2", "3")), Scope((), ("2",))),
        # Whether site 1 lies in Zhengzhou is not known here.
        (Scope(None, ("1",)), ZHENGZHOU, Scope((), ())),
        (Scope((), ()), EVERYWHERE, Scope((), ())),
    ],
)
def test_scope_of_two_is_never_more_than_either(one: Scope, other: Scope, both: Scope) -> None:
    """And the same whichever comes first; nothing in common is nothing, not everything."""
    assert one.within(other) == other.within(one) == both


def test_scope_is_read_as_it_is_kept_and_as_it_is_asked_for() -> None:
    """Nothing named is everywhere only to who asks: what is empty in the database stays empty."""
    assert scope_of(None, None) is not None
    assert scope_of(None, None).is_everywhere
    assert not scope_of([], None).is_everywhere
    assert scope_as_asked([], None) == EVERYWHERE
    assert scope_as_asked(["4101", "4101"], ["s"]) == Scope(("4101",), ("s",))


@pytest.mark.parametrize("regions", [["410"], ["4101050"], ["zz"], [""], ["41\n"], ["४१"]])
def test_scope_is_refused_when_a_region_is_none(regions: list[str]) -> None:
    """Two, four or six digits."""
    with pytest.raises(RefusedError, match="no region"):
        scope_as_asked(regions, None)


def test_roles_of_a_key_are_those_its_owner_has() -> None:
    """An admin has all; a machine's role is less than any."""
    key = frozenset({"viewer", "approver", "gateway"})
    assert roles_within(key, frozenset({"viewer", "auditor"})) == {"viewer", "gateway"}
    assert roles_within(key, frozenset({"admin"})) == key
