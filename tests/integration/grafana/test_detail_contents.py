"""What the detailed dashboards count, on a market and a cold store so small that they can be counted by hand."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from fleet.business_day import begin_of, day_of
from fleet.days.rolling import roll
from tests.conftest import fresh_database
from tests.integration.grafana.filling import Choice, Range, filled_in
from tests.unit.grafana.files import DASHBOARDS, Query, sql_of_panels

Connection = psycopg.Connection[Any]

NOW: Final = datetime.now().astimezone()
# Yesterday, in Asia/Shanghai: whole, whatever the hour at which the suite runs.
DAY: Final = day_of(NOW) - timedelta(days=1)
BEGINS: Final = begin_of(DAY)
OVER: Final = Range(BEGINS, BEGINS + timedelta(hours=23))
QUERIES: Final[dict[str, Query]] = {
    f"{name.removesuffix('.en')}: {query.where}": query
    for name, dashboard in DASHBOARDS.items()
    if name.endswith(".en")
    for query in sql_of_panels(dashboard)
}
SEED: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES
    ('M1', '东门市场', 'East market', 'wet_market', '410105'), ('C1', '一号冷库', 'Store one', 'cold_store', '410200');
INSERT INTO models (model_no, kind, vendor) VALUES ('S-1', 'trace_scale', 'a'), ('L-1', 'logger', 'b');
INSERT INTO devices (device_no, model_id, site_id, state, created_at, state_since)
SELECT d.device_no, m.model_id, s.site_id, 'in_service', %(at)s::timestamptz - INTERVAL '40 days',
       %(at)s::timestamptz - INTERVAL '40 days'
FROM (VALUES ('scale-1', 'S-1', 'M1'), ('scale-2', 'S-1', 'M1'), ('store-1', 'L-1', 'C1'), ('truck-1', 'L-1', 'C1'))
    AS d (device_no, model_no, site_no) JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no);
INSERT INTO coldchain_bands (kind, device_id, goods_zh, goods_en, place, low_c, high_c, basis)
SELECT 'logger', device_id, '冷冻肉', 'frozen meat', 'vehicle', -30, -15, 'test'
FROM devices WHERE device_no = 'truck-1';
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c, door_open)
SELECT device_id, %(at)s::timestamptz + n * INTERVAL '10 minutes', 1, n, %(at)s, false,
       CASE device_no WHEN 'truck-1' THEN -20 ELSE 5 END + CASE WHEN n BETWEEN 60 AND 65 THEN 15 ELSE 0 END,
       device_no = 'store-1' AND n BETWEEN 60 AND 62
FROM devices, generate_series(0, 143) AS n WHERE device_no = 'store-1' OR device_no = 'truck-1' AND n < 60;
INSERT INTO latest (device_id, stream, at, seq, received_at, record)
SELECT device_id, 'coldchain', at, 1, at, record::jsonb FROM (VALUES
    ('store-1', now(), '{"temperature_c": 9.5}'), ('truck-1', now() - INTERVAL '1 hour', '{"temperature_c": -20}'))
    AS r (device_no, at, record) JOIN devices USING (device_no);
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable, printed)
SELECT device_id, %(at)s::timestamptz + n * INTERVAL '1 hour', 1, n, %(at)s, false, 't',
       CASE n WHEN 9 THEN 'return' ELSE 'sale' END, 500, 2000, CASE n WHEN 1 THEN 1100 ELSE 1000 END, true, n <= 3
FROM devices, generate_series(1, 9) AS n WHERE device_no = 'scale-1'
"""


@pytest.fixture(scope="module")
def city_url(server_url: str, template_database: str) -> Iterator[str]:
    """A database of two sites; forty days of them are rolled up, the last but one of which was busy."""
    for url in fresh_database(server_url, template=template_database):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in SEED.split(";\n"):
                connection.execute(statement.encode(), {"at": BEGINS})
            for back in range(35, -1, -1):
                with connection.transaction():
                    roll(connection, day_of(NOW) - timedelta(days=back), now=NOW)
        yield url


@pytest.fixture
def city(city_url: str) -> Iterator[Connection]:
    """A connection to it, in a transaction that is rolled back."""
    with psycopg.connect(city_url) as connection:
        yield connection
        connection.rollback()


