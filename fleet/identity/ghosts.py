"""Devices of the ledger that should speak and were never heard."""

from typing import Final

# A clock of the region, not of the server: ages are days as people there count them.
_TODAY: Final = "(now() AT TIME ZONE 'Asia/Shanghai')::date"
_SINCE: Final = """
coalesce(d.commissioned_on, d.installed_on, (d.state_since AT TIME ZONE 'Asia/Shanghai')::date)
"""
_GHOSTS: Final = """
FROM devices AS d
WHERE d.state = 'in_service' AND d.decommissioned_at IS NULL AND NOT EXISTS (
    SELECT FROM device_presence AS p WHERE p.device_id = d.device_id AND p.last_heard_at IS NOT NULL)
"""
COUNT_GHOSTS: Final = f"SELECT count(*) AS total {_GHOSTS}"
# That it is refused, at the broker or as a dead letter, is what a ghost most often turns out to be.
GHOSTS: Final = f"""
WITH page AS (
    SELECT d.device_id, d.device_no, d.model_id, d.site_id, d.stall_no, {_SINCE} AS since,
           CASE WHEN d.commissioned_on IS NOT NULL THEN 'commissioned_on'
                WHEN d.installed_on IS NOT NULL THEN 'installed_on' ELSE 'state_since' END AS since_basis
    {_GHOSTS} AND (%(after)s::text IS NULL OR d.device_no > %(after)s)
    ORDER BY d.device_no LIMIT %(rows)s
)
SELECT p.device_no, m.kind, m.model_no, s.site_no, s.name_zh AS site_name_zh, s.name_en AS site_name_en, p.stall_no,
       p.since, p.since_basis, greatest({_TODAY} - p.since, 0) AS days,
       EXISTS (SELECT FROM dead_letters AS d WHERE d.device_no = p.device_no) AS has_dead_letters,
       (SELECT r.reason FROM refused_accesses AS r WHERE r.device_id = p.device_id OR r.username = p.device_no
        ORDER BY r.last_at DESC LIMIT 1) AS refused_because
FROM page AS p JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
ORDER BY p.device_no
"""  # noqa: S608 - constants in a constant
