"""The chain followed link by link: each tampering is one finding, and the chain goes on behind it."""

from collections.abc import Callable, Sequence

import pytest

from fleet.audit.chain import KEPT, Chain
from fleet.audit.sealing import GENESIS, Sealed, chained, seal_of

KEY = b"k" * 32
Links = list[tuple[int, int, bytes, Sealed | None]]


def _row(audit_id: int, what: str = "") -> Sealed:
    return (audit_id, "1764000000000000", "wang", "office", None, None, "pg", "update", "sites", "1", "S1", "{}", what)


def _links(count: int = 20) -> Links:
    rows = [_row(number * 3, f"what {number}") for number in range(1, count + 1)]
    made = chained(rows, KEY, 0, GENESIS)
    return [(number, int(str(audit_id)), seal, row) for (number, audit_id, seal), row in zip(made, rows, strict=True)]


def _verify(links: Links, key: bytes = KEY) -> tuple[Chain, list[tuple[str, int | None]]]:
    chain = Chain(key)
    for link in links:
        chain.follow(*link)
    found: list[tuple[str, int | None]] = [(finding.kind, finding.seal_no) for finding in chain.finish()]
    return chain, found


def _edit(links: Links, *numbers: int) -> Links:
    return [(n, a, s, (*r[:-1], "other") if r and n in numbers else r) for n, a, s, r in links]


def _swap_contents(links: Links, one: int, other: int) -> Links:
    first, second = links[one - 1][3], links[other - 1][3]
    assert first is not None
    assert second is not None
    changed = {one: (first[0], *second[1:]), other: (second[0], *first[1:])}
    return [(n, a, s, changed.get(n, r)) for n, a, s, r in links]


def _swap_seals(links: Links, one: int, other: int) -> Links:
    place = {one: other, other: one}
    return sorted((place.get(n, n), a, s, r) for n, a, s, r in links)


def _cut_seal(links: Links, number: int) -> Links:
    return [(n, a, b"\0" * 32 if n == number else s, r) for n, a, s, r in links]


def test_chain_is_whole_when_nobody_touched_it() -> None:
    """Every link fits, and the head is the last."""
    links = _links()
    chain, found = _verify(links)
    assert (found, chain.found, chain.fitting) == ([], 0, 20)
    assert (chain.seal_no, chain.seal) == (20, links[-1][2])


@pytest.mark.parametrize(
    ("tampered", "expected"),
    [
        (lambda links: _edit(links, 7), [("edited", 7)]),
        (lambda links: _edit(links, 7, 8, 9), [("edited", 7)]),
        (lambda links: _edit(links, 7, 12), [("edited", 7), ("edited", 12)]),
        (lambda links: _edit(links, 20), [("forged", 20)]),
        (lambda links: _edit(links, *range(1, 21)), [("forged", 1)]),
        (lambda links: _cut_seal(links, 7), [("seal_edited", 7)]),
        (lambda links: _cut_seal(_edit(links, 6), 7), [("edited", 6), ("seal_edited", 7)]),
        (lambda links: _swap_contents(links, 5, 11), [("reordered", 5)]),
        (lambda links: _swap_seals(links, 5, 11), [("reordered", 5)]),
        (lambda links: _swap_seals(links, 5, 6), [("reordered", 5)]),
        (lambda links: links[:6] + links[9:], [("missing_seals", 7)]),
        (lambda links: links[1:], [("missing_seals", 1)]),
        (lambda links: [(n, a, s, None if n in (7, 8) else r) for n, a, s, r in links], [("deleted", 7)]),
        (lambda links: [*links[:7], links[6], *links[7:]], [("misnumbered", 7)]),
        (lambda links: [(-5, 1, b"", _row(1)), *links], [("misnumbered", -5)]),
        (lambda links: [*links, (21, 99, b"made up", _row(99))], [("forged", 21)]),
    ],
)
def test_tampering_is_one_finding(
    tampered: Callable[[Links], Links], expected: Sequence[tuple[str, int | None]]
) -> None:
    """Of its kind and at its place; nothing behind it is accused."""
    chain, found = _verify(tampered(_links()))
    assert (found, chain.found) == (expected, len(expected))


def test_renumbering_after_a_deleted_seal_is_found() -> None:
    """The number is under the seal, so the rest cannot close up unnoticed."""
    links = _links()
    closed = links[:6] + [(n - 1, a, s, r) for n, a, s, r in links[7:]]
    assert _verify(closed)[1] == [("forged", 7)]


def test_findings_are_capped_and_counted() -> None:
    """A thousand edits are known to be a thousand, and a hundred are kept."""
    chain, found = _verify(_edit(_links(4000), *range(2, 4000, 4)))
    assert (len(found), chain.found) == (KEPT, 1000)


def test_nothing_fits_another_key() -> None:
    """One run from the first link on."""
    chain, found = _verify(_links(), b"another key" * 3)
    assert (found, chain.fitting) == ([("forged", 1)], 0)


def test_seals_differ_when_fields_only_join_alike() -> None:
    """What stands in which field is under the seal, and nothing is not the empty text."""
    rows = [("ab", "c"), ("a", "bc"), ("abc", ""), ("abc", None), (None, "abc"), ("2:ab", "c"), ("-", "")]
    assert len({seal_of(KEY, 1, GENESIS, row) for row in rows}) == len(rows)
