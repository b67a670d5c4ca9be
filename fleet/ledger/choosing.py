"""Which devices are meant, by what people choose them with on the command line."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg import Connection

CHOSEN_DEVICES: Final = """
SELECT d.device_no
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id)
WHERE (%(site_no)s::text IS NULL OR s.site_no = %(site_no)s)
  AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
  AND (%(state)s::text IS NULL OR d.state = %(state)s)
  AND (%(region_code)s::text IS NULL OR starts_with(s.region_code, %(region_code)s))
  AND (%(q)s::text IS NULL OR starts_with(d.device_no, %(q)s))
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """At a site, of a kind, in a state, in a region or below it, with a number that begins like *q*."""

    site_no: str | None = None
    kind: str | None = None
    state: str | None = None
    region_code: str | None = None
    q: str | None = None


def choose(connection: Connection[Any], chosen: Chosen) -> list[str] | None:
    """Their numbers; None when nothing in particular is asked for, which means all."""
    if chosen == Chosen():
        return None
    return [device_no for (device_no,) in connection.execute(CHOSEN_DEVICES, asdict(chosen)).fetchall()]
