"""What a day of a scale comes to: how much, with what receipts, and what is wrong with it."""

from typing import Any, Final

from tests.integration.days.conftest import World, at

DAY: Final = (
    b"SELECT sales, returns, voids, net_g, amount_fen, printed, unprinted, amount_wrong, weight_wrong, unstable"
    b" FROM weighing_days"
)


def _day(world: World) -> Any:
    return world.connection.execute(DAY).fetchone()


def test_trades_are_summed_and_checked(world: World) -> None:
    """Returns and voids add nothing to weight and amount; of a sale that does not say, no receipt is told."""
    world.site("M")
    world.device("S1", "M")
    sales: tuple[dict[str, Any], ...] = (
        {"printed": True},
        {"printed": False, "amount_fen": 1501},
        {"amount_fen": 1502},
        {"net_g": 0, "amount_fen": 0, "stable": False},
        {"kind": "return", "printed": True},
        {"kind": "void", "amount_fen": 1},
        # 333 g at 29.95 yuan: 997.335 fen.
        {"net_g": 333, "unit_price_fen_per_kg": 2995, "amount_fen": 996},
    )
    for number, more in enumerate(sales):
        world.record("weighing", "S1", at(8, number), **more)
    world.roll()
    assert _day(world) == (5, 1, 1, 1833, 1500 + 1501 + 1502 + 996, 1, 1, 1, 1, 1)


def test_late_record_is_in_the_next_round(world: World) -> None:
    """Of its device alone."""
    world.site("M")
    world.device("S1", "M")
    world.record("weighing", "S1", at(8))
    world.roll()
    world.record("weighing", "S1", at(9))
    world.roll(device_ids=[world.numbers["S1"]])
    assert _day(world)[0] == 2
