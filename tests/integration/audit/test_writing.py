"""What the tables write into the audit, for whom, and who may rewrite it: nobody."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors, sql

from fleet.acting import Actor, acting
from fleet.audit.verification import Verdict
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet

Connection = psycopg.Connection[Any]
REWRITING = [
    "UPDATE audit SET actor = 'somebody'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "UPDATE audit_seals SET seal = ''",
    "DELETE FROM audit_seals",
    "TRUNCATE audit_seals",
    "UPDATE audit SET actor = 'x' WHERE false",
]
MADE_UP = "INSERT INTO audit (action, entity, entity_id, label) VALUES ('insert', 'sites', '1', 'S1')"
ONE_MORE = "INSERT INTO merchants (merchant_code, name) VALUES (%s, 'x')"


@pytest.fixture
def plain(connection: Connection, database_url: str) -> Any:
    """A connection of a role that may change everything and owns nothing."""
    role = f"tf_test_clerk_{uuid.uuid4().hex[:8]}"
    name = sql.Identifier(role)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'clerk'").format(name))
    connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(name))
    connection.execute(sql.SQL("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}").format(name))
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"{role}:clerk@{parts.netloc.rpartition('@')[2]}"))
    try:
        with psycopg.connect(url, autocommit=True, application_name="psql") as opened:
            yield opened
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.mark.parametrize("statement", REWRITING)
def test_rewriting_is_refused_for_a_superuser(connection: Connection, statement: str) -> None:
    """Every role, every way, also where no row would match."""
    with pytest.raises(errors.InsufficientPrivilege, match="is refused for every role"):
        connection.execute(statement.encode())


def test_rewriting_is_refused_for_a_plain_role(plain: Connection) -> None:
    """Whatever was granted to it."""
    for statement in (*REWRITING, "TRUNCATE merchants CASCADE"):
        with pytest.raises(errors.InsufficientPrivilege, match="is refused for every role"):
            plain.execute(statement.encode())


def test_rows_are_not_made_up_by_hand(connection: Connection, plain: Connection) -> None:
    """Only the tables write; for the owner, too."""
    for who in (connection, plain):
        with pytest.raises(errors.InsufficientPrivilege, match="written by the tables"):
            who.execute(MADE_UP)


def test_change_by_hand_leaves_who_and_where_from(
    plain: Connection, connection: Connection, check: Callable[[], Verdict], keys: Keys, seal_all: Callable[[], int]
) -> None:
    """The role and the program of a connection that told nothing; before and after of each step; sealed later."""
    keys.key(connection, "audit")
    plain.execute("INSERT INTO merchants (merchant_code, name) VALUES ('M1', 'one')")
    plain.execute("UPDATE merchants SET name = 'two'")
    plain.execute("UPDATE merchants SET name = 'two', updated_at = now()")
    plain.execute("DELETE FROM merchants")
    rows = connection.execute(
        "SELECT action, label, before->>'name', after->>'name', actor, db_user, reason, origin LIKE 'database%psql'"
        " FROM audit WHERE entity = 'merchants' ORDER BY audit_id"
    ).fetchall()
    who = (plain.info.user, plain.info.user, None, True)
    assert rows == [
        ("insert", "M1", None, "one", *who),
        ("update", "M1", "one", "two", *who),
        ("delete", "M1", "two", None, *who),
    ]
    waiting = check().waiting
    assert waiting > 3
    assert seal_all() == waiting
    assert check().is_whole


def test_bulk_import_leaves_a_row_for_each_entry(
    connection: Connection, keys: Keys, check: Callable[[], Verdict]
) -> None:
    """Who, from where, why, and one number for all of it; deletes of many at once as well."""
    sheet = "merchant_code,name\n" + "".join(f"M{number},n{number}\n" for number in range(300))
    actor = Actor("li", "api 10.0.0.7")
    with acting(connection, actor, keys=keys, reason="the spring list") as operation:
        report = import_sheet(connection, "merchants", sheet.encode(), apply=True, keys=keys)
    assert report.applied
    with acting(connection, actor, keys=keys, reason="the market closed"):
        connection.execute("DELETE FROM merchants WHERE name LIKE 'n1%'")
    rows = connection.execute(
        "SELECT action, count(*), count(DISTINCT operation), count(DISTINCT label),"
        " min(actor), min(origin), min(reason)"
        " FROM audit WHERE entity = 'merchants' GROUP BY action ORDER BY action"
    ).fetchall()
    assert rows == [
        ("delete", 111, 1, 111, "li", "api 10.0.0.7", "the market closed"),
        ("insert", 300, 1, 300, "li", "api 10.0.0.7", "the spring list"),
    ]
    assert connection.execute("SELECT count(*) FROM audit WHERE operation = %s", (operation,)).fetchone() == (300,)
    verdict = check()
    assert (verdict.is_whole, verdict.waiting) == (True, 0)


def test_change_that_is_rolled_back_leaves_nothing(connection: Connection, keys: Keys) -> None:
    """Nor does its name stay with the connection."""
    before = connection.execute("SELECT count(*) FROM audit").fetchone()
    with pytest.raises(errors.UniqueViolation), acting(connection, Actor("li", "x"), keys=keys):
        connection.execute("INSERT INTO merchants (merchant_code, name) VALUES ('M1', 'a'), ('M1', 'b')")
    assert connection.execute("SELECT count(*) FROM audit").fetchone() == before
    assert connection.execute("SELECT acting_as() <> 'li'").fetchone() == (True,)


def test_chain_is_whole_when_eight_change_at_once(
    database_url: str, connection: Connection, keys: Keys, check: Callable[[], Verdict]
) -> None:
    """Numbers without a gap or a twin, whoever commits first."""

    def work(worker: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            for number in range(15):
                with acting(own, Actor(f"worker {worker}", "thread"), keys=keys):
                    own.execute(
                        "INSERT INTO merchants (merchant_code, name) VALUES (%s, 'x')", (f"M{worker}-{number}",)
                    )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    seals = connection.execute("SELECT count(*), min(seal_no), max(seal_no) FROM audit_seals").fetchone()
    verdict = check()
    assert (verdict.is_whole, verdict.waiting) == (True, 0)
    assert seals == (verdict.sealed, 1, verdict.sealed)
    assert connection.execute("SELECT count(DISTINCT actor) FROM audit WHERE actor LIKE 'worker%'").fetchone() == (8,)


def test_row_whose_key_is_changed_is_told_as_one_that_left_and_one_that_came(connection: Connection) -> None:
    """No change is without a row, not even that of what a row is known by."""
    before = connection.execute("SELECT max(audit_id) FROM audit").fetchone()
    connection.execute("UPDATE registration_gates SET kind = 'scanner' WHERE kind = 'kiosk'")
    connection.execute("UPDATE registration_gates SET policy = 'warn' WHERE kind = 'scanner'")
    rows = connection.execute(
        "SELECT action, label, before ->> 'kind', after ->> 'kind' FROM audit"
        " WHERE entity = 'registration_gates' AND audit_id > %s ORDER BY action",
        before,
    ).fetchall()
    assert rows == [
        ("delete", "kiosk", "kiosk", None),
        ("insert", "scanner", None, "scanner"),
        ("update", "scanner", "scanner", "scanner"),
    ]
