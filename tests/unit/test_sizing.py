"""The reckoning of sizes: its figures are the reports', its page is current, and what it says of known fleets."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from deploy import sizing
from deploy.sizing import DEFAULTS, GB, STREAMS, Defaults, growth_bytes, need, steps
from deploy.sizing_page import TARGET, bytes_text, render, two_digits
from store.settings import Settings

REPORTS: Final = Path(__file__).parents[1] / "reports"


def _report(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((REPORTS / name).read_text(encoding="utf-8"))
    return told


def test_page_is_what_the_code_says() -> None:
    """`python -m deploy.sizing_page` writes it."""
    assert TARGET.read_text(encoding="utf-8") == render()


def test_bytes_are_those_of_the_report() -> None:
    """Measured on TimescaleDB by `tracefleet bench disk`; a new report asks for new figures."""
    told = _report("bench-disk.json")
    devices = told["settings"]["devices"]
    device_days = devices * told["settings"]["days"]
    for name, stream in STREAMS.items():
        measured = told["streams"][name]
        assert stream.raw_bytes == measured["raw_bytes_per_record"]
        assert stream.index_bytes == measured["index_bytes_per_record"]
        assert stream.compressed_bytes == measured["compressed_bytes_per_record"]
        assert stream.records_a_device_day == round(measured["records"] / device_days, 1)
        assert stream.messages_a_device_day == round(told["load"]["messages_a_day"][name] / devices, 1)
    assert round(sum(_bytes(one) for one in told["daily"].values()) / device_days) == sizing.DAILY_BYTES
    for key, bytes_ in (
        ("bytes_a_day", sizing.ROLLUP_BYTES),
        ("compressed_bytes_a_day", sizing.ROLLUP_COMPRESSED_BYTES),
    ):
        assert round(sum(one[key] for one in told["rollups"].values()) / devices) == bytes_
    ledger = told["ledger"]
    assert round(sum(map(_bytes, ledger.values())) / ledger["devices"]["rows"]) == sizing.LEDGER_BYTES
    change = ledger["audit"]["bytes_per_row"] + ledger["audit_seals"]["bytes_per_row"]
    assert round(change) == sizing.AUDIT_BYTES
    mean = sum(told["load"]["messages_a_day"].values()) / sizing.SECONDS_A_DAY
    peak = told["load"]["messages_per_second_peak_minute"] / mean
    assert pytest.approx(peak, abs=0.01) == sizing.PEAK_FACTOR


def _bytes(of_rows: dict[str, float]) -> float:
    return of_rows["rows"] * of_rows["bytes_per_row"]


def test_plain_and_timescale_agree_on_what_a_raw_record_takes() -> None:
    """Within a twentieth: a chunk is a table."""
    plain = _report("bench-disk-plain.json")["streams"]
    for name, stream in STREAMS.items():
        assert plain[name]["raw_bytes_per_record"] == pytest.approx(stream.raw_bytes, rel=0.05)


def test_rates_are_those_of_the_report() -> None:
    """Of `tracefleet bench ingest`."""
    scenarios = {one["name"]: one for one in _report("bench-ingest.json")["scenarios"]}
    assert scenarios["1rec-10000dev"]["wal_bytes_per_record"] == sizing.WAL_BYTES
    per_core = scenarios["1rec-100000dev"]["messages_per_second"] / 2
    assert pytest.approx(per_core, abs=1) == sizing.PIPELINE_A_CORE


def test_defaults_are_those_of_the_settings() -> None:
    """Compressed and dropped when the product does it."""
    settings = Settings()
    assert Defaults(settings.compress_after_days, settings.retention_days) == DEFAULTS


def test_twice_the_devices_take_twice_the_disk() -> None:
    """Nothing but cores and memory comes in steps."""
    one, two = need(10_000), need(20_000)
    for name in ("messages_a_second", "records_a_day", "raw_a_month", "kept_plain", "kept_compressed", "log_a_day"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name))
    assert two.cores >= one.cores
    assert two.memory_gb >= one.memory_gb
    assert one.memory_gb & (one.memory_gb - 1) == 0


def test_what_is_kept_is_raw_days_and_compressed_days() -> None:
    """By hand, for one device: nine days raw, the rest compressed, the fleet's rows for all; roll-ups by ten days."""
    raw = sum(s.raw_bytes * s.records_a_device_day for s in STREAMS.values())
    compressed = sum(s.compressed_bytes * s.records_a_device_day for s in STREAMS.values())
    kept = 9 * raw + 741 * compressed + 750 * sizing.DAILY_BYTES
    kept += 18 * sizing.ROLLUP_BYTES + 742 * sizing.ROLLUP_COMPRESSED_BYTES
    assert need(1).kept_compressed == pytest.approx(1.3 * kept + sizing.LEDGER_BYTES)
    # Nothing is compressed that is dropped before.
    week = need(1, Defaults(compress_after_days=8, retention_days=7))
    kept = 7 * (raw + sizing.DAILY_BYTES) + 17 * sizing.ROLLUP_BYTES
    assert week.kept_compressed == pytest.approx(1.3 * kept + sizing.LEDGER_BYTES)


def test_growth_counts_what_came() -> None:
    """By stream; without a record in a day nobody can say anything."""
    assert growth_bytes({}, devices=5, compressed=True) == 0
    told = growth_bytes({"scan": 1000, "status": 10}, devices=2, compressed=False)
    expected = 1000 * STREAMS["scan"].raw_bytes + 10 * STREAMS["status"].raw_bytes + 2 * sizing.DAILY_BYTES
    assert told == pytest.approx(expected)
    smaller = growth_bytes({"scan": 1_000_000}, devices=2, compressed=True)
    assert smaller < growth_bytes({"scan": 1_000_000}, devices=2, compressed=False) / 4


def test_a_small_fleet_needs_nothing_and_a_large_one_compression_first() -> None:
    """What the page says first."""
    assert steps(need(100)) == [sizing.ONE_MACHINE]
    first, *more = steps(need(100_000))
    assert first is sizing.COMPRESSION
    assert sizing.ANOTHER_BROKER in more


def test_numbers_have_two_digits_that_say_something() -> None:
    """And a unit that fits."""
    assert [two_digits(value) for value in (0, 0.1234, 1.26, 12.6, 126, 1264)] == [
        "0",
        "0.12",
        "1.3",
        "13",
        "130",
        "1,300",
    ]
    assert bytes_text(9.99 * GB) == "10 GB"
    assert bytes_text(1234 * GB) == "1.2 TB"
