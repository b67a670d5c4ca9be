"""The benchmark of logins: a short run of it measures what it says."""

from collections.abc import Callable
from pathlib import Path

from deploy.bench.ledger_logins import measure_logins
from fleet.keys import Keys


def test_logins_are_measured_in_each_way(database_url: str, register: Callable[..., None], tmp_path: Path) -> None:
    """Judged alone, asked over nats-server, and connected; by every device once."""
    for number in range(30):
        register(f"D-{number}")
    key_file = tmp_path / "key"
    told = measure_logins(database_url, tmp_path, Keys(key_file), key_file=key_file, devices=20)
    assert told["devices"] == 20
    assert told["snapshot_devices"] == 30
    rates = ("judged_per_second", "asked_over_nats_per_second", "connected_per_second")
    assert all(told[rate] > 0 for rate in rates)
