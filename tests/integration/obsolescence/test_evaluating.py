"""The life of findings and flags over runs of the rules."""

from datetime import timedelta

from tests.integration.obsolescence.conftest import DAY, Fleet


def test_scale_that_nobody_uses_is_flagged(fleet: Fleet) -> None:
    """With its finding and a sentence in both languages; its neighbour that sells is not."""
    asleep, busy = fleet.device("D-1"), fleet.device("D-2")
    fleet.days(asleep, trades=0)
    fleet.days(busy)
    told = fleet.run()
    assert (told.devices, told.opened, told.flagged) == (2, 1, 1)
    assert fleet.open_rules(asleep) == {"dormant"}
    assert fleet.verdict(asleep) == ("flagged", 60, None)
    assert fleet.verdict(busy) is None
    flag = fleet.flag(asleep)
    assert flag is not None
    assert flag["sentence_zh"].startswith("建议淘汰该追溯秤：最近60天中有60天开门营业")
    assert "not one sale" in flag["sentence_en"]
    again = fleet.run()
    assert (again.opened, again.gone, again.cleared, again.flagged) == (0, 0, 0, 0)
    assert DAY - timedelta(days=59) == fleet.findings(asleep)[0]["window_from"]
