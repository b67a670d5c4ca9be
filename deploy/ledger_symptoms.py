"""Doctor's look at what only the ledger's alerts tell, and whom it concerns: critical is a problem, the rest a warning.

By the alerts' own questions. A critical one that has not lasted as long as its alert waits is a warning, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg

from deploy.check import Check, Verdict
from grafana.alert import Alert, Sql
from grafana.database_alerts import DATABASE_ALERTS

NAMED: Final = 3

# Out of the band without a break: neither then nor since was a reading inside.
LASTING: Final = """
SELECT EXISTS (
    SELECT FROM grafana_coldchain_probes AS p JOIN devices AS d USING (device_no)
    CROSS JOIN LATERAL (
        SELECT c.at, c.temperature_c FROM coldchain AS c
        WHERE c.device_id = d.device_id AND coalesce(c.probe, '') = p.probe AND c.temperature_c IS NOT NULL
          AND c.at > now() - INTERVAL '1 day' AND c.at <= now() - make_interval(mins => %(minutes)s)
        ORDER BY c.at DESC LIMIT 1
    ) AS earlier
    WHERE p.standing IN ('warm', 'cold') AND earlier.temperature_c NOT BETWEEN p.low_c AND p.high_c
      AND NOT EXISTS (
        SELECT FROM coldchain AS c
        WHERE c.device_id = d.device_id AND coalesce(c.probe, '') = p.probe
          AND c.at > earlier.at AND c.temperature_c BETWEEN p.low_c AND p.high_c))
"""


@dataclass(frozen=True, slots=True)
class Concern:
    """Who is concerned by an alert: *noun*, and a query of their names, the first to be looked at first.

    *lasting* says whether it is so for as many minutes as the alert waits; where there is none, it is at once.
    """

    noun: str
    names: LiteralString
    lasting: LiteralString | None = None


CONCERNS: Final[Mapping[str, Concern]] = {
    "TracefleetColdChainExcursion": Concern(
        "site",
        "SELECT DISTINCT site_no FROM grafana_coldchain_probes WHERE standing IN ('warm', 'cold') ORDER BY site_no",
        LASTING,
    ),
    "TracefleetColdChainGap": Concern(
        "site",
        "SELECT DISTINCT site_no FROM grafana_coldchain_probes WHERE standing IN ('missing', 'fault') ORDER BY site_no",
    ),
    "TracefleetVerificationOverdue": Concern(
        "region", "SELECT DISTINCT region_code FROM grafana_unverified ORDER BY region_code"
    ),
    "TracefleetCaseOverdue": Concern(
        "case", "SELECT case_no FROM grafana_cases WHERE is_overdue ORDER BY due_on, case_no"
    ),
    "TracefleetRetiredIdentitySpeaks": Concern(
        "device",
        "SELECT DISTINCT device_no FROM grafana_security_events WHERE settled_at IS NULL ORDER BY device_no",
    ),
    "TracefleetOutage": Concern(
        "place",
        "SELECT DISTINCT coalesce(site_no, 'the platform') AS name FROM grafana_outages WHERE ended_at IS NULL "
        "ORDER BY name",
    ),
}

Connection = psycopg.Connection[tuple[object, ...]]


def ledger_symptoms(connection: Connection) -> Iterator[Check]:
    """Each alert of the ledger that has something to tell, or that none has."""
    told = 0
    for alert in DATABASE_ALERTS:
        if isinstance(alert.asks, Sql) and connection.execute(alert.asks.statement.encode()).fetchone():
            told += 1
            concern = CONCERNS[alert.name]
            names = [str(name) for (name,) in connection.execute(concern.names).fetchall()]
            remedy = f"See {alert.name} in deploy/README.md."
            yield Check(
                "ledger", _verdict(connection, alert), f"{alert.title.en}: {_listed(concern.noun, names)}", remedy
            )
    if not told:
        yield Check("ledger", "ok", "nothing that an alert would tell")


def _verdict(connection: Connection, alert: Alert) -> Verdict:
    if alert.severity != "critical":
        return "warning"
    lasting = CONCERNS[alert.name].lasting
    if lasting is None or connection.execute(lasting, {"minutes": alert.for_minutes}).fetchone() == (True,):
        return "problem"
    return "warning"


def _listed(noun: str, names: list[str]) -> str:
    more = len(names) - NAMED
    head = f"{len(names)} {noun}{'' if len(names) == 1 else 's'}, {', '.join(names[:NAMED])}"
    return f"{head} and {more} more" if more > 0 else head
