"""What fleet counts and measures, for Prometheus. No label ever holds a device or free text."""

import platform
from importlib.metadata import version
from typing import Final, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

LOGIN_OUTCOMES: Final = (
    "admitted",
    "no_credentials",
    "unknown_device",
    "wrong_secret",
    "revoked",
    "expired",
    "retired",
    "wrong_client_id",
)
LOGIN_SECONDS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02, 0.1)
# Of each sweep: one more is a dozen series more.
SECONDS: Final = (0.02, 0.1, 0.5, 2, 10, 60, 300)


class Metrics:
    """The metrics of one fleet process, in *registry*.

    Gauges of the fleet appear with the first census: before it nobody knows, and a zero would be a false alarm.
    """

    @classmethod
    def apart(cls) -> Self:
        """Counted in a registry of their own, which nobody scrapes."""
        return cls(CollectorRegistry())

    def __init__(self, registry: CollectorRegistry) -> None:
        # When each counter began would be as many series once more, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.devices = Gauge("tracefleet_fleet_devices", "Devices in the ledger.", ["kind", "state"], registry=registry)
        self.devices_online = Gauge(
            "tracefleet_fleet_devices_online",
            "Devices heard live within 10 minutes that have not said goodbye.",
            ["kind"],
            registry=registry,
        )
        self.outsiders = Gauge(
            "tracefleet_fleet_outsiders",
            "Strangers, ghosts and identities gone astray, by list.",
            ["list"],
            registry=registry,
        )
        self.security_events = Gauge(
            "tracefleet_fleet_security_events",
            "Open security events: retired identities that speak, by where they were refused.",
            ["channel"],
            registry=registry,
        )
        self.cases = Gauge("tracefleet_fleet_cases", "Cases of retirement, by state.", ["state"], registry=registry)
        self.cases_overdue = Gauge(
            "tracefleet_fleet_cases_overdue",
            "Cases that stay in their state beyond the day by which they were to leave it, by state.",
            ["state"],
            registry=registry,
        )
        self.outages = Gauge(
            "tracefleet_fleet_outages", "Outages that last: ours, and those of sites.", ["scope"], registry=registry
        )
        self.findings = Gauge(
            "tracefleet_fleet_findings",
            "Findings of the rules of obsolescence that are open.",
            ["rule"],
            registry=registry,
        )
        self.flags = Gauge("tracefleet_fleet_flags", "Devices flagged as obsolete.", ["kind"], registry=registry)
        self.job_failures = Gauge(
            "tracefleet_fleet_job_failures",
            "Failed runs so far of each job that keeps the store in order.",
            # Not `job`: that is what Prometheus calls the process.
            ["name"],
            registry=registry,
        )
        self.presence = Gauge(
            "tracefleet_fleet_presence",
            "Devices in places, by how they were heard.",
            ["kind", "presence"],
            registry=registry,
        )
        self.expected_devices = Gauge(
            "tracefleet_fleet_expected_devices",
            "Devices that should be heard now: in service, site open, no outage; by how they are heard.",
            ["presence"],
            registry=registry,
        )
        self.day_records = Gauge(
            "tracefleet_fleet_day_records",
            "Records of today and yesterday (Asia/Shanghai): received, and missing by the gaps in their numbers.",
            ["outcome"],
            registry=registry,
        )
        self.credentials_ending = Gauge(
            "tracefleet_fleet_credentials_ending",
            "Devices in service and API keys whose last credential has ended, or ends within 7 or 30 days.",
            ["holder", "within"],
            registry=registry,
        )
        self.health_devices = Gauge(
            "tracefleet_fleet_health_devices",
            "Devices in places, by health: good from 80, fair from 60, poor below, none where nothing is expected.",
            ["kind", "band"],
            registry=registry,
        )
        self.health_reasons = Gauge(
            "tracefleet_fleet_health_reasons",
            "Devices whose health is lowered by a check.",
            ["check"],
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
        self.audit_findings = Gauge(
            "tracefleet_fleet_audit_findings",
            "What the last verification of the audit found; 0 while its chain is whole.",
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
        logins = Counter(
            "tracefleet_fleet_broker_logins", "Logins that the broker asked about.", ["outcome"], registry=registry
        )
        # By outcome, so that each is there from the beginning, with zero.
        self.broker_logins = {outcome: logins.labels(outcome) for outcome in LOGIN_OUTCOMES}
        self.broker_login_seconds = Histogram(
            "tracefleet_fleet_broker_login_seconds",
            "Time to judge a login and to sign the answer.",
            buckets=LOGIN_SECONDS,
            registry=registry,
        )
        build = Info("tracefleet_build", "This release.", registry=registry)
        build.info({"version": version("tracefleet"), "python": platform.python_version(), "service": "fleet"})
