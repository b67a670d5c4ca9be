"""A small ledger to carry devices out of."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.keys import Keys
from tests.integration.retirement.office import KINDS, Office


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of the installation."""
    return Keys(tmp_path / "tracefleet.key")


@pytest.fixture
def office(connection: psycopg.Connection[Any], keys: Keys) -> Office:
    """A market, models of four kinds; no device yet."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S1', '市场', 'Market', 'wet_market', '410100')"
    )
    for model_no, kind in KINDS.items():
        connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES (%s, %s, 'Yuheng')", (model_no, kind))
    return Office(connection, keys)
