"""What the SQL of panels writes short: ``@name`` here, beside Grafana's own ``$__name``, which Grafana fills in.

A query is a constant with these names in it: no panel builds SQL of pieces, and what a variable means is said once.
"""

import re
from typing import Final

from grafana.words import Say

# Whoever chooses a prefecture means the counties below it, too.
_REGION: Final = "(region_code IN (${region:sqlstring}) OR left(region_code, 4) || '00' IN (${region:sqlstring}))"
_SITES: Final = f"{_REGION} AND site_no IN (${{site:sqlstring}})"
_KINDS: Final = f"{_SITES} AND kind IN (${{kind:sqlstring}})"
_SPAN: Final = "$__timeTo()::timestamptz - $__timeFrom()::timestamptz"
MACROS: Final = {
    # Conditions on the columns region_code, site_no, kind, device_no, as far as the variables go.
    "region": _REGION,
    "sites": _SITES,
    "kinds": _KINDS,
    "devices": f"{_KINDS} AND device_no IN (${{device:sqlstring}})",
    "programmes": "programme_no IN (${programme:sqlstring})",
    # How long the range is. Both sides are constants to the server: it plans the branch that is not wanted away, so a
    # range above a day leaves telemetry alone.
    "up_to_a_day": f"{_SPAN} <= INTERVAL '1 day'",
    "beyond_a_day": f"{_SPAN} > INTERVAL '1 day'",
    # The days (of Asia/Shanghai) that the range touches, for an index on `day`.
    "days": (
        "day BETWEEN ($__timeFrom()::timestamptz AT TIME ZONE 'Asia/Shanghai')::date"
        " AND ($__timeTo()::timestamptz AT TIME ZONE 'Asia/Shanghai')::date"
    ),
    "today": "(now() AT TIME ZONE 'Asia/Shanghai')::date",
}
_NAME: Final = re.compile(r"@(\w+)")


def expanded(sql: str, say: Say) -> str:
    """*sql* with each ``@name`` as it stands here, and ``_@lang`` as the ending of the columns in the language."""
    return _NAME.sub(lambda found: MACROS[found[1]], sql.replace("_@lang", say("_en", "_zh")))
