"""What the figures were measured on, disclosed with them."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from deploy.bench.brokers import Broker
from deploy.bench.database import Connection, Database
from store.settings import Settings

POSTGRES_SETTINGS: Final = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_compression", "wal_level", "shared_buffers", "max_wal_size",
)  # fmt: skip
EXTENSION: Final = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"


def machine(folder: Path) -> dict[str, Any]:
    """The computer, how busy it was before, and what kind of disk *folder* is on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": platform.platform(),
        "file_system": _file_system(folder),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }


def settings(connection: Connection, database: Database, broker: Broker, chosen: Settings) -> dict[str, Any]:
    """Versions, and everything that trades durability or order for speed."""
    return server(connection, database) | {
        "broker": broker.name,
        "broker_durability": broker.durability,
        "broker_window": broker.window,
        "session": f"mqtt5 {version('mqtt5')} where the broker speaks MQTT 5, else aiomqtt {version('aiomqtt')}",
        "ingest_processes": 1,
        "ingest_batch_records": chosen.ingest_batch_records,
        "ingest_batch_seconds": chosen.ingest_batch_seconds,
    }


def server(connection: Connection, database: Database) -> dict[str, Any]:
    """Versions, and what of the database server trades durability for speed."""
    extension = connection.execute(EXTENSION).fetchone()
    shown = {name: _show(connection, name) for name in POSTGRES_SETTINGS}
    return shown | {
        "postgresql": _show(connection, "server_version"),
        "timescaledb": extension[0] if extension else None,
        "postgresql_is": "embedded, on this machine" if database.pid is not None else "given by --database-url",
        # Whose build it is, too: one without profile-guided optimization is slower by a fifth.
        "python": f"{platform.python_version()} ({', '.join(platform.python_build())}, {platform.python_compiler()})",
        "tracefleet": version("tracefleet"),
    }


def complaints(machine: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Why these figures are not those of a durable system, if they are not. Pure."""
    told = []
    if machine["file_system"] in ("tmpfs", "ramfs") and settings["postgresql_is"].startswith("embedded"):
        told.append("the data are in memory, so fsync costs nothing: point TMPDIR at a disk")
    told += [f"{name} is off on this server" for name in POSTGRES_SETTINGS[:3] if settings[name] == "off"]
    return told


def _show(connection: Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _file_system(folder: Path) -> str:
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[place] for place in (folder, *folder.parents) if place in mounts), "unknown")
