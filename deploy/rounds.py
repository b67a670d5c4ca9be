"""Doctor's look at the rounds of the fleet that runs on this machine: which came round, and what the audit's found."""

import http.client
import re
import time
from collections.abc import Iterator
from typing import Final

from deploy.check import Check
from deploy.ports import reachable_host
from grafana.metric_alerts import STALLED_SECONDS, UNVERIFIED_SECONDS
from store.settings import Settings

VERIFICATION: Final = "verification"
WAIT_SECONDS: Final = 5.0
_SUCCESS: Final = re.compile(r'^tracefleet_fleet_sweep_success_timestamp_seconds\{sweep="(\w+)"\} (\S+)$', re.MULTILINE)
_STARTED: Final = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_FINDINGS: Final = re.compile(r"^tracefleet_fleet_audit_findings (\S+)$", re.MULTILINE)
ELSEWHERE: Final = (
    "Run doctor where fleet runs, such as in its container; or ask its /readyz, and `tracefleet audit verify`."
)
VERIFY: Final = "`tracefleet audit verify` says what, and what each means; keep the database as it is until then."


def rounds(settings: Settings) -> Iterator[Check]:
    """Two checks, skipped where no fleet serves its metrics."""
    text = _served(settings)
    if text is not None:
        yield from judged(text, now_seconds=time.time())
        return
    where = f"{reachable_host(settings.metrics_host)}:{settings.fleet_metrics_port}"
    for what in ("rounds", "audit"):
        yield Check(what, "skipped", f"not looked at: no fleet serves its metrics at {where}", ELSEWHERE)


def judged(text: str, *, now_seconds: float) -> Iterator[Check]:
    """The same of what a fleet serves."""
    started = _STARTED.search(text)
    # What was just started has not come round yet, and is not late for that.
    earliest = float(started[1]) if started is not None else 0.0
    succeeded = _SUCCESS.findall(text)
    ages = {sweep: now_seconds - max(earliest, float(at)) for sweep, at in succeeded}
    is_verified = float(dict(succeeded).get(VERIFICATION, 0)) > 0
    verified_seconds = ages.pop(VERIFICATION, now_seconds)
    late = sorted(sweep for sweep, age in ages.items() if age > STALLED_SECONDS)
    if late:
        remedy = "Its log and /readyz say why."
        yield Check("rounds", "problem", f"not come round for an hour: {', '.join(late)}", remedy)
    else:
        yield Check("rounds", "ok", f"{len(ages)} sweeps of fleet come round")
    found = sum(float(number) for number in _FINDINGS.findall(text))
    if found:
        yield Check(
            "audit", "problem", f"the last verification found {found:.0f} {'thing' if found == 1 else 'things'}", VERIFY
        )
    elif verified_seconds > UNVERIFIED_SECONDS:
        remedy = "`tracefleet audit verify` does it now; the log of fleet says why it does not: no key, mostly."
        yield Check("audit", "warning", "not verified lately", remedy)
    elif is_verified:
        yield Check("audit", "ok", f"nothing found {verified_seconds / 60:.0f} min ago")
    else:
        yield Check(
            "audit", "skipped", "not verified yet since fleet began", "Its log and /readyz say why, if it lasts."
        )


def _served(settings: Settings) -> str | None:
    host = reachable_host(settings.metrics_host).strip("[]")
    connection = http.client.HTTPConnection(host, settings.fleet_metrics_port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if "tracefleet_fleet_" in text else None
