"""What a fault measured, and the report that the full profile writes: a row for each fault, link and run."""

import fcntl
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

REPORTS: Final = Path(__file__).parents[1] / "reports"
HEADINGS: Final = (
    "fault", "link", "sent", "acknowledged", "rows", "dead letters", "duplicates", "restarts",
    "recovery s (median / worst)", "RSS MB (before / most / after)", "verdict",
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """Of one fault over one link. Seconds to recovery: from the end of the trouble to the next commit, each time."""

    fault: str
    link: str
    sent: int = 0
    acknowledged: int = 0
    rows: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    published_again: int = 0
    restarts: int = 0
    recovery_seconds: list[float] = field(default_factory=list)
    rss_before_mb: float | None = None
    rss_most_mb: float | None = None
    rss_after_mb: float | None = None
    # What only this fault measures.
    more: dict[str, Any] = field(default_factory=dict)
    # In words, where there is more to say than that nothing was lost.
    verdict: str = ""

    def saw_rss(self, rss_mb: float) -> None:
        """The first is the one before the fault, the last the one after it."""
        if self.rss_before_mb is None:
            self.rss_before_mb = rss_mb
        self.rss_most_mb = max(rss_mb, self.rss_most_mb or 0.0)
        self.rss_after_mb = rss_mb


def keep(figures: Figures, about: dict[str, str]) -> None:
    """Enter *figures* in the report, in the place of an older run's.

    *about* says what it ran on. Figures of another machine or other versions go: a report has one machine.
    """
    REPORTS.mkdir(exist_ok=True)
    lock = os.open(REPORTS, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = REPORTS / "faults.json"
        machine = _machine() | about
        report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        old = report.get("machine", {})
        if any(old[name] != machine[name] for name in old.keys() & machine.keys()):
            report = {}
        rows = {(row["fault"], row["link"]): row for row in report.get("faults", [])}
        row = asdict(figures) | {"measured_at": datetime.now(UTC).isoformat(timespec="seconds")}
        row["recovery_seconds"] = [round(seconds, 3) for seconds in figures.recovery_seconds]
        rows[figures.fault, figures.link] = row
        report = {"machine": old | machine if report else machine, "faults": [rows[key] for key in sorted(rows)]}
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (REPORTS / "faults.md").write_text(_readable(report), encoding="utf-8")
    finally:
        os.close(lock)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "tracefleet": version("tracefleet"),
    }


def _readable(report: dict[str, Any]) -> str:
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report["machine"].items())
    lines = [
        "# Faults, and what they cost",
        "",
        "Written by `make test-faults`; the same figures, and more of them, are in [faults.json](faults.json).",
        "Each row: real processes under load, one fault, and a reckoning to the message afterwards. *Acknowledged* is",
        "what the broker acknowledged to the devices; all of it must be rows or dead letters, and no row stands twice.",
        "*Duplicates* are records that were delivered again and counted as such. *Recovery* is from the end of the",
        "trouble to the next commit or, where ingest itself or its connection was hurt, until it is ready again.",
        "",
        f"Machine: {machine}.",
        "",
        _line(HEADINGS),
        _line(["---"] * len(HEADINGS)),
        *(_line(_cells(row)) for row in report["faults"]),
        "",
        "## What else was measured",
        "",
        *(f"- {row['fault']}, {row['link']}: {_more(row['more'])}." for row in report["faults"] if row["more"]),
    ]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    recovery = row["recovery_seconds"]
    seconds = f"{statistics.median(recovery):.1f} / {max(recovery):.1f}" if recovery else "–"
    rss = [row["rss_before_mb"], row["rss_most_mb"], row["rss_after_mb"]]
    memory = " / ".join("–" if value is None else f"{value:.0f}" for value in rss)
    counts = [f"{row[name]:,}" for name in ("sent", "acknowledged", "rows", "dead_letters", "duplicates", "restarts")]
    return [row["fault"], row["link"], *counts, seconds, memory, row["verdict"]]


def _more(more: dict[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in more.items())


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
