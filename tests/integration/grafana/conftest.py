"""The seeded month, once a process, and a connection to it as the role that the dashboards read with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from fleet.keys import Keys
from store.migrations import migrate
from store.settings import Settings
from tests.conftest import fresh_database
from tests.integration.grafana import month as months

ROOT: Final = Path(__file__).parents[3]
_SOURCES: Final = yaml.safe_load(
    (ROOT / "grafana/provisioning/datasources/tracefleet.yaml").read_text(encoding="utf-8")
)
# As provisioning logs in.
[ROLE] = [source["user"] for source in _SOURCES["datasources"] if "user" in source]


@dataclass(frozen=True, slots=True)
class Month:
    """The database of the month, and the moment at which it ends."""

    url: str
    now: datetime


@pytest.fixture(scope="session")
def month(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """Migrated with the dashboards' role there, so that it has the rights that the migrations give it, and filled."""
    for url in fresh_database(server_url, template="template0"):
        with psycopg.connect(url, autocommit=True) as connection:
            # Never dropped again: a suite beside this one may be granting it something.
            connection.execute(
                SQL(
                    "DO $$ BEGIN CREATE ROLE {}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                ).format(Identifier(ROLE))
            )
        migrate(Settings(database_url=SecretStr(url)))
        yield Month(url, months.fill(url, Keys(tmp_path_factory.mktemp("month") / "key")))


@pytest.fixture
def reader(month: Month) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the dashboards' role, which can only read."""
    with psycopg.connect(month.url, autocommit=True) as connection:
        connection.execute(SQL("SET ROLE {}").format(Identifier(ROLE)))
        connection.execute("SET default_transaction_read_only = on")
        yield connection
