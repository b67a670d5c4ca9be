"""What the API counts of itself, for Prometheus. Labels are closed sets: an area of the API, never an address.

Not the route's template: with methods and statuses that would be thousands of series, most of which never count.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from ingest.metrics import Metrics as IngestMetrics

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
UNMATCHED: Final = "unmatched"
LOGIN_OUTCOMES: Final = ("admitted", "refused", "throttled")
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ACCESS: Final = ("read", "write")
_STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
_PREFIX: Final = "/api/v1/"
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def release() -> str:
    """The version of this code, or "unknown" when it runs from a folder that was never installed."""
    try:
        return version("tracefleet")
    except PackageNotFoundError:
        return "unknown"


def area_of(template: str) -> str:
    """The first word of a route's *template* after the prefix of the API: what the route is about."""
    return template.removeprefix(_PREFIX).strip("/").partition("/")[0] or "home"


class Metrics:
    """The counters of one application whose routes have these *templates*, in a registry of its own.

    Every series exists from the start, at zero.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        # When each counter began would be as many series once more, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tracefleet_api_requests",
            "Requests answered, by what they were about and class of status.",
            ["area", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "tracefleet_api_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["access"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._areas = {UNMATCHED, *map(area_of, templates)}
        for area in self._areas:
            for status in _STATUSES:
                self._requests.labels(area, status)
        for access in _ACCESS:
            self._seconds.labels(access)
        logins = Counter(
            "tracefleet_api_logins", "Log-ins of people, by what came of them.", ["outcome"], registry=self._registry
        )
        self.logins = {outcome: logins.labels(outcome) for outcome in LOGIN_OUTCOMES}
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
        area = area_of(route)
        self._requests.labels(area if area in self._areas else UNMATCHED, f"{status // 100}xx").inc()
        self._seconds.labels("read" if method in _READING else "write").observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)
