"""The city as sheets for the ledger: one CSV file a noun, in the order in which they can be imported."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from deploy.simulator import particulars
from deploy.simulator.city import City, Device
from fleet.ledger.report import Noun

Rows = Iterable[tuple[object, ...]]

HEADERS: Final[Mapping[Noun, tuple[str, ...]]] = {
    "regions": ("region_code", "name_zh", "name_en", "parent_code", "valid_from", "valid_to"),
    "sites": ("site_no", "name_zh", "name_en", "kind", "region_code", "opening_hours"),
    "merchants": ("merchant_code", "name", "phone"),
    "memberships": ("site_no", "merchant_code", "stall_no"),
    "parties": ("party_no", "name", "kind", "site_no"),
    "models": ("model_no", "kind", "vendor", "service_life_months", "min_firmware", "transport_security"),
    "devices": (
        "device_no",
        "model_no",
        "site_no",
        "stall_no",
        "merchant_code",
        "state",
        "factory_no",
        "firmware",
        "owner_type",
        "fund_source",
        "supplier",
        "original_value_yuan",
        "acquired_on",
        "accepted_on",
        "installed_on",
        "commissioned_on",
        "storage_place",
        "accuracy_class",
        "max_g",
        "min_g",
        "interval_g",
        "verification_no",
        "verified_on",
        "verified_until",
        "verification_result",
    ),
    "responsibilities": ("device_no", "duty", "party_no"),
}


def sheets(city: City) -> dict[Noun, bytes]:
    """The CSV files (UTF-8, one header row) by noun, each after those it refers to."""
    hours = particulars.OPENING_HOURS
    spare = city.spare
    rows: dict[Noun, Rows] = {
        "regions": ((r.region_code, r.name_zh, r.name_en, r.parent_code, None, None) for r in city.regions),
        "sites": ((s.site_no, s.name_zh, s.name_en, s.kind, s.region_code, hours[s.kind]) for s in city.sites),
        "merchants": ((m.merchant_code, m.name, particulars.phone_of(m)) for m in city.merchants),
        "memberships": particulars.memberships(city),
        "parties": ((p.party_no, p.name, p.kind, p.site_no) for p in particulars.parties(city)),
        "models": ((m.model_no, m.kind, m.vendor, m.life_months, m.firmware, m.security) for m in city.models),
        "devices": (_device(device, is_spare=device is spare) for device in (*city.devices, spare)),
        "responsibilities": particulars.responsibilities(city),
    }
    return {noun: _sheet(HEADERS[noun], rows[noun]) for noun in HEADERS}


def _device(device: Device, *, is_spare: bool) -> tuple[object, ...]:
    """The spare stands on a shelf: bought and accepted, and never installed."""
    papers = particulars.papers_of(device)
    installed_on = None if is_spare else papers.installed_on
    metrology = particulars.metrology_of(device)
    return (
        device.device_no,
        device.model.model_no,
        device.site.site_no,
        device.stall_no,
        device.merchant.merchant_code if device.merchant else None,
        "in_stock" if is_spare else "in_service",
        f"{device.model.model_no}-{papers.acquired_on:%y%m}-{device.device_no[3:9]}{device.device_no[-8:-2]}",
        device.model.firmware,
        papers.owner_type,
        papers.fund_source,
        particulars.SUPPLIER,
        papers.original_value_yuan,
        papers.acquired_on,
        papers.accepted_on,
        installed_on,
        installed_on,
        "备件柜" if is_spare else None,
        *(
            (
                metrology.accuracy_class,
                metrology.max_g,
                metrology.min_g,
                metrology.interval_g,
                metrology.verification_no,
                metrology.verified_on,
                metrology.verified_until,
                metrology.verification_result,
            )
            if metrology is not None
            else (None,) * 8
        ),
    )


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
