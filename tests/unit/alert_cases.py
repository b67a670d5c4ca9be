"""What Prometheus would see when each alert must fire, and when it must not; a sample every 30 s, from minute 0 on."""

from dataclasses import dataclass
from typing import Final

Series = dict[str, str]

DEVICES: Final = 'tracefleet_fleet_devices{kind="trace_scale",state="in_service",job="fleet"}'
RECORDS: Final = "tracefleet_ingest_records_total"
COMMITS: Final = "tracefleet_ingest_commit_seconds_count"
LAG: Final = "tracefleet_ingest_lag_seconds_bucket"
EXPECTED: Final = "tracefleet_fleet_expected_devices"
DAY: Final = "tracefleet_fleet_day_records"
ENDING: Final = "tracefleet_fleet_credentials_ending"
SUCCESS: Final = "tracefleet_fleet_sweep_success_timestamp_seconds"
CERTIFICATE: Final = "tracefleet_ingest_broker_certificate_expiry_timestamp_seconds"
RETRIES: Final = "tracefleet_ingest_retries_total"
FAILURES: Final = "tracefleet_fleet_job_failures"
REQUESTS: Final = "tracefleet_api_requests_total"
UP: Final = {name: f'up{{job="{name}",instance="{name}:1"}}' for name in ("ingest", "fleet", "api")}


@dataclass(frozen=True, slots=True)
class Case:
    """*alerts* fire at *minute*, one for each of the label sets; none at all: it is silent all the time."""

    alert: str
    what: str
    series: Series
    minute: int
    alerts: int = 1


def _firing(alert: str, what: str, minute: int, series: Series, *, alerts: int = 1) -> Case:
    return Case(alert, what, series, minute, alerts)


def _silent(alert: str, what: str, minute: int, series: Series) -> Case:
    return Case(alert, what, series, minute, 0)


def _lag(quick: str, slow: str) -> Series:
    """Messages of one worker, so many within a second and so many within an hour."""
    return {
        f'{LAG}{{job="ingest",le="1.0"}}': quick,
        f'{LAG}{{job="ingest",le="300.0"}}': quick,
        f'{LAG}{{job="ingest",le="7200.0"}}': slow,
        f'{LAG}{{job="ingest",le="+Inf"}}': slow,
    }


