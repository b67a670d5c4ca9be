"""Which temperatures the city's probes have to keep: the frozen ones theirs, and trucks are known to be trucks."""

from typing import Any, Final

from psycopg import Connection

from deploy.simulator.city import MODEL_OF_ROLE, City
from deploy.simulator.coldchain import is_frozen

# What a vehicle carries unless its device says otherwise.
VEHICLES: Final = """
INSERT INTO coldchain_bands (kind, model_id, goods_zh, goods_en, place, low_c, high_c, basis)
SELECT m.kind, m.model_id, '冷藏食品', 'chilled food', 'vehicle', 0, 8, 'simulated city 仿真'
FROM models AS m WHERE m.model_no = %(model_no)s
ON CONFLICT DO NOTHING
"""
FROZEN: Final = """
INSERT INTO coldchain_bands (kind, model_id, device_id, goods_zh, goods_en, place, low_c, high_c, basis)
SELECT m.kind, m.model_id, d.device_id, '冷冻肉', 'frozen meat',
       CASE WHEN m.model_no = %(model_no)s THEN 'vehicle' ELSE 'store' END, -30, -15, 'simulated city 仿真'
FROM devices AS d JOIN models AS m USING (model_id) WHERE d.device_no = ANY (%(frozen)s::text[])
ON CONFLICT DO NOTHING
"""


def set_for(connection: Connection[Any], city: City) -> None:
    """Write the bands of the city's devices, which are in the ledger; those that are set stay as they are."""
    of_trucks = {"model_no": MODEL_OF_ROLE["truck_logger"]}
    connection.execute(VEHICLES, of_trucks)
    frozen = [device.device_no for device in city.devices if is_frozen(device)]
    connection.execute(FROZEN, of_trucks | {"frozen": frozen})
