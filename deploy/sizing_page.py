"""Writes ``deploy/SIZING.md`` from ``deploy.sizing``; ``--check`` only compares."""

import math
import sys
from pathlib import Path
from typing import Final

from deploy import sizing
from deploy.sizing import DEFAULTS, GB, STREAMS

TARGET: Final = Path(__file__).with_name("SIZING.md")
TERABYTE_IN_GB: Final = 1000

HEAD: Final = """<!-- Made by `python -m deploy.sizing_page` from deploy/sizing.py; do not edit. -->

# Sizing · 容量规划

Measured figures, and what [sizing.py](sizing.py) reckons from them. Your own: `tracefleet bench disk` and
`tracefleet bench ingest` on your machine; `tracefleet doctor` says how fast the database grows, and how long a disk
lasts.
实测数据，以及 [sizing.py](sizing.py) 由此推算的结果。您自己的数据：在您的机器上运行 `tracefleet bench disk`、
`tracefleet bench ingest`；`tracefleet doctor` 说明数据库的增长速度和磁盘可用天数。

## Bytes a record · 每条记录的字节数

| stream · 数据流 | a device-day · 每设备每天 | raw, with indexes · 原始（含索引） | compressed · 压缩后 | |
|---|---|---|---|---|
"""
BESIDES: Final = """
Besides, a device and day: {daily:,.0f} bytes of days, health and presence; on TimescaleDB {rollup:,.0f} of roll-ups,
{packed:,.0f} compressed.
A device in the ledger: {ledger:,.0f}, with its audit; a change of it: {audit:,.0f}. The log: {wal:.0f} a record.
另外，每设备每天：日统计、健康与在线 {daily:,.0f} 字节，TimescaleDB 汇总 {rollup:,.0f} 字节，压缩后 {packed:,.0f} 字节；
台账每台设备 {ledger:,.0f} 字节（含审计），每次变更 {audit:,.0f} 字节；日志每条记录 {wal:.0f} 字节。

## Rates · 速率

- {core:,.0f} messages/s a core through broker, ingest and PostgreSQL, one record a message, 100,000 devices
  · 代理、ingest、PostgreSQL 合计每核每秒 {core:,.0f} 条消息（每消息一条记录，十万设备）
- {flushed:,} messages/s into a single nats-server that flushes each to disk
  · 单节点 nats-server 逐条落盘每秒 {flushed:,} 条
- the busiest minute has {peak:.1f} times the mean · 最忙一分钟为平均的 {peak:.1f} 倍
- a day's backlog is to be stored in {hours} hours, beside the peak · 在高峰之外，{hours} 小时内补完一天的积压

## Fleets · 设备规模

With the default settings: compressed after {compress} days, kept for {keep}; disks with {room:.0%} of room. Backups are
extra: a copy of the database for each that is kept, and the log since the oldest.
按默认设置：{compress} 天后压缩，保留 {keep} 天；磁盘含 {room:.0%} 余量。
备份另计：每保留一份等于一份数据库，另加最早一份以来的日志。

| devices · 设备 | messages/s: mean, peak, needed · 每秒消息：平均、高峰、须达 | records a day · 每日记录 \
| a month raw · 每月原始 | compressed · 压缩后 | disk, plain · 磁盘（普通） | disk, TimescaleDB · 磁盘（TimescaleDB） \
| log a day · 每日日志 | cores · 核 | memory · 内存 |
|---|---|---|---|---|---|---|---|---|---|
""".replace("\\\n", "")
FIRST: Final = """
### What to add first · 先增加什么

| devices · 设备 | in this order | 依次 |
|---|---|---|
"""
BASIS: Final = """
## How it is reckoned · 计算依据

- The load is the simulator's city: wet markets, cold stores, supermarkets, a wholesale market; all devices well, each
  message as it comes; loggers send several records in one, so there are fewer messages than records. Real cities bring
  less: Jinan reported 280,000 records a day.
  负载为模拟城市（农贸市场、冷库、超市、批发市场），设备全部正常，逐条上报；
  冷链记录仪一条消息含多条记录，故消息少于记录。真实城市更少：济南日均 28 万条。
- Cores: the pipeline is half idle at its busiest; one for the API, dashboards and the system; one for each 50,000
  devices that are judged, compressed and backed up. Memory: the services, the indexes of two days, 10 KB a device; up
  to a power of two.
  核数：最忙时管道仍有一半余量；API、看板与系统一核；每五万设备的评判、压缩与备份一核。
  内存：各服务、两天的索引、每设备 10 KB，取整到 2 的幂。
- A city is 28 markets with 5,000 devices (Yinchuan: 4,534 instruments), a province 18 of them: sizes to plan with,
  defaults of ours.
  城市按 28 个市场 5,000 台（银川 4,534 台），省按 18 个城市计：规划用，默认值, 可配置。
- Roll-ups lie in chunks of ten days, compressed and dropped when all of a chunk is due: up to ten days after telemetry.
  汇总每十天一个分块，整块到期才压缩、删除：最多比遥测晚十天。
- Plain PostgreSQL keeps everything raw; beyond some 300 GB TimescaleDB comes first of all.
  普通 PostgreSQL 不压缩；超过约 300 GB 时首先换用 TimescaleDB。
"""


