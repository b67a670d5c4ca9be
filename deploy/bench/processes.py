"""CPU and memory of the processes of a run, by their ids."""

from collections.abc import Mapping

import psutil

from store.errors import TracefleetError


class Processes:
    """Processes by name, one of them *tested*; each counts with its children."""

    def __init__(self, pids: Mapping[str, int | None], *, tested: str = "ingest") -> None:
        self._tested = tested
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items() if pid is not None}
        # Of the tested one, the most that was ever seen.
        self.peak_rss_bytes = 0

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time of each so far."""
        return {name: sum(_cpu_seconds(each) for each in _family(process)) for name, process in self._processes.items()}

    def note_memory(self) -> None:
        """Look at the resident memory of the tested one. Raises TracefleetError when it runs no more."""
        try:
            rss_bytes = sum(each.memory_info().rss for each in _family(self._processes[self._tested]))
        except psutil.NoSuchProcess:
            raise TracefleetError(f"{self._tested} ended in the middle of a measurement") from None
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # a short-lived worker of the server's
        return 0.0
    return float(times.user + times.system)
