"""How much of everything a fleet needs, reckoned from measured figures. Pure.

The figures are those of ``bench-disk.json`` (bytes) and ``bench-ingest.json`` (rates) in ``tests/reports``, taken over
here so that no service reads a report; a test compares them. ``sizing_page`` makes a page of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SECONDS_A_DAY: Final = 86_400
GB: Final = 1_000_000_000
DAYS_A_MONTH: Final = 30


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of a record, indexes included; and how many a device brings a day, over a whole city."""

    raw_bytes: float
    index_bytes: float
    compressed_bytes: float
    records_a_device_day: float
    messages_a_device_day: float


@dataclass(frozen=True, slots=True)
class Defaults:
    """Of the settings `compress_after_days` and `retention_days`; a chunk is a day, and compressed when it is over."""

    compress_after_days: int = 8
    retention_days: int = 750


STREAMS: Final = {
    "weighing": Stream(300.7, 82.1, 43.61, 429.6, 429.6),
    "scan": Stream(194.8, 82.1, 31.3, 59.2, 59.2),
    "coldchain": Stream(214.5, 85.6, 19.93, 252.3, 40.8),
    "status": Stream(229.7, 79.7, 34.07, 378.2, 378.9),
}
# The busiest minute against the mean of the day.
PEAK_FACTOR: Final = 2.22
# A device and day, each: what the fleet makes of it (days, health, slots), and the roll-ups of TimescaleDB.
DAILY_BYTES: Final = 654
ROLLUP_BYTES: Final = 12138
ROLLUP_COMPRESSED_BYTES: Final = 2459
# A chunk of a roll-up, which is compressed, and dropped, when all of it is due.
ROLLUP_CHUNK_DAYS: Final = 10
# A device in the ledger with what it did, the audit of its registration included.
LEDGER_BYTES: Final = 11806
AUDIT_BYTES: Final = 1114
# Of the log, a record in messages of one record, with 10,000 devices.
WAL_BYTES: Final = 568.6
# Messages of one record through ingest into PostgreSQL, of 100,000 devices, on two cores with broker and generator.
PIPELINE_A_CORE: Final = 12_812 / 2
# A broker that flushes each message before it acknowledges it, on one machine with all else.
FLUSHED_A_SECOND: Final = 5_000
# After an outage of a day the backlog is to be stored within these hours, beside what comes at the peak.
CATCH_UP_HOURS: Final = 4
# Judged each minute, rolled up, compressed and backed up by one core, most of it at night.
DEVICES_A_CORE: Final = 50_000
# Room beyond what is computed: the log, a chunk's copy while it is compressed, vacuum, sorting.
HEADROOM: Final = 1.3


@dataclass(frozen=True, slots=True)
class Need:
    """What a fleet of *devices* takes."""

    devices: int
    messages_a_second: float
    peak_a_second: float
    # What is to be stored a second to be through with a day's backlog in four hours.
    needed_a_second: float
    records_a_day: float
    raw_a_month: float
    compressed_a_month: float
    kept_plain: float
    kept_compressed: float
    log_a_day: float
    cores: int
    memory_gb: int


DEFAULTS: Final = Defaults()


def need(devices: int, defaults: Defaults = DEFAULTS) -> Need:
    """The whole reckoning; bytes as bytes."""
    mean = devices * sum(s.messages_a_device_day for s in STREAMS.values()) / SECONDS_A_DAY
    records = {name: devices * s.records_a_device_day for name, s in STREAMS.items()}
    raw_a_day = sum(n * STREAMS[name].raw_bytes for name, n in records.items())
    compressed_a_day = sum(n * STREAMS[name].compressed_bytes for name, n in records.items())
    daily = devices * DAILY_BYTES
    once = devices * LEDGER_BYTES
    # The day that is being written, too, is not compressed.
    raw_days = min(defaults.compress_after_days + 1, defaults.retention_days)
    kept_days = defaults.retention_days
    compressed = raw_a_day * raw_days + compressed_a_day * (kept_days - raw_days)
    rollup_days = kept_days + ROLLUP_CHUNK_DAYS
    rollup_raw_days = min(defaults.compress_after_days + ROLLUP_CHUNK_DAYS, rollup_days)
    rollups = ROLLUP_BYTES * rollup_raw_days + ROLLUP_COMPRESSED_BYTES * (rollup_days - rollup_raw_days)
    needed = mean * PEAK_FACTOR + mean * 24 / CATCH_UP_HOURS
    return Need(
        devices=devices,
        messages_a_second=mean,
        peak_a_second=mean * PEAK_FACTOR,
        needed_a_second=needed,
        records_a_day=sum(records.values()),
        raw_a_month=(raw_a_day + daily) * DAYS_A_MONTH,
        compressed_a_month=(compressed_a_day + daily + devices * ROLLUP_COMPRESSED_BYTES) * DAYS_A_MONTH,
        kept_plain=(raw_a_day + daily) * kept_days * HEADROOM + once,
        kept_compressed=(compressed + daily * kept_days + devices * rollups) * HEADROOM + once,
        log_a_day=sum(records.values()) * WAL_BYTES,
        cores=_cores(devices, needed),
        memory_gb=_memory_gb(devices, records),
    )


