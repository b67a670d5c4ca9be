"""Whether the process can do its work, and why not: for readiness, and for one log line at each change."""

from collections.abc import Mapping

import structlog

log = structlog.get_logger()


class Checks:
    """Checks by name; written by the event loop, read by the exporter's threads."""

    def __init__(self, checks: Mapping[str, str | None]) -> None:
        """Each of *checks* with the reason why it is not fine yet, or None."""
        self._reasons: dict[str, str | None] = dict(checks)
        self._troubled: set[str] = set()

    def readiness(self) -> Mapping[str, str | None]:
        """Each check with None when it is fine, else the reason."""
        return dict(self._reasons)

    def trouble(self, check: str, reason: str) -> None:
        """Say why *check* is not fine; logged when it begins, not at each repetition."""
        if check not in self._troubled:
            self._troubled.add(check)
            log.warning("trouble begins", check=check, reason=reason)
        self._reasons[check] = reason

    def fine(self, check: str) -> None:
        """Say that *check* is fine; logged when it was not."""
        if check in self._troubled:
            self._troubled.remove(check)
            log.info("trouble is over", check=check)
        self._reasons[check] = None
