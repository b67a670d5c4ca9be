"""The benchmark of verifying with tiny numbers: its shape, never its speed."""

from deploy.bench.ledger_audit import measure_audit


def test_measure_audit_fills_and_verifies_a_whole_chain(database_url: str) -> None:
    """All rows that were asked for, and those of the migrations."""
    told = measure_audit(database_url, 50)
    assert told["whole"] is True
    assert told["rows"] > 50
    assert set(told) == {
        "rows", "fill_seconds", "verify_seconds", "rows_per_second", "verify_memory_mb", "whole"
    }  # fmt: skip
