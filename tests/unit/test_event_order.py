"""The order in which events are told, when their transactions end in any other."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fleet.event_order import Order, Told

AT = datetime(2026, 3, 1, tzinfo=UTC)


def _rows(*numbers: int) -> list[Told]:
    return [Told(number, AT, "case.opened", "C", {}) for number in numbers]


def _ids(told: list[Told]) -> list[int]:
    return [event.event_id for event in told]


def test_event_waits_for_a_smaller_number_when_its_transaction_lives() -> None:
    """And both come in their order once it has committed."""
    order = Order(4)
    assert _ids(order.take(_rows(6))) == []
    assert order.needs_writers
    order.suspect({"3/1"})
    assert _ids(order.take(_rows(6, 7), {"3/1", "4/1"})) == []
    assert order.is_waiting
    assert _ids(order.take(_rows(5, 6, 7), frozenset())) == [5, 6, 7]
    assert order.head == 7


def test_number_is_given_up_when_all_who_could_hold_it_ended() -> None:
    """Others that came later delay nobody."""
    order = Order(4)
    order.take(_rows(6, 9))
    order.suspect({"3/1"})
    assert _ids(order.take(_rows(6, 9), {"4/7"})) == [6, 9]


def test_gap_above_those_that_were_looked_at_is_looked_at_by_itself() -> None:
    """Whoever holds 8 may have come after the writers were asked for 5."""
    order = Order(4)
    order.take(_rows(6))
    order.suspect(frozenset())
    assert _ids(order.take(_rows(6, 7, 9))) == [6, 7]
    assert order.needs_writers
    order.suspect({"5/2"})
    assert _ids(order.take(_rows(9), {"5/2"})) == []
    assert _ids(order.take(_rows(8, 9), frozenset())) == [8, 9]


@given(st.data())
def test_every_committed_event_is_told_once_and_in_order(data: st.DataObject) -> None:
    """Whatever commits, rolls back and is read when: transactions that take numbers, and a reader between them."""
    committed: set[int] = set()
    living: dict[str, list[int]] = {}
    order, told, next_id = Order(0), list[int](), 1
    for turn in range(data.draw(st.integers(5, 30))):
        action = data.draw(st.sampled_from(["take", "commit", "roll back", "read", "read"]))
        if action == "take":
            name = data.draw(st.sampled_from([*living, f"t{turn}"]))
            living.setdefault(name, []).append(next_id)
            next_id += 1
        elif action in ("commit", "roll back") and living:
            numbers = living.pop(data.draw(st.sampled_from(sorted(living))))
            committed |= set(numbers) if action == "commit" else set()
        else:
            told += _round(order, committed, living)
    for numbers in living.values():
        committed |= set(numbers)
    for _ in range(next_id + 2):
        told += _round(order, committed, {})
    assert told == sorted(committed)


def _round(order: Order, committed: set[int], living: dict[str, list[int]]) -> list[int]:
    writers = frozenset(living) if order.is_waiting else frozenset[str]()
    found = order.take(_rows(*sorted(number for number in committed if number > order.head)), writers)
    if order.needs_writers:
        order.suspect(frozenset(living))
    return _ids(found)
