"""How long it takes to import devices by the tens of thousands: a full sheet, audit and sealing included."""

import csv
import io
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.ledger.identities import luhn
from fleet.ledger.imports import import_sheet
from fleet.ledger.report import Noun

ACTOR: Final = Actor("benchmark", "command line")
SITES: Final = 800
MERCHANTS_OF_A_SITE: Final = 10
_BEGINNING: Final = date(2015, 1, 1)
_DEVICES: Final = (
    "device_no,model_no,site_no,stall_no,merchant_code,state,factory_no,mac,imei,iccid,firmware,asset_no,owner_type,"
    "fund_source,supplier,acquired_on,accepted_on,原值(元),折旧年限(年),address,lat,lon,custodian,custodian_phone,"
    "installed_on,accuracy_class,max_kg,min_g,interval_g,verification_no,verified_on,verified_until,"
    "verification_result,is_fair_scale"
)


def measure_import(url: str, rows: int) -> dict[str, object]:
    """Seconds to import so many new devices into the empty ledger at *url*, to import them again, and to change each.

    The seconds include reading the sheet, the triggers of the audit, sealing and the commit.
    """
    content = devices_sheet(rows)
    with TemporaryDirectory() as folder, psycopg.connect(url, autocommit=True) as connection:
        keys = Keys(Path(folder) / "key")
        for noun, text in surroundings().items():
            _import(connection, keys, noun, text.encode())
        created = _import(connection, keys, "devices", content)
        unchanged = _import(connection, keys, "devices", content)
        changed = _import(connection, keys, "devices", devices_sheet(rows, firmware="2.0.1"))
    return {
        "rows": rows,
        "columns": len(_DEVICES.split(",")),
        "sheet_bytes": len(content),
        "create_seconds": created,
        "repeat_seconds": unchanged,
        "change_seconds": changed,
    }


def _import(connection: psycopg.Connection[Any], keys: Keys, noun: Noun, content: bytes) -> float:
    start = time.perf_counter()
    with acting(connection, ACTOR, keys=keys, reason="benchmark"):
        report = import_sheet(connection, noun, content, apply=True, keys=keys)
    if report.errors:
        raise AssertionError(report.errors[0])
    return round(time.perf_counter() - start, 3)


def surroundings() -> dict[Noun, str]:
    """The sheets that the devices refer to, in their order."""
    sites = "".join(f"{_site(number)},市场{number},Market {number},wet_market,410100\n" for number in range(SITES))
    merchants = [f"{_site(site)}{place:04}" for site in range(SITES) for place in range(MERCHANTS_OF_A_SITE)]
    names = "".join(f"{code},商户{code[-6:]},1380000{int(code[-4:]):04}\n" for code in merchants)
    members = "".join(f"{code[:9]},{code},A{code[-4:]}\n" for code in merchants)
    return {
        "regions": "region_code,name_zh,name_en\n410100,郑州市,Zhengzhou\n",
        "sites": f"site_no,name_zh,name_en,kind,region_code\n{sites}",
        "merchants": f"merchant_code,name,phone\n{names}",
        "memberships": f"site_no,merchant_code,stall_no\n{members}",
        "models": "model_no,kind,vendor\nACS-15,trace_scale,V\n",
    }


def devices_sheet(rows: int, *, firmware: str = "2.0.0") -> bytes:
    """A sheet of so many trace scales with every kind of column filled."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_DEVICES.split(","))
    writer.writerows(_device(number, firmware) for number in range(rows))
    return text.getvalue().encode()


def _site(number: int) -> str:
    return f"410100{number:03}"


def _device(number: int, firmware: str) -> Iterator[object]:
    site = _site(number % SITES)
    place = number // SITES % MERCHANTS_OF_A_SITE
    acquired_on = _BEGINNING + timedelta(days=number % 1200)
    tac_and_serial = f"86{number:012}"
    cells: Sequence[object] = (
        f"TD-410100-SC-{number:06}-{luhn(f'410100{number:06}')}",
        "ACS-15",
        site,
        f"A{place:04}",
        f"{site}{place:04}",
        "in_service",
        f"F{number:08}",
        f"A4:CF:12:{number >> 16:02X}:{number >> 8 & 255:02X}:{number & 255:02X}",
        f"{tac_and_serial}{luhn(tac_and_serial)}",
        f"898600{number:014}",
        firmware,
        f"ZC{number:08}",
        "government",
        "central_subsidy",
        "某公司",
        acquired_on,
        acquired_on + timedelta(days=20),
        "1280.50",
        "6",
        f"郑州市人民路{number % 997}号",
        f"34.{number % 10_000:04}",
        f"113.{number % 10_000:04}",
        f"王{number % 89}",
        f"1380000{number % 10_000:04}",
        acquired_on + timedelta(days=30),
        "III",
        "15",
        "40",
        "5",
        f"JD{number:08}",
        "2026-03-01",
        "2027-02-28",
        "合格",
        "否",
    )
    return iter(cells)
