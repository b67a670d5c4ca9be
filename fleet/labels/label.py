"""What stands on a label. Nothing personal: no custodian, no merchant, no telephone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import segno
from psycopg import Connection
from psycopg.rows import class_row

# Withstands a scratch over an eighth of it.
ERROR_CORRECTION: Final = "m"
# What the standard asks for around it (ISO/IEC 18004), in modules.
QUIET_MODULES: Final = 4
PAGE_PATH: Final = "/d/"

# Every character of a number stands on its label, in lines of so many: people type it when a code cannot be read.
NUMBER_COLUMNS: Final = 24

# NULL chooses all. What is retired needs no label, unless it is asked for.
LABELS: Final = """
SELECT d.device_no, k.name_zh AS kind_zh, k.name_en AS kind_en, s.name_zh AS site_zh, s.name_en AS site_en,
       coalesce(d.stall_no, '') AS stall_no
FROM devices AS d JOIN models AS m USING (model_id) JOIN kinds AS k ON k.kind = m.kind JOIN sites AS s USING (site_id)
WHERE (%(retired)s::bool OR NOT is_retired(d.state, d.decommissioned_at))
  AND (%(device_nos)s::text[] IS NULL OR d.device_no = ANY(%(device_nos)s::text[]))
ORDER BY s.site_no, d.stall_no NULLS FIRST, d.device_no LIMIT %(rows)s
"""


@dataclass(frozen=True, slots=True)
class Label:
    """One device."""

    device_no: str
    kind_zh: str
    kind_en: str
    site_zh: str
    site_en: str
    stall_no: str

    def link(self, public_url: str) -> str:
        """Where its code leads."""
        return f"{public_url.rstrip('/')}{PAGE_PATH}{quote(self.device_no, safe='')}"

    @property
    def number_lines(self) -> tuple[str, ...]:
        """The whole number, in as many lines as it takes."""
        starts = range(0, len(self.device_no), NUMBER_COLUMNS)
        return tuple(self.device_no[start : start + NUMBER_COLUMNS] for start in starts)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is written beside the code: the number first, then stall, kind and site."""
        stall = (f"摊位 {self.stall_no}",) if self.stall_no else ()
        return (*self.number_lines, *stall, f"{self.kind_zh} {self.kind_en}", self.site_zh, self.site_en)


# A run of dark modules: row, first column, how many.
Run = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code as runs of dark modules within a square of *side* modules, the quiet zone not counted."""

    side: int
    runs: tuple[Run, ...]


def code_of(link: str) -> Code:
    """The code that leads to *link*. Pure."""
    matrix = segno.make(link, error=ERROR_CORRECTION, micro=False).matrix
    runs = [run for row, modules in enumerate(matrix) for run in _runs(row, modules)]
    return Code(len(matrix), tuple(runs))


def _runs(row: int, modules: Sequence[int]) -> list[Run]:
    runs: list[Run] = []
    for column, dark in enumerate(modules):
        if not dark:
            continue
        if runs and sum(runs[-1][1:]) == column:
            runs[-1] = (row, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((row, column, 1))
    return runs


def read_labels(
    connection: Connection[Any], device_nos: Sequence[str] | None, *, limit: int, retired: bool = False
) -> list[Label]:
    """The labels of these devices, or of all, site by site and stall by stall, as they are put up; *limit* at most."""
    wanted = {"device_nos": None if device_nos is None else list(device_nos), "rows": limit, "retired": retired}
    with connection.cursor(row_factory=class_row(Label)) as cursor:
        return cursor.execute(LABELS, wanted).fetchall()


def cut(line: str, most_em: float) -> str:
    """*line*, with an ellipsis where it would be wider than *most_em*."""
    if width_em(line) <= most_em:
        return line
    kept = line
    while kept and width_em(kept) + 1 > most_em:
        kept = kept[:-1]
    return f"{kept}…"


def width_em(line: str) -> float:
    """How wide *line* is at most, bold, in sizes of its font: nobody knows which one a screen or a printer has."""
    return sum(map(_width_em, line))


def _width_em(character: str) -> float:
    if ord(character) >= 0x2E80 or character in "MWmw@%—…":  # noqa: PLR2004 - CJK begins there
        return 1.0
    return 0.8 if character.isupper() else 0.65
