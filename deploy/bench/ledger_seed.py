"""A ledger of many devices to measure on: sites, merchants, parties, models, holds, and lines of most devices."""

from typing import Any, Final

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.keys import Keys

ACTOR: Final = Actor("benchmark", "tracefleet bench ledger")

# Sizes are those of a province's city: 200 devices a site, five a merchant, a few dozen models.
SEED: Final = (
    """
INSERT INTO regions (region_code, name_zh, name_en)
SELECT (410101 + n)::text, '区' || n, 'District ' || n FROM generate_series(0, 39) AS n
""",
    """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)
SELECT (410100000 + n)::text, '市场' || n, 'Market ' || n,
       (ARRAY['wet_market', 'supermarket', 'cold_store', 'wholesale_market'])[1 + n %% 4], (410101 + n %% 40)::text
FROM generate_series(0, greatest(%(devices)s::int / 200, 1) - 1) AS n
""",
    """
INSERT INTO merchants (merchant_code, name)
SELECT '41010' || lpad(n::text, 8, '0'), '商户' || n FROM generate_series(0, greatest(%(devices)s::int / 5, 1) - 1) AS n
""",
    """
INSERT INTO parties (party_no, name, kind) SELECT 'OP-' || n, '运维' || n, 'operator' FROM generate_series(0, 199) AS n
""",
    """
INSERT INTO models (model_no, kind, vendor)
SELECT 'M-' || n, (ARRAY['trace_scale', 'kiosk', 'handheld', 'logger', 'door_sensor', 'gateway'])[1 + n %% 6], 'bench'
FROM generate_series(0, 23) AS n
""",
    # Numbers are not in the order of the rows: an index scan jumps about, as in a ledger that grew.
    """
INSERT INTO devices (device_no, model_id, site_id, merchant_id, stall_no, state, owner_type, acquired_on, custodian,
                     address, factory_no, original_value_fen, depreciation_months, verified_until, verification_result)
SELECT 'TD-' || (410101 + n %% 40) || '-' || lpad((n * 7919 %% 1000003)::text, 7, '0'), m.first + n %% 24,
       s.first + n %% s.many, c.first + n %% c.many, 'A' || n %% 50,
       CASE WHEN n %% 100 < 80 THEN 'in_service'
            ELSE (ARRAY['suspended', 'faulty', 'repairing', 'idle', 'in_stock'])[1 + n %% 5] END,
       (ARRAY['government', 'operator', 'site', 'merchant'])[1 + n %% 4], DATE '2015-01-01' + n %% 4000,
       '保管人' || n %% 100, '郑州市人民路' || n %% 997 || '号', 'F' || n, 500000, 60,
       CASE WHEN n %% 6 = 0 THEN current_date + 365 - n %% 500 END, CASE WHEN n %% 6 = 0 THEN 'passed' END
FROM generate_series(0, %(devices)s::int - 1) AS n,
     (SELECT min(model_id) AS first FROM models) AS m,
     (SELECT min(site_id) AS first, count(*)::int AS many FROM sites) AS s,
     (SELECT min(merchant_id) AS first, count(*)::int AS many FROM merchants) AS c
""",
    """
INSERT INTO device_responsibilities (device_id, duty, party_id)
SELECT d.device_id, 'operation', y.first + d.device_id %% 200
FROM devices AS d, (SELECT min(party_id) AS first FROM parties) AS y
""",
    """
INSERT INTO device_holds (device_id, kind, reason) SELECT device_id, 'evidence', 'bench' FROM devices
WHERE device_id %% 100 = 0
""",
    # One in twenty was never heard, one in ten said goodbye.
    """
INSERT INTO device_presence (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at)
SELECT device_id, device_id, now(), CASE WHEN device_id %% 10 = 3 THEN 'offline' ELSE 'online' END, now(), now(),
       now() - make_interval(secs => device_id %% 5000)
FROM devices WHERE device_id %% 20 <> 7
""",
)


def seed(connection: Connection[Any], devices: int, keys: Keys) -> None:
    """Fill the migrated, empty ledger with *devices*, audited and sealed as any change of it."""
    with acting(connection, ACTOR, keys=keys, reason="benchmark"):
        for statement in SEED:
            connection.execute(statement.encode(), {"devices": devices})
    connection.execute("VACUUM ANALYZE")
