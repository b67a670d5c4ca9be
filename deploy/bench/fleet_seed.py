"""What a fleet was like for two months, to judge it on: days of every device and site, line and last status of each.

Most devices are well. Each trouble has some: numbers are reckoned from the device's own, so that any two runs, and any
two judges, see the same fleet.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from deploy.bench import ledger_seed
from fleet.acting import acting
from fleet.business_day import today
from fleet.keys import Keys

DAYS: Final = 60

# All of the ledger's devices stand somewhere, and every model has a least firmware that some have not got.
PLACED: Final = (
    "UPDATE devices SET state = 'in_service' WHERE state = 'in_stock'",
    """
UPDATE models SET min_firmware = '2.1.0', service_life_months = 72, transport_security = 'tls'
""",
)
# Checked once over all rows afterwards: a check of each row would take longer than the rows.
UNCHECKED: Final = "ALTER TABLE device_days DROP CONSTRAINT IF EXISTS device_days_device_id_fkey"
CHECKED: Final = """
ALTER TABLE device_days ADD CONSTRAINT device_days_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices
    ON DELETE CASCADE
"""
SITES: Final = """
INSERT INTO site_days (site_id, day, open, excused)
SELECT site_id, %(today)s::date - n, repeat('1', 288)::bit(288), repeat('0', 288)::bit(288)
FROM sites, generate_series(0, %(days)s::int) AS n
"""
# One day at a time, as they came. One device in 25 is dormant, in 50 mostly away, in 40 full of errors, in 30 losing
# records; one logger in 20 stuck at a value; batteries sink, some of them fast.
A_DAY: Final = """
INSERT INTO device_days (device_id, day, site_id, expected_slots, online_slots, heard_slots, records, late,
                         dead_lettered, conflicts, missing, restarts, trades, unprinted, scans, lookups, statuses,
                         error_codes, firmware, battery_pct, rssi_dbm, clock_offset_ms, backlog, storage_free_pct,
                         readings, sensor_faults, temperature_c_min, temperature_c_max, temperature_jumps,
                         door_samples, door_open_samples)
SELECT d.device_id, %(day)s::date, d.site_id, 288, online, online,
       400 + d.device_id %% 50, d.device_id %% 60, CASE WHEN d.device_id %% 40 = 5 THEN 60 ELSE 0 END, 0,
       CASE WHEN d.device_id %% 30 = 7 THEN 25 ELSE 0 END, CASE WHEN d.device_id %% 70 = 9 THEN 6 ELSE 0 END,
       CASE WHEN m.kind = 'trace_scale' AND d.device_id %% 25 <> 3 THEN 40 ELSE 0 END,
       CASE WHEN m.kind = 'trace_scale' AND d.device_id %% 80 = 11 THEN 20 ELSE 0 END,
       CASE WHEN m.kind IN ('kiosk', 'handheld') AND d.device_id %% 25 <> 3 THEN 30 ELSE 0 END,
       CASE WHEN m.kind = 'kiosk' AND d.device_id %% 25 <> 3 THEN 30 ELSE 0 END, 288,
       CASE WHEN m.kind = 'trace_scale' AND d.device_id %% 90 = 13 THEN '{paper_out}'::text[] ELSE '{}' END,
       '2.' || d.device_id %% 12 || '.1',
       CASE WHEN m.kind IN ('logger', 'door_sensor', 'handheld')
            THEN greatest(60 + %(back)s::int * CASE WHEN d.device_id %% 20 = 1 THEN 1.0 ELSE 0.05 END, 0) END,
       -60 - d.device_id %% 40, d.device_id %% 900, 0, 40 + d.device_id %% 50,
       CASE WHEN m.kind = 'logger' THEN 144 ELSE 0 END, 0, CASE WHEN m.kind = 'logger' THEN 2.0 END,
       CASE WHEN m.kind = 'logger' THEN CASE WHEN d.device_id %% 20 = 9 THEN 2.0 ELSE 5.5 END END, 0,
       CASE WHEN m.kind = 'door_sensor' THEN 144 ELSE 0 END, CASE WHEN m.kind = 'door_sensor' THEN 9 ELSE 0 END
FROM devices AS d JOIN models AS m USING (model_id),
     LATERAL (SELECT CASE WHEN d.device_id %% 50 = 2 THEN 90 ELSE 280 + d.device_id %% 9 END AS online) AS heard
ORDER BY d.device_id
"""
ROLLED: Final = """
INSERT INTO rolled_days (day, rolled_at, devices, seconds)
SELECT %(today)s::date - n, %(now)s::timestamptz, %(devices)s::int, 1 FROM generate_series(0, %(days)s::int) AS n
"""
LINES: Final = "UPDATE device_presence SET clock_offset_ms = device_id %% 900, last_heard_at = %(now)s::timestamptz"
STATUSES: Final = """
INSERT INTO latest (device_id, stream, probe, at, seq, received_at, record)
SELECT d.device_id, 'status', '', %(now)s::timestamptz, 1, %(now)s::timestamptz,
       jsonb_build_object('uptime_s', 86400, 'firmware', '2.' || d.device_id %% 12 || '.1',
                          'rssi_dbm', -60 - d.device_id %% 40, 'storage_free_pct', 40 + d.device_id %% 50,
                          'backlog', 0, 'errors', '[]'::jsonb)
       || CASE WHEN m.kind IN ('logger', 'door_sensor', 'handheld') THEN '{"battery_pct": 60}'::jsonb ELSE '{}' END
FROM devices AS d JOIN models AS m USING (model_id) WHERE d.device_id %% 20 <> 7
"""


def seed(connection: Connection[Any], devices: int, keys: Keys, *, now: datetime) -> None:
    """Fill the migrated, empty database with *devices*, each in a place, and with what they did until *now*."""
    ledger_seed.seed(connection, devices, keys)
    with acting(connection, ledger_seed.ACTOR, keys=keys, reason="benchmark"):
        for statement in PLACED:
            connection.execute(statement.encode())
    last = today(now)
    given = {"now": now, "today": last, "days": DAYS, "devices": devices}
    with connection.transaction():
        connection.execute(UNCHECKED)
        for back in range(DAYS, -1, -1):
            connection.execute(A_DAY.encode(), {"day": last - timedelta(days=back), "back": back})
        connection.execute(CHECKED)
        for statement in (SITES, ROLLED, LINES, STATUSES):
            connection.execute(statement.encode(), given)
    connection.execute("VACUUM ANALYZE")
