"""``tracefleet bench backup``: every row is there again, and the figures are figures."""

from deploy.bench.backup import run


def test_restore_of_a_small_database_has_every_row() -> None:
    """Filled, backed up, filled on, killed, deleted, restored."""
    told = run(1)
    assert told["restore"]["rows"] == 8000
    assert told["base_backup"]["bytes"] > 1_000_000
    assert 100 < told["log"]["bytes_per_row"] < 2000
    assert told["restore"]["copy_bytes_per_second"] > 0
    assert told["restore"]["replay_bytes_per_second"] > 0
