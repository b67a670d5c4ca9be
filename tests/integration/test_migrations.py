"""Migrations against a real server."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.audit.anchors import file_of
from fleet.audit.reading import state_on
from fleet.audit.verification import verify
from fleet.business_day import SHANGHAI
from fleet.errors import UnknownEntryError
from fleet.keys import Keys
from store.errors import SchemaError
from store.migrations import _apply, known_migrations, migrate, require_current_schema, schema_status
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


def test_newer_schema_lets_the_release_before_it_go_on(empty_database_url: str) -> None:
    """It says from which schema on; services start, a second `migrate` of that release does nothing."""
    migrate(_settings(empty_database_url))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, flavour, runs_from)"
            " SELECT max(version) + 1, 'of_tomorrow', '', min(flavour), max(version) FROM schema_migrations"
        )
    require_current_schema(_settings(empty_database_url), application_name="test")
    assert migrate(_settings(empty_database_url)) == []
    with psycopg.connect(empty_database_url) as connection:
        status = schema_status(connection)
        assert status.is_usable
        assert not status.is_current
        assert "is of the next release" in status.explain()
        connection.execute("UPDATE schema_migrations SET runs_from = version WHERE name = 'of_tomorrow'")
    with pytest.raises(SchemaError, match="newer release"):
        require_current_schema(_settings(empty_database_url), application_name="test")


def test_migrate_of_the_release_before_leaves_the_rights_of_the_next(database_url: str) -> None:
    """It knows nothing of the tables that came since, nor for how long the next release keeps what."""
    migrate(_settings(database_url, retention_days=800))
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE of_tomorrow (n int)")
        connection.execute("GRANT SELECT ON of_tomorrow TO tracefleet_fleet")
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, flavour, runs_from)"
            " SELECT max(version) + 1, 'of_tomorrow', '', min(flavour), max(version) FROM schema_migrations"
        )
    assert migrate(_settings(database_url)) == []
    with psycopg.connect(database_url) as connection:
        kept = connection.execute("SELECT DISTINCT extract(day FROM keep)::int FROM retention").fetchall()
        may = connection.execute("SELECT has_table_privilege('tracefleet_fleet', 'of_tomorrow', 'SELECT')").fetchone()
    assert (kept, may) == ([(800,)], (True,))


def test_database_of_before_the_overlap_is_migrated(empty_database_url: str) -> None:
    """Its ledger of migrations gets the column that says who may go on."""
    migrate(_settings(empty_database_url))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("ALTER TABLE schema_migrations DROP COLUMN runs_from")
    assert migrate(_settings(empty_database_url)) == []
    with psycopg.connect(empty_database_url) as connection:
        assert schema_status(connection).is_current
        connection.execute("SELECT runs_from FROM schema_migrations")


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


def test_ledger_from_before_the_audit_is_its_baseline(empty_database_url: str, tmp_path: Path) -> None:
    """A database of version 8 with devices: each has a row that shows it as it was, and the first seal covers them."""
    settings = _settings(empty_database_url, data_dir=tmp_path)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        _apply(connection, known_migrations("plain")[:8], "plain")
        connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
            " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
        )
        connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v')")
        connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id, state)"
            " SELECT 'D-' || n, model_id, site_id, CASE n WHEN 3 THEN 'lost' ELSE 'in_service' END"
            " FROM models, sites, generate_series(1, 3) AS n"
        )
        assert migrate(settings)[0] == "0009_registry"
        baseline = connection.execute(
            "SELECT action, label, after->>'device_no', after->>'state', origin, before"
            " FROM audit WHERE entity = 'devices' ORDER BY label"
        ).fetchall()
        states = ("in_service", "in_service", "lost")
        assert baseline == [
            ("baseline", f"D-{n}", f"D-{n}", state, "migration", None) for n, state in enumerate(states, 1)
        ]
        assert connection.execute("SELECT device_no FROM tombstones").fetchall() == [("D-3",)]
        keys = Keys.of(settings)
        with acting(connection, Actor("wang", "test"), keys=keys):
            connection.execute("UPDATE devices SET stall_no = 'A1' WHERE device_no = 'D-1'")
        verdict = verify(connection, keys, file_of(settings))
        assert (verdict.is_whole, verdict.waiting) == (True, 0)
        assert state_on(connection, "D-1", datetime.now(SHANGHAI).date())["stall_no"] == "A1"
        with pytest.raises(UnknownEntryError, match="The audit began on"):
            state_on(connection, "D-2", date(2020, 1, 1))
