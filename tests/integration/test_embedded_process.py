"""Child processes, the lock of a data folder, and files that hold a password."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.embedded import data_dir_lock, process
from deploy.embedded.private_file import write_private
from store.errors import TracefleetError

PARENT = """
import pathlib, signal, sys
from deploy.embedded.process import spawn
child = spawn([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
signal.pause()
"""
HOLDER = """
import pathlib, signal, sys
from deploy.embedded.data_dir_lock import hold
with hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def _until(condition: Callable[[], object], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a child die with its parent")
def test_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Kill -9 gives the parent no chance, and still no process stays."""
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(note)])
    _until(lambda: note.exists() and note.read_text(encoding="utf-8"))
    child = int(note.read_text(encoding="utf-8"))
    assert _is_alive(child)
    parent.kill()
    parent.wait(10)
    _until(lambda: not _is_alive(child))


def test_child_has_a_session_of_its_own() -> None:
    """So Ctrl-C in the terminal reaches the parent alone."""
    child = process.spawn(["sleep", "600"])
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        child.kill()
        child.wait(10)


def test_log_is_set_aside_when_it_is_large(tmp_path: Path) -> None:
    """One old log is kept beside the new one; a small one is continued."""
    log = tmp_path / "logs" / "child.log"
    for _ in range(2):
        process.spawn(["echo", "hello"], log=log).wait(10)
    assert log.read_text(encoding="utf-8") == "hello\nhello\n"
    with log.open("r+b") as file:
        file.truncate(process.LOG_BYTES + 1)
    process.spawn(["echo", "anew"], log=log).wait(10)
    assert log.read_text(encoding="utf-8") == "anew\n"
    assert log.with_name("child.log.1").stat().st_size == process.LOG_BYTES + 1


def test_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    """However long it is, and whatever bytes are in it."""
    log = tmp_path / "log"
    assert process.end_of(log) == "(it wrote nothing)"
    log.write_bytes(b"x" * 5000 + b"\xff\nthe last line\n")
    assert process.end_of(log).endswith("\nthe last line")
    assert len(process.end_of(log)) <= 1500


def test_private_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """Also when it replaces one that everybody could read."""
    path = tmp_path / "secret.json"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0o644)
    write_private(path, {"password": "p"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="utf-8") == '{\n  "password": "p"\n}'


def test_private_file_stays_when_its_successor_cannot_be_written(tmp_path: Path) -> None:
    """The old content, and nothing beside it."""
    path = tmp_path / "secret.json"
    write_private(path, {"password": "p"})
    with pytest.raises(TypeError):
        write_private(path, {"password": object()})
    assert list(tmp_path.iterdir()) == [path]
    assert '"p"' in path.read_text(encoding="utf-8")


def test_lock_is_refused_while_another_process_holds_it(tmp_path: Path) -> None:
    """The sentence names the process; when that one is killed, the folder is free."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        refusal = pytest.raises(TracefleetError, match=rf"process {holder.pid}\).*TRACEFLEET_DATA_DIR")
        with refusal, data_dir_lock.hold(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    with data_dir_lock.hold(tmp_path):
        assert (tmp_path / data_dir_lock.LOCK_FILE).exists()
    assert list(tmp_path.iterdir()) == []


def test_lock_makes_its_folder_or_says_why_not(tmp_path: Path) -> None:
    """A folder that cannot be made names the setting."""
    with data_dir_lock.hold(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    refusal = pytest.raises(TracefleetError, match=r"cannot be used.*TRACEFLEET_DATA_DIR")
    with refusal, data_dir_lock.hold(tmp_path / "file" / "below"):
        pass
