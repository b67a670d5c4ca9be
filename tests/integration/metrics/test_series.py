"""How many series a process serves: few, from the start, and no more for more devices."""

import re
import shutil
import subprocess

import pytest

from ingest.account import OUTCOMES, STREAMS
from ingest.refusal import REASONS
from tests.integration.metrics.conftest import PROCESSES, Installation

MOST_SERIES = 500
# The contract's, and of which process.
PROMISED = {
    "ingest": (
        *(f'tracefleet_ingest_messages_total{{stream="{stream}"}}' for stream in STREAMS),
        *(
            f'tracefleet_ingest_records_total{{outcome="{outcome}",stream="{stream}"}}'
            for stream in STREAMS
            for outcome in OUTCOMES
        ),
        *(f'tracefleet_ingest_dead_letters_total{{reason="{reason}"}}' for reason in REASONS),
        "tracefleet_ingest_batch_records_count",
        "tracefleet_ingest_commit_seconds_count",
        "tracefleet_ingest_lag_seconds_count",
        "tracefleet_ingest_unacknowledged_messages",
        "tracefleet_ingest_connected",
        'tracefleet_ingest_retries_total{class="40"}',
    ),
    "fleet": (
        'tracefleet_fleet_devices{kind="gateway",state="lost"}',
        'tracefleet_fleet_findings{rule="dormant"}',
        'tracefleet_fleet_sweep_seconds_count{sweep="census"}',
        'tracefleet_fleet_sweep_seconds_count{sweep="verification"}',
        "tracefleet_fleet_audit_findings",
    ),
    "api": (
        'tracefleet_api_requests_total{area="cases",status="5xx"}',
        'tracefleet_api_request_seconds_count{access="write"}',
        'tracefleet_api_logins_total{outcome="throttled"}',
        'tracefleet_ingest_records_total{outcome="stored",stream="weighing"}',
    ),
}
EVERY_PROCESS = pytest.mark.parametrize("process", PROCESSES)


def series(text: str) -> set[str]:
    """The names with their labels."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


def linted(promtool: str, text: str) -> tuple[int, str]:
    """The exit status of the linter, and what it said."""
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_series_do_not_grow_with_the_fleet(installation: Installation) -> None:
    """The same for 10 devices and for 10,000, under 500, and none holds what a device, a user or a caller wrote."""
    installation.grow(10)
    few = {process: series(await installation.served_by(process)) for process in PROCESSES}
    installation.grow(10_000)
    for process in PROCESSES:
        many = series(await installation.served_by(process))
        assert many == few[process]
        assert len(many) < MOST_SERIES
        assert not [name for name in many if re.search(r"D-\d|STRANGER|nowhere|S[123]\"", name)]


@EVERY_PROCESS
async def test_series_are_there_before_anything_was_counted(process: str, installation: Installation) -> None:
    """An installation without a device serves each, at zero: an alert on its growth sees the first."""
    text = await installation.served_by(process)
    assert set(PROMISED[process]) <= series(text)
    assert "tracefleet_build_info" in text
    for name in PROMISED[process]:
        if "dead_letters" in name and "unknown_device" not in name:
            assert f"{name} 0.0\n" in text


@EVERY_PROCESS
async def test_output_is_as_prometheus_wants_it(process: str, installation: Installation) -> None:
    """By Prometheus' own linter: help texts, units, endings of names, no word on standard error."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    installation.grow(10)
    assert linted(promtool, await installation.served_by(process)) == (0, "")