def _rows(connection: Connection, name: str, over: Range = OVER) -> list[dict[str, Any]]:
    query = QUERIES[name]
    text = filled_in(query.text, query.dashboard, Choice(), over, interval="1m")
    cursor = connection.execute(text.encode())
    names = [column.name for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_probes_stand_against_their_bands(city: Connection) -> None:
    """Too warm before not heard: the truck's band is its own."""
    found = _rows(city, "cold-chain: Probes, worst first")
    assert [(row["device_no"], row["standing"], row["low_c"], row["high_c"]) for row in found] == [
        ("store-1", "warm", 0, 8),
        ("truck-1", "missing", -30, -15),
    ]
    assert _rows(city, "cold-chain: Outside their band") == [{"probes": 1}]
    assert _rows(city, "cold-chain: Unread probes") == [{"probes": 1}]
    assert _rows(city, "site-detail: Probes not well") == [{"probes": 2}]


def test_excursions_are_listed_with_how_far_they_went(city: Connection) -> None:
    """An hour at 20 degrees; those of before and after the range are left out."""
    [found] = _rows(city, "cold-chain: Excursions, newest first")
    assert (found["device_no"], found["seconds"], found["extreme_c"], found["high_c"]) == ("store-1", 3600, 20, 8)
    assert _rows(city, "cold-chain: Excursions") == [{"excursions": 1}]
    assert _rows(city, "cold-chain: Excursions", Range(BEGINS + timedelta(hours=12), OVER.ends_at)) == [
        {"excursions": 0}
    ]


def test_stores_and_vehicles_are_apart(city: Connection) -> None:
    """Each with its share inside, its doors, its gaps and its mean kinetic temperature."""
    store, truck = _rows(city, "cold-chain: Stores and vehicles, worst first")
    assert (store["place"], store["excursions"], store["doors"], store["door_longest"]) == ("store", 1, 1, 1800)
    assert (store["gaps"], store["inside"]) == (0, pytest.approx(23 / 24))
    # 23 hours at 5 and one at 20 degrees: -10000 / ln((23 exp(-10000/278.15) + exp(-10000/293.15)) / 24), by hand.
    assert store["kinetic"] == pytest.approx(6.551, abs=0.0005)
    assert (truck["place"], truck["excursions"], truck["gaps"]) == ("vehicle", 0, 1)
    # The last reading holds for half an hour before it is missed.
    assert truck["gap_seconds"] == 14 * 3600 + 600 - 1800
    assert truck["kinetic"] == pytest.approx(-20)


def test_receipts_and_errors_of_trades(city: Connection) -> None:
    """Three of eight sales have one; one amount is wrong by more than a fen; the return is no sale."""
    assert _rows(city, "scales-and-scanners: Sales") == [{"sales": 8}]
    assert _rows(city, "scales-and-scanners: Receipt rate") == [{"share": 3 / 8}]
    assert _rows(city, "scales-and-scanners: Errors by rule") == [{"rule": "amount", "records": 1}]
    [site] = _rows(city, "scales-and-scanners: Sites by receipt rate, lowest first")
    assert (site["site_no"], float(site["yuan"]), float(site["kg"]), site["unprinted"]) == ("M1", 81, 4, 5)


def test_what_is_never_used_sleeps(city: Connection) -> None:
    """Of the scales; a logger trades nothing and sleeps not."""
    assert _rows(city, "scales-and-scanners: Asleep for 30 days") == [{"devices": 1}]


def test_days_of_a_site_say_what_came(city: Connection) -> None:
    """Four devices were expected; nobody was heard live, for all came in one go."""
    [found] = _rows(city, "site-detail: Day by day", Range(BEGINS, BEGINS + timedelta(hours=1)))
    assert (found["expected"], found["online"], found["records"]) == (4, 0, 144 + 60 + 9)


def test_ledger_says_what_a_device_is(city: Connection) -> None:
    """Without anything of a person."""
    found = _rows(city, "device-detail: From the ledger")
    assert [row["device_no"] for row in found] == ["scale-1", "scale-2", "store-1", "truck-1"]
    assert {row["site"] for row in found} == {"East market", "Store one"}
