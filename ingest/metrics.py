"""What ingest counts. Labels come from closed sets, so the number of series never depends on the fleet."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import accumulate, pairwise

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from ingest.account import OUTCOMES, STREAMS, Account
from ingest.refusal import REASONS

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 86400)
RECORDS = (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 20_000, 50_000)
# What a retry is counted under: SQLSTATE classes, and the driver's own troubles.
RETRY_CLASSES = ("08", "21", "22", "23", "25", "40", "42", "53", "54", "55", "57", "58", "lost", "driver", "other")


class AgeHistogram(Collector):
    """A histogram of ages, which takes a whole batch in one go: one by one, they cost more than decoding does."""

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = (*buckets, math.inf)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        registry.register(self)

    def observe(self, now: datetime, ats: Sequence[datetime]) -> None:
        """Count in how old at *now* is what was made at *ats*; what is of the future is not old at all."""
        in_order = sorted(ats)
        past = in_order[: bisect_left(in_order, now)]
        # How many are older than each bound; the last is beyond all.
        older = [bisect_left(past, now - timedelta(seconds=bound)) for bound in self._bounds[:-1]]
        for place, (more, fewer) in enumerate(pairwise([len(in_order), *older, 0])):
            self._counts[place] += more - fewer
        self._sum += sum([now - at for at in past], timedelta()).total_seconds()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus reads it."""
        cumulated = accumulate(self._counts)
        names = [*map(str, map(float, self._bounds[:-1])), "+Inf"]
        buckets = list(zip(names, cumulated, strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)


class Metrics:
    """The metric objects of one ingest process; every series exists from the start, at zero."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # When each counter began would be as many series once more, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.messages = Counter(
            "tracefleet_ingest_messages", "MQTT messages taken in, by stream.", ["stream"], registry=registry
        )
        self.records = Counter(
            "tracefleet_ingest_records", "Records by stream and outcome.", ["stream", "outcome"], registry=registry
        )
        self.dead_letters = Counter(
            "tracefleet_ingest_dead_letters", "Records kept as dead letters.", ["reason"], registry=registry
        )
        self.unknown_fields = Counter(
            "tracefleet_ingest_unknown_fields", "Fields of messages that nobody knows; ignored.", registry=registry
        )
        self.late = Counter(
            "tracefleet_ingest_late_records", "Records stored more than 5 min after they were made.", registry=registry
        )
        self.backfilled = Counter(
            "tracefleet_ingest_backfilled_records",
            "Records stored more than a day after they were made.",
            registry=registry,
        )
        self.clock_ahead = Counter(
            "tracefleet_ingest_clock_ahead_records",
            "Records stored whose device's clock is more than 5 min ahead.",
            registry=registry,
        )
        self.batch_records = Histogram(
            "tracefleet_ingest_batch_records", "Records in a batch.", buckets=RECORDS, registry=registry
        )
        self.commit_seconds = Histogram(
            "tracefleet_ingest_commit_seconds", "Time to write and commit a batch.", buckets=SECONDS, registry=registry
        )
        self.lag_seconds = AgeHistogram(
            "tracefleet_ingest_lag_seconds",
            "From the making of a message's newest record to its commit.",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.unacknowledged = Gauge(
            "tracefleet_ingest_unacknowledged_messages", "Messages that wait for their commit.", registry=registry
        )
        self.waiting_seconds = Gauge(
            "tracefleet_ingest_waiting_seconds",
            "How long the oldest message that is not committed has been here; 0 when there is none.",
            registry=registry,
        )
        self.window_messages = Gauge(
            "tracefleet_ingest_window_messages",
            "Messages that the broker sends ahead of their acknowledgement, at most.",
            registry=registry,
        )
        self.inbox_bytes = Gauge(
            "tracefleet_ingest_inbox_bytes", "Size of what was read and is not decoded yet.", registry=registry
        )
        self.inbox_limit_bytes = Gauge(
            "tracefleet_ingest_inbox_limit_bytes", "Size at which nothing more is read.", registry=registry
        )
        self.certificate_ends = Gauge(
            "tracefleet_ingest_broker_certificate_expiry_timestamp_seconds",
            "When the broker's certificate ends, since 1970; 0 without TLS, and before the first connection.",
            registry=registry,
        )
        self.connected = Gauge("tracefleet_ingest_connected", "1 while subscribed at the broker.", registry=registry)
        self.retries = Counter(
            "tracefleet_ingest_retries", "Batches written again, by error class.", ["class"], registry=registry
        )
        build = Gauge("tracefleet_build_info", "Always 1; the version is in the label.", ["version"], registry=registry)
        build.labels(version("tracefleet")).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        for stream in STREAMS:
            self.messages.labels(stream)
            for outcome in OUTCOMES:
                self.records.labels(stream, outcome)
        for reason in REASONS:
            self.dead_letters.labels(reason)
        for name in RETRY_CLASSES:
            self.retries.labels(name)

    def committed(self, account: Account, *, seconds: float, now: datetime) -> None:
        """Count a batch once it is committed, and never before."""
        received = 0
        for stream, counts in account.streams.items():
            self.messages.labels(stream).inc(counts.messages)
            for outcome in OUTCOMES:
                self.records.labels(stream, outcome).inc(getattr(counts, outcome))
            received += counts.received
            self.late.inc(counts.late)
            self.backfilled.inc(counts.backfilled)
            self.clock_ahead.inc(counts.clock_ahead)
        for reason, records in account.reasons.items():
            self.dead_letters.labels(reason).inc(records)
        self.lag_seconds.observe(now, account.newest_ats)
        self.batch_records.observe(received)
        self.commit_seconds.observe(seconds)

    def retried(self, sqlstate: str | None, *, driver: bool) -> None:
        """Count a batch that has to be written again."""
        name = "driver" if driver else "lost" if sqlstate is None else sqlstate[:2]
        self.retries.labels(name if name in RETRY_CLASSES else "other").inc()
