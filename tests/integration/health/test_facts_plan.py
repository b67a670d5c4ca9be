"""How the server reads the facts: what days came to, by an index, and no telemetry."""

from typing import Any

import psycopg

from fleet.health.facts import FACTS, parameters
from store.records import TELEMETRY
from tests.integration.health.conftest import NOW

DAYS = """
INSERT INTO device_days (device_id, day, site_id, expected_slots, online_slots, records, firmware)
SELECT d.device_id, %(today)s::date - n, d.site_id, 288, 288, 300, '2.4.0'
FROM generate_series(500, 0, -1) AS n, devices AS d
"""
SITE = "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES ('S', '市', 'S', 'ecommerce', '410105')"
MODEL = "INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'kiosk', 'v')"
DEVICES = """
INSERT INTO devices (device_no, model_id, site_id) SELECT 'D-' || n, m.model_id, s.site_id
FROM generate_series(1, 200) AS n, models AS m, sites AS s
"""


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A node and all below it."""
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


def test_facts_are_read_by_the_day(connection: psycopg.Connection[Any]) -> None:
    """Of 500 days those of the window, through an index; raw telemetry, slots and roll-ups not at all."""
    for statement in (SITE, MODEL, DEVICES):
        connection.execute(statement.encode())
    connection.execute(DAYS, {"today": parameters(NOW)["today"]})
    connection.execute("ANALYZE")
    row = connection.execute("EXPLAIN (FORMAT JSON) " + FACTS, parameters(NOW)).fetchone()
    assert row is not None
    read = [node for node in nodes(row[0][0]["Plan"]) if "Relation Name" in node]
    tables = {node["Relation Name"] for node in read}
    assert "device_days" in tables
    assert not {table for table in tables for stream in TELEMETRY if table.startswith(stream)}
    assert not tables & {"dead_letters", "conflicts", "presence_slots", "boots"}
    assert not [node for node in read if node["Relation Name"] == "device_days" and node["Node Type"] == "Seq Scan"]
