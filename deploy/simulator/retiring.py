"""How far the simulated city is with what it retires: a campaign, and cases that stand at different steps. Invented.

The desk takes each step as life would, one person after another, and says that its papers are simulated. The first
device is already out of the ledger while somebody still has it plugged in: what it says is refused, and told.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from deploy.simulator.city import City, Device
from deploy.simulator.particulars import papers_of
from fleet.acting import Actor, acting
from fleet.business_day import today
from fleet.keys import Keys
from fleet.programmes import programme
from fleet.programmes.programme import Programme
from fleet.retirement.cases import act
from fleet.retirement.opening import open_case
from fleet.retirement.order import Order, Paper
from fleet.retirement.states import PaperKind, Path, StepName, path_of

PROGRAMME_NO: Final = "KIOSKS-SIMULATED"
BASIS: Final = "豫商办文〔2018〕81号"
DAYS: Final = 90
# Of more, a small city would have nothing left that works.
CASES_MAX: Final = 12
_OPENER, _EXPERT, _AUTHORITY = (Actor(name, "simulator") for name in ("李（仿真）", "王（仿真）", "赵（仿真）"))

_Told = tuple[StepName, Actor, dict[str, Any]]


def _paper(kind: PaperKind, name: str) -> Paper:
    return Paper(kind, f"{name}（仿真）.pdf", hashlib.sha256(name.encode()).hexdigest())


_WAYS: Final[dict[Path, tuple[_Told, ...]]] = {
    "state": (
        ("propose", _OPENER, {"reason": "长期不用", "replacement": "qr_lookup"}),
        ("appraise", _EXPERT, {"appraisal": "no_use_left", "papers": (_paper("appraisal", "技术鉴定书"),)}),
        (
            "approve",
            _AUTHORITY,
            {
                "document": "批复〔仿真〕1号",
                "papers": (_paper("value_evidence", "资产卡片"), _paper("approval", "处置批复")),
            },
        ),
        ("execute", _OPENER, {}),
    ),
    "owner": (
        ("propose", _OPENER, {"reason": "长期不用"}),
        ("approve", _AUTHORITY, {"document": "同意书〔仿真〕1号", "papers": (_paper("consent", "所有者同意书"),)}),
        ("execute", _OPENER, {}),
    ),
}


def begin(connection: Connection[Any], city: City, *, keys: Keys) -> str:
    """Make the campaign against the city's kiosks and the cases of what nobody uses; what was done, for the operator.

    A city without a kiosk has none. Raises what opening a case and taking its steps raise.
    """
    now = datetime.now(UTC)
    unused = list(_unused(city))
    if any(device.role == "kiosk" for device in unused):
        with acting(connection, _OPENER, keys=keys, reason=BASIS):
            programme.create(connection, _campaign(city, now))
    for number, device in enumerate(unused):
        _carry(connection, device, _steps_of(device, number), now, keys)
    return f"{len(unused)} {'case' if len(unused) == 1 else 'cases'} of retirement"


def _unused(city: City) -> Iterator[Device]:
    """Kiosks first, and then what is asleep."""
    kiosks = [device for device in city.devices if device.role == "kiosk"]
    asleep = [device for device in city.devices if device.is_asleep and device.role != "kiosk"]
    yield from (kiosks + asleep)[:CASES_MAX]


def _campaign(city: City, now: datetime) -> Programme:
    begins_on = today(now)
    return Programme(
        programme_no=PROGRAMME_NO,
        name_zh="查询机淘汰（仿真）",
        name_en="All kiosks retired (simulated)",
        region_code=city.sites[0].region_code[:4],
        kinds=("kiosk",),
        begins_on=begins_on,
        due_on=begins_on + timedelta(days=DAYS),
        basis=BASIS,
    )


def _steps_of(device: Device, number: int) -> tuple[_Told, ...]:
    """The first goes the whole way; of the others one is proposed, the next appraised, and so on; some only opened."""
    way = _WAYS[path_of(papers_of(device).owner_type) or "state"]
    return way if number == 0 else way[: number % len(way)]


def _carry(connection: Connection[Any], device: Device, steps: tuple[_Told, ...], now: datetime, keys: Keys) -> None:
    programme_no = PROGRAMME_NO if device.role == "kiosk" else None
    with acting(connection, _OPENER, keys=keys, reason=BASIS):
        case = open_case(connection, device.device_no, now=now, reason=BASIS, programme_no=programme_no, by_hand=True)
    for step, who, told in steps:
        with acting(connection, who, keys=keys, reason=BASIS):
            act(connection, step, Order(case_no=case.case_no, **told), now=now)
