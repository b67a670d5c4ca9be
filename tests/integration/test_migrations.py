"""Migrations against a real server."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from store.errors import SchemaError
from store.migrations import migrate, require_current_schema, schema_status
from store.settings import Settings


def _settings(url: str, **given: object) -> Settings:
    return Settings(database_url=url, **given)  # type: ignore[arg-type]


def test_migrate_is_idempotent(empty_database_url: str) -> None:
    """The first run applies every file, the second none."""
    first = migrate(_settings(empty_database_url))
    second = migrate(_settings(empty_database_url))
    assert first[0] == "0001_ledger"
    assert second == []


def test_migrate_when_four_run_at_once(empty_database_url: str) -> None:
    """One of four applies the files, the others find them applied."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: migrate(_settings(empty_database_url)), range(4)))
    assert sorted(map(bool, results)) == [False, False, False, True]
    with psycopg.connect(empty_database_url) as connection:
        assert schema_status(connection).is_current


def test_migrate_refuses_a_changed_file(empty_database_url: str) -> None:
    """A checksum that differs names the file and the remedy."""
    migrate(_settings(empty_database_url))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 2")
    with pytest.raises(SchemaError, match="0002_telemetry was changed after"):
        migrate(_settings(empty_database_url))


def test_newer_schema_is_refused_by_services_and_by_migrate(empty_database_url: str) -> None:
    """A schema from a newer release stops both, with the remedy."""
    migrate(_settings(empty_database_url))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, flavour)"
            " SELECT max(version) + 1, 'of_tomorrow', '', min(flavour) FROM schema_migrations"
        )
    with pytest.raises(SchemaError, match="newer release"):
        migrate(_settings(empty_database_url))
    with pytest.raises(SchemaError, match="newer release"):
        require_current_schema(_settings(empty_database_url), application_name="test")


def test_retention_follows_the_settings(empty_database_url: str) -> None:
    """A changed setting takes effect at the next migrate."""
    migrate(_settings(empty_database_url))
    migrate(_settings(empty_database_url, retention_days=800))
    with psycopg.connect(empty_database_url) as connection:
        kept = connection.execute("SELECT DISTINCT extract(day FROM keep)::int FROM retention").fetchall()
    assert kept == [(800,)]
