"""How long a child that keeps dying is waited for."""

from deploy.supervisor import Patience


def test_patience_doubles_up_to_half_a_minute_when_a_child_dies_at_once() -> None:
    """1, 2, 4 … 30, 30 seconds."""
    patience = Patience()
    delays = [patience.delay_seconds(lived_seconds=0.1) for _ in range(8)]
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]


def test_patience_begins_anew_when_the_child_lived_for_a_minute() -> None:
    """60 s of health forgive every death before."""
    patience = Patience()
    for _ in range(5):
        patience.delay_seconds(lived_seconds=59.9)
    assert patience.delay_seconds(lived_seconds=60) == 1
    assert patience.deaths == 1