def render() -> str:
    """The whole page."""
    return HEAD + _records() + _besides() + _fleets() + FIRST + _firsts() + BASIS


def _records() -> str:
    rows = []
    for name, told in STREAMS.items():
        smaller = told.raw_bytes / told.compressed_bytes
        rows.append(
            f"| `{name}` | {told.records_a_device_day:,.0f} | {told.raw_bytes:.0f} | {told.compressed_bytes:.0f} "
            f"| ÷ {smaller:.1f} |\n"
        )
    return "".join(rows)


def _besides() -> str:
    return BESIDES.format(
        daily=sizing.DAILY_BYTES,
        rollup=sizing.ROLLUP_BYTES,
        packed=sizing.ROLLUP_COMPRESSED_BYTES,
        ledger=sizing.LEDGER_BYTES,
        audit=sizing.AUDIT_BYTES,
        wal=sizing.WAL_BYTES,
        core=sizing.PIPELINE_A_CORE,
        flushed=sizing.FLUSHED_A_SECOND,
        peak=sizing.PEAK_FACTOR,
        hours=sizing.CATCH_UP_HOURS,
        compress=DEFAULTS.compress_after_days,
        keep=DEFAULTS.retention_days,
        room=sizing.HEADROOM - 1,
    )


def _fleets() -> str:
    rows = []
    for en, zh, devices in sizing.FLEETS:
        told = sizing.need(devices)
        rates = ", ".join(map(two_digits, (told.messages_a_second, told.peak_a_second, told.needed_a_second)))
        sizes = (told.raw_a_month, told.compressed_a_month, told.kept_plain, told.kept_compressed, told.log_a_day)
        cells = " | ".join(map(bytes_text, sizes))
        records = two_digits(told.records_a_day / 1e6)
        rows.append(
            f"| {_name(en, zh, devices)} | {rates} | {records} M | {cells} | {told.cores} | {told.memory_gb} GB |\n"
        )
    return "".join(rows)


def _firsts() -> str:
    rows = []
    for en, zh, devices in sizing.FLEETS:
        ways = sizing.steps(sizing.need(devices))
        told = f"{'; '.join(step.en for step in ways)} | {'；'.join(step.zh for step in ways)}"
        rows.append(f"| {_name(en, zh, devices)} | {told} |\n")
    return "".join(rows)


def _name(en: str, zh: str, devices: int) -> str:
    return en if en == zh else f"{en} · {zh} ({devices:,})"


def bytes_text(value: float) -> str:
    """In GB or TB, to two digits."""
    gigabytes = value / GB
    if gigabytes >= TERABYTE_IN_GB:
        return f"{two_digits(gigabytes / TERABYTE_IN_GB)} TB"
    return f"{two_digits(gigabytes)} GB"


def two_digits(value: float) -> str:
    """The number to two digits that say something."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    digits = 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(0, digits)}f}"


def main() -> int:
    """Write the page, or with ``--check`` say whether it is current; the exit status."""
    page = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(page, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{TARGET.name} is not what the code says. Run `python -m deploy.sizing_page`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