CASES: Final = (
    _firing(
        "TracefleetRecordsMissing",
        "one in a hundred never came; two replicas of fleet tell the same",
        40,
        {
            f'{DAY}{{outcome="missing",instance="a"}}': "1000x100",
            f'{DAY}{{outcome="received",instance="a"}}': "99000x100",
            f'{DAY}{{outcome="missing",instance="b"}}': "1000x100",
            f'{DAY}{{outcome="received",instance="b"}}': "99000x100",
        },
    ),
    _silent(
        "TracefleetRecordsMissing",
        "a gap that closes within the half hour, since the device sends what it kept",
        90,
        {f'{DAY}{{outcome="missing"}}': "1000x40 0x200", f'{DAY}{{outcome="received"}}': "99000x240"},
    ),
    _silent(
        "TracefleetRecordsMissing",
        "a fresh installation: nothing was received",
        90,
        {f'{DAY}{{outcome="missing"}}': "0x240", f'{DAY}{{outcome="received"}}': "0x240"},
    ),
    _firing(
        "TracefleetNoCommit",
        "two workers that run and commit nothing",
        25,
        {
            f'{COMMITS}{{job="ingest",instance="a"}}': "500x100",
            f'{COMMITS}{{job="ingest",instance="b"}}': "0x100",
            f'{COMMITS}{{job="api",instance="c"}}': "0+10x100",
            DEVICES: "10x100",
        },
    ),
    _silent(
        "TracefleetNoCommit",
        "a worker that was started again and counts from zero, beside one that idles",
        40,
        {
            f'{COMMITS}{{job="ingest",instance="a"}}': "500+5x20 0+5x100",
            f'{COMMITS}{{job="ingest",instance="b"}}': "7x120",
            DEVICES: "10x120",
        },
    ),
    _silent(
        "TracefleetNoCommit",
        "an installation that has no device yet",
        40,
        {f'{COMMITS}{{job="ingest"}}': "0x120", DEVICES: "0x120"},
    ),
    _firing(
        "TracefleetDeadLetters",
        "a tenth is refused, over MQTT and over HTTP",
        35,
        {
            f'{RECORDS}{{stream="scan",outcome="stored",job="ingest"}}': "0+90x100",
            f'{RECORDS}{{stream="scan",outcome="dead_lettered",job="ingest"}}': "0+5x100",
            f'{RECORDS}{{stream="scan",outcome="dead_lettered",job="api"}}': "0+5x100",
        },
    ),
    _silent(
        "TracefleetDeadLetters",
        "one in a hundred is refused",
        60,
        {
            f'{RECORDS}{{stream="scan",outcome="stored"}}': "0+99x150",
            f'{RECORDS}{{stream="scan",outcome="dead_lettered"}}': "0+1x150",
        },
    ),
    _silent(
        "TracefleetDeadLetters",
        "all of very few are refused",
        60,
        {
            f'{RECORDS}{{stream="scan",outcome="stored"}}': "0x150",
            f'{RECORDS}{{stream="scan",outcome="dead_lettered"}}': "0+1x150",
        },
    ),
    _firing(
        "TracefleetDevicesSilent",
        "four of ten are not heard",
        20,
        {
            f'{EXPECTED}{{presence="online"}}': "60x100",
            f'{EXPECTED}{{presence="late"}}': "30x100",
            f'{EXPECTED}{{presence="silent"}}': "10x100",
            f'{EXPECTED}{{presence="never_seen"}}': "500x100",
        },
    ),
    _silent(
        "TracefleetDevicesSilent",
        "a tenth is not heard, and many were never seen",
        60,
        {
            f'{EXPECTED}{{presence="online"}}': "90x150",
            f'{EXPECTED}{{presence="late"}}': "5x150",
            f'{EXPECTED}{{presence="silent"}}': "5x150",
            f'{EXPECTED}{{presence="never_seen"}}': "500x150",
        },
    ),
    _firing(
        "TracefleetIngestLagging",
        "one of two workers holds a message for a minute",
        8,
        {
            'tracefleet_ingest_waiting_seconds{job="ingest",instance="a"}': "60x100",
            'tracefleet_ingest_waiting_seconds{job="ingest",instance="b"}': "0x100",
        },
    ),
    _firing("TracefleetIngestLagging", "most messages are an hour old", 20, _lag("0+1x100", "0+10x100")),
    _silent(
        "TracefleetIngestLagging",
        "messages wait for a second, and a few devices send what they kept",
        60,
        _lag("0+9x150", "0+10x150") | {'tracefleet_ingest_waiting_seconds{job="ingest",instance="a"}': "1x150"},
    ),
    _firing(
        "TracefleetIngestDisconnected",
        "one of two workers is thrown out again and again",
        12,
        {
            'tracefleet_ingest_connected{instance="a"}': "0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1",
            'tracefleet_ingest_connected{instance="b"}': "1x100",
        },
    ),
    _silent(
        "TracefleetIngestDisconnected",
        "a restart, and a worker that was taken away",
        60,
        {
            'tracefleet_ingest_connected{instance="a"}': "1x20 0 0 1x120",
            'tracefleet_ingest_connected{instance="b"}': "1x20",
        },
    ),
    _firing(
        "TracefleetCommitsRetried",
        "the disk is full: two workers try again every 5 s",
        20,
        {f'{RETRIES}{{class="53",instance="{worker}"}}': "0+6x100" for worker in "ab"},
    ),
    _silent(
        "TracefleetCommitsRetried",
        "a deadlock now and then",
        60,
        {f'{RETRIES}{{class="40"}}': "0x20 1x20 2x110", f'{RETRIES}{{class="53"}}': "0x150"},
    ),
    _firing(
        "TracefleetIngestQueueNearLimit",
        "the window of one worker is full",
        12,
        {
            'tracefleet_ingest_unacknowledged_messages{instance="a"}': "4096x100",
            'tracefleet_ingest_window_messages{instance="a"}': "4096x100",
            'tracefleet_ingest_unacknowledged_messages{instance="b"}': "10x100",
            'tracefleet_ingest_window_messages{instance="b"}': "4096x100",
        },
    ),
    _firing(
        "TracefleetIngestQueueNearLimit",
        "an inbox of large messages is full",
        12,
        {
            'tracefleet_ingest_inbox_bytes{instance="a"}': "30000000x100",
            'tracefleet_ingest_inbox_limit_bytes{instance="a"}': "33554432x100",
        },
    ),
    _silent(
        "TracefleetIngestQueueNearLimit",
        "bursts that fill both for a moment",
        60,
        {
            'tracefleet_ingest_unacknowledged_messages{instance="a"}': "4096 0 0 10 4096 0 0 10 4096 0 0x140",
            'tracefleet_ingest_window_messages{instance="a"}': "4096x150",
            'tracefleet_ingest_inbox_bytes{instance="a"}': "33554432 0 0 0 33554432 0x145",
            'tracefleet_ingest_inbox_limit_bytes{instance="a"}': "33554432x150",
        },
    ),
    _firing(
        "TracefleetBrokerCertificateEnding",
        "it ends in 13 days, and three workers see it",
        70,
        {f'{CERTIFICATE}{{instance="{worker}"}}': f"{13 * 86400}x200" for worker in "abc"},
    ),
    _silent(
        "TracefleetBrokerCertificateEnding",
        "it lasts for a month, and another worker speaks without TLS",
        120,
        {f'{CERTIFICATE}{{instance="a"}}': f"{30 * 86400}x300", f'{CERTIFICATE}{{instance="b"}}': "0x300"},
    ),
    _firing(
        "TracefleetCredentialsEnding",
        "three devices end this week, one has ended, and a key ends",
        70,
        {
            f'{ENDING}{{holder="device",within="7d"}}': "3x200",
            f'{ENDING}{{holder="device",within="ended"}}': "1x200",
            f'{ENDING}{{holder="api_key",within="7d"}}': "1x200",
        },
        alerts=2,
    ),
    _silent(
        "TracefleetCredentialsEnding",
        "what ends within a month can wait",
        120,
        {f'{ENDING}{{holder="device",within="7d"}}': "0x300", f'{ENDING}{{holder="device",within="30d"}}': "50x300"},
    ),
    _firing(
        "TracefleetAuditBroken",
        "one of two replicas has verified since",
        5,
        {
            'tracefleet_fleet_audit_findings{instance="a"}': "1x20",
            'tracefleet_fleet_audit_findings{instance="b"}': "0x20",
        },
    ),
    _silent("TracefleetAuditBroken", "the chain is whole", 60, {"tracefleet_fleet_audit_findings": "0x150"}),
    _firing(
        "TracefleetAuditUnverified",
        "verified once, and then not for 14 hours",
        15 * 60,
        {f'{SUCCESS}{{sweep="verification"}}': "60x2000"},
    ),
    _silent(
        "TracefleetAuditUnverified",
        "a replica that was just started has not verified yet, the other has",
        13 * 60,
        {
            f'{SUCCESS}{{sweep="verification",instance="a"}}': "0x720 21600x900",
            f'{SUCCESS}{{sweep="verification",instance="b"}}': "_x1200 0x400",
        },
    ),
    _firing(
        "TracefleetSweepStalled",
        "census goes on, days do not",
        80,
        {f'{SUCCESS}{{sweep="days"}}': "60x300", f'{SUCCESS}{{sweep="census"}}': "0+30x300"},
    ),
    _silent(
        "TracefleetSweepStalled",
        "all come round; the audit's verification takes its time",
        180,
        {f'{SUCCESS}{{sweep="days"}}': "0+30x400", f'{SUCCESS}{{sweep="verification"}}': "0x400"},
    ),
    _firing(
        "TracefleetJobFailing",
        "retention fails once more",
        30,
        {f'{FAILURES}{{name="retention scan"}}': "2x20 3x100", f'{FAILURES}{{name="retention weighing"}}': "5x120"},
    ),
    _silent("TracefleetJobFailing", "failures of long ago", 180, {f'{FAILURES}{{name="retention scan"}}': "2x400"}),
    _firing(
        "TracefleetProcessDown",
        "a worker does not answer, and fleet is scraped by nobody",
        6,
        {UP["ingest"]: "0x50", UP["api"]: "1x50"},
        alerts=2,
    ),
    _silent("TracefleetProcessDown", "a restart of one minute", 60, {**dict.fromkeys(UP.values(), "1x20 0 0 1x120")}),
    _firing(
        "TracefleetApiFailing",
        "a fifth fails",
        25,
        {
            f'{REQUESTS}{{area="devices",status="2xx"}}': "0+8x100",
            f'{REQUESTS}{{area="devices",status="5xx"}}': "0+2x100",
        },
    ),
    _silent(
        "TracefleetApiFailing",
        "callers ask for what is not there, and one request failed",
        60,
        {
            f'{REQUESTS}{{area="devices",status="4xx"}}': "0+8x150",
            f'{REQUESTS}{{area="devices",status="5xx"}}': "0x20 1x130",
        },
    ),
)
