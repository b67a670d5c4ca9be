"""The sheets of what is set from outside: how codes are written, and what may no longer be added."""

import re
from typing import Final

from fleet.ledger import cells
from fleet.ledger.cells import CellError
from fleet.ledger.columns import Column, Ledger, word
from fleet.ledger.quantities import whole
from fleet.ledger.words import CODE_SUBJECTS, DEVICE_KINDS, GATE_POLICIES

# Only what cannot take long: classes and letters with bounds, and alternatives of these. No group repeats another.
_ATOM: Final = r"(?:\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.-])+\]|[A-Za-z0-9_-]|\\\.)(?:\{\d{1,3}(?:,\d{1,3})?\}|\?)?"
_PATTERN = re.compile(rf"(?:{_ATOM})+(?:\|(?:{_ATOM})+)*")
_SEGMENT = re.compile(r"([^\s;]+)\s*:?\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?")

# The table keeps JSON; people see and write text.
_SHOWN: Final = """(
    SELECT string_agg(concat(part ->> 'name', ' ', part ->> 'from', '-',
                             (part ->> 'from')::int + (part ->> 'length')::int - 1), '; ' ORDER BY place)
    FROM jsonb_array_elements({}) WITH ORDINALITY AS parts (part, place))"""
_KEPT: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'from', first, 'length', last - first + 1)), '[]')
    FROM regexp_split_to_table({}, '; ') AS part
    CROSS JOIN LATERAL (
        SELECT split_part(part, ' ', 1) AS name, split_part(split_part(part, ' ', 2), '-', 1)::int AS first,
               split_part(part, '-', -1)::int AS last) AS parts)"""


def pattern(cell: str) -> str:
    """A pattern of codes. A point means a point, in no other way than in a class."""
    written = cells.long_text(cell)
    if _PATTERN.fullmatch(written) is None:
        raise CellError("is not a pattern that is taken here", "write classes and lengths, as [0-9]{9} or SC[0-9]{14}")
    try:
        re.compile(written)
    except (re.error, OverflowError):
        raise CellError("is not a pattern", "write classes and lengths, as [0-9]{9} or SC[0-9]{14}") from None
    return written


def segments(cell: str) -> str:
    """What the characters mean: `region 1-6; serial 7-9`."""
    found = []
    for part in cells.long_text(cell).replace("；", ";").split(";"):
        match = _SEGMENT.fullmatch(part.strip())
        first, last = (int(match[2]), int(match[3] or match[2])) if match is not None else (0, 0)
        if match is None or not 1 <= first <= last:
            raise CellError("is not understood as segments", "write names and places: region 1-6; serial 7-9")
        found.append(f"{match[1]} {first}-{last}")
    return "; ".join(found)


CODE_PROFILES: Final = Ledger(
    "code_profiles",
    "code_profiles",
    (
        Column(
            "region_code",
            ("行政区划代码", "区划代码"),
            cells.code(r"[0-9]{2}|[0-9]{4}|[0-9]{6}", "2, 4 or 6 digits of GB/T 2260: the region and all below it"),
            needed=True,
        ),
        word("subject", ("编码对象", "对象"), CODE_SUBJECTS, needed=True),
        Column("version", ("版本",), whole(1, 10_000), default=1, sql_type="integer"),
        Column("pattern", ("编码格式", "格式"), pattern, needed=True),
        Column("segments", ("分段说明", "分段"), segments, shown=_SHOWN, kept=_KEPT),
        Column("verified", ("已核实", "是否核实"), cells.yes_no, default=False, sql_type="boolean"),
        Column("source", ("来源", "依据"), cells.long_text, needed=True),
        Column("valid_from", ("启用日期",), cells.day, needed=True, sql_type="date"),
        Column("valid_to", ("废止日期",), cells.day, sql_type="date"),
    ),
    key=("region_code", "subject", "version"),
)
REGISTRATION_GATES: Final = Ledger(
    "registration_gates",
    "registration_gates",
    (
        Column("kind", ("设备类型", "类型"), cells.text, needed=True, refers_to="kinds", words=DEVICE_KINDS),
        Column("acquired_after", ("截止取得日期", "截止日期"), cells.day, needed=True, sql_type="date"),
        word("policy", ("策略", "准入策略"), GATE_POLICIES, default="require_exemption"),
        Column("basis", ("依据", "文件依据"), cells.long_text, needed=True),
        Column("instead_zh", ("可替代方式", "替代方式"), cells.long_text),
        Column("instead_en", ("可替代方式（英文）",), cells.long_text),
    ),
    key=("kind",),
)