def growth_bytes(records_a_day: Mapping[str, int], *, devices: int, compressed: bool) -> float:
    """What a day adds to the disk in the long run, of so many records by stream."""
    kept = {name: s.compressed_bytes if compressed else s.raw_bytes for name, s in STREAMS.items()}
    telemetry = sum(n * kept[name] for name, n in records_a_day.items())
    if not records_a_day:
        return 0.0
    return telemetry + devices * (DAILY_BYTES + (ROLLUP_COMPRESSED_BYTES if compressed else 0.0))


def _cores(devices: int, needed_a_second: float) -> int:
    """The pipeline half idle at its busiest; one for API, dashboards and system; what judges and keeps the store."""
    pipeline = max(1, math.ceil(2 * needed_a_second / PIPELINE_A_CORE))
    return pipeline + 1 + math.ceil(devices / DEVICES_A_CORE)


def _memory_gb(devices: int, records_a_day: Mapping[str, float]) -> int:
    """The services, the indexes of today and yesterday, where all writing happens, and 10 KB a device of current state.

    The next power of two: memory comes so.
    """
    indexes = 2 * sum(n * STREAMS[name].index_bytes for name, n in records_a_day.items())
    total = 3 * GB + indexes + devices * 10_000
    return max(4, 1 << math.ceil(math.log2(total / GB)))


@dataclass(frozen=True, slots=True)
class Step:
    """Something to add, in both languages."""

    en: str
    zh: str


ONE_MACHINE: Final = Step(
    "nothing: one machine, `tracefleet up` or compose, and backups on another", "无须增加：一台机器，备份放在另一台"
)
COMPRESSION: Final = Step("TimescaleDB", "TimescaleDB")
ANOTHER_BROKER: Final = Step(
    "a faster broker: three nats-servers on disks of their own, or Mosquitto, whose promise is weaker",
    "更快的代理：三节点 nats-server（各有磁盘），或承诺较弱的 Mosquitto",
)
OWN_DATABASE: Final = Step("a machine for the database alone, on SSD/NVMe", "数据库独占一台机器（SSD/NVMe）")
WORKERS: Final = Step("a second ingest worker, so that one may stop", "第二个 ingest，可停其一")
INCREMENTAL: Final = Step("backups of what changed (pgBackRest, WAL-G)", "增量备份（pgBackRest、WAL-G）")
STANDBY: Final = Step("a standby that dashboards read", "只读备库，供看板查询")


def steps(told: Need) -> list[Step]:
    """What to add, the first thing first; by what the reckoning says, not by the number of devices."""
    found = []
    if told.kept_plain > 300 * GB:
        found.append(COMPRESSION)
    if told.needed_a_second > FLUSHED_A_SECOND / 3:
        found.append(OWN_DATABASE)
    if told.needed_a_second > FLUSHED_A_SECOND:
        found.append(ANOTHER_BROKER)
    if told.kept_compressed > 500 * GB:
        found.append(INCREMENTAL)
    if told.needed_a_second > FLUSHED_A_SECOND:
        found += [WORKERS, STANDBY]
    return found or [ONE_MACHINE]


# Sizes are 默认值: a city has 28 markets with 4,534 instruments (Yinchuan, rounded up), a province 18 such cities.
FLEETS: Final = (
    ("1,000", "1,000", 1_000),
    ("a city", "一个城市", 5_000),
    ("10,000", "10,000", 10_000),
    ("a province", "一个省", 90_000),
    ("100,000", "100,000", 100_000),
)
