"""What the API counts of itself, for Prometheus. Labels are closed sets: a route is its template, never an address."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from ingest.metrics import Metrics as IngestMetrics

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def release() -> str:
    """The version of this code, or "unknown" when it runs from a folder that was never installed."""
    try:
        return version("tracefleet")
    except PackageNotFoundError:
        return "unknown"


class Metrics:
    """The counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "tracefleet_api_requests", "Requests answered, by class of status.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "tracefleet_api_request_seconds",
            "Time from a request's head to the end of its answer.",
            labels,
            buckets=_SECONDS,
            registry=self._registry,
        )
        build = Gauge(
            "tracefleet_build_info", "Always 1; the version is in the label.", ["version"], registry=self._registry
        )
        build.labels(release()).set(1)
        ProcessCollector(registry=self._registry)
        # What comes over HTTP is counted under the names that MQTT's is. A session with a broker has no part in it.
        self.ingest = IngestMetrics(CollectorRegistry())
        for counted in (
            self.ingest.messages,
            self.ingest.records,
            self.ingest.dead_letters,
            self.ingest.unknown_fields,
            self.ingest.late,
            self.ingest.backfilled,
            self.ingest.clock_ahead,
            self.ingest.batch_records,
            self.ingest.commit_seconds,
            self.ingest.lag_seconds,
            self.ingest.retries,
        ):
            self._registry.register(counted)

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. *route* is a template, or UNMATCHED."""
        labels = (method if method in _METHODS else "other", route, f"{status // 100}xx")
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)
