"""The city as sheets for the ledger: one CSV file a noun, in the order in which they can be imported."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from deploy.simulator.city import City, Device

Noun = Literal["regions", "sites", "merchants", "models", "devices"]
Rows = Iterable[tuple[str | None, ...]]

HEADERS: Final[Mapping[Noun, tuple[str, ...]]] = {
    "regions": ("region_code", "name_zh", "name_en", "parent_code", "valid_from", "valid_to"),
    "sites": ("site_no", "name_zh", "name_en", "kind", "region_code"),
    "merchants": ("merchant_code", "name"),
    "models": ("model_no", "kind", "vendor"),
    "devices": ("device_no", "model_no", "site_no", "stall_no", "merchant_code", "state"),
}


def sheets(city: City) -> dict[Noun, bytes]:
    """The CSV files (UTF-8, one header row) by noun, each after those it refers to."""
    spare = city.spare
    rows: dict[Noun, Rows] = {
        "regions": ((r.region_code, r.name_zh, r.name_en, r.parent_code, None, None) for r in city.regions),
        "sites": ((s.site_no, s.name_zh, s.name_en, s.kind, s.region_code) for s in city.sites),
        "merchants": ((m.merchant_code, m.name) for m in city.merchants),
        "models": ((m.model_no, m.kind, m.vendor) for m in city.models),
        "devices": (_device(d, "in_stock" if d is spare else "in_service") for d in (*city.devices, spare)),
    }
    return {noun: _sheet(HEADERS[noun], rows[noun]) for noun in HEADERS}


def _device(device: Device, state: str) -> tuple[str | None, ...]:
    merchant_code = device.merchant.merchant_code if device.merchant else None
    return device.device_no, device.model.model_no, device.site.site_no, device.stall_no, merchant_code, state


def write_sheets(city: City, folder: Path) -> list[Path]:
    """Write ``<noun>.csv`` into *folder*, made if need be, and return the files in the order of their import."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for noun, content in sheets(city).items():
        path = folder / f"{noun}.csv"
        path.write_bytes(content)
        written.append(path)
    return written


def _sheet(header: tuple[str, ...], rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
