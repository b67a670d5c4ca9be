"""What fleet counts and measures, for Prometheus. No label ever holds a device or free text."""

import platform
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram, Info

SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300)


class Metrics:
    """The metrics of one fleet process, in *registry*.

    Gauges of the fleet appear with the first census: before it nobody knows, and a zero would be a false alarm.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.devices = Gauge("tracefleet_fleet_devices", "Devices in the ledger.", ["kind", "state"], registry=registry)
        self.devices_online = Gauge(
            "tracefleet_fleet_devices_online",
            "Devices heard live within 10 minutes that have not said goodbye.",
            ["kind"],
            registry=registry,
        )
        self.job_failures = Gauge(
            "tracefleet_fleet_job_failures",
            "Failed runs so far of each job that keeps the store in order.",
            ["job"],
            registry=registry,
        )
        self.audit_head = Gauge(
            "tracefleet_fleet_audit_head", "Number of the last seal of the audit's chain.", registry=registry
        )
        self.audit_unsealed = Gauge(
            "tracefleet_fleet_audit_unsealed", "Changes of the ledger that wait for their seal.", registry=registry
        )
        self.audit_anchored = Gauge(
            "tracefleet_fleet_audit_anchored_timestamp_seconds",
            "When the audit's head was last found or noted outside the database, since 1970; 0 for never.",
            registry=registry,
        )
        self.sweep_seconds = Histogram(
            "tracefleet_fleet_sweep_seconds",
            "Duration of a sweep, failed ones included.",
            ["sweep"],
            buckets=SECONDS,
            registry=registry,
        )
        self.sweep_succeeded = Gauge(
            "tracefleet_fleet_sweep_success_timestamp_seconds",
            "When a sweep last succeeded, since 1970; 0 for never.",
            ["sweep"],
            registry=registry,
        )
        build = Info("tracefleet_build", "This release.", registry=registry)
        build.info({"version": version("tracefleet"), "python": platform.python_version(), "service": "fleet"})
