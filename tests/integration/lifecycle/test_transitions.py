"""Steps of devices in a real ledger: one, many, refused, and asked for by two at once."""

import itertools
import threading
from datetime import date
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.acting import Actor, acting
from fleet.errors import IllegalTransitionError, RefusedError, UnknownEntryError
from fleet.keys import Keys
from fleet.lifecycle.gate import load_gates
from fleet.lifecycle.move import Move
from fleet.lifecycle.moves import carry_out, transition
from fleet.lifecycle.report import Report
from fleet.lifecycle.states import STATES, TERMINAL, Facts, Transition, step


def to(state: str, *device_nos: str, **more: Any) -> list[Move]:
    """Steps into a state."""
    return [
        Move(row=row, device_no=device_no, to=state, **{"reason": "因故"} | more)
        for row, device_no in enumerate(device_nos, 1)
    ]


def test_step_is_written_with_who_when_and_why(book: Any) -> None:
    """The device has its new state and since when; the record has the rest; the audit is sealed."""
    book.device("D1", state="in_service", commissioned_on=date(2020, 5, 1))
    before = book.of("D1")
    report = book.move("transition", *to("faulty", "D1", reason="称不准", document="报修单 7", cost_fen=1250))
    assert report.applied
    assert [(one.device_no, one.states) for one in report.changed] == [("D1", ("in_service", "faulty"))]
    after = book.of("D1")
    assert (after["state"], after["state_reason"], after["commissioned_on"]) == ("faulty", "称不准", date(2020, 5, 1))
    assert after["state_since"] > before["state_since"]
    assert book.steps("D1") == [("in_service", "faulty", "li", "称不准", "报修单 7", 1250)]
    assert book.count("SELECT count(*) FROM audit WHERE reason = '称不准' AND actor = 'li'") == 1
    assert book.count("SELECT count(*) FROM audit_unsealed WHERE audit_id IN (SELECT audit_id FROM audit_seals)") == 0


def test_first_service_is_when_a_device_is_commissioned(book: Any) -> None:
    """And a later return to service leaves that day alone."""
    book.device("D1", state="in_stock")
    book.move("transition", *to("in_service", "D1"))
    first = book.of("D1")["commissioned_on"]
    assert first is not None
    book.connection.execute("UPDATE devices SET commissioned_on = '2021-01-01'")
    book.move("transition", *to("suspended", "D1"))
    book.move("transition", *to("in_service", "D1"))
    assert book.of("D1")["commissioned_on"] == date(2021, 1, 1)


def test_bulk_is_all_or_nothing_and_says_all_at_once(book: Any) -> None:
    """One refused row of many leaves every device as it was; each refusal is in the report."""
    for number in range(50):
        book.device(f"D{number:02}", state="in_service")
    book.device("STOCK", state="in_stock")
    book.device("GONE", state="lost")
    moves = to("suspended", *(f"D{number:02}" for number in range(50)), "STOCK", "GONE", "NOBODY", "D00")
    report = book.move("transition", *moves)
    assert not report.applied
    assert [(error.row, error.device_no, error.unknown, error.state, error.allowed) for error in report.errors] == [
        (51, "STOCK", False, "in_stock", ("in_service", "pending_disposal", "lost")),
        (52, "GONE", False, "lost", ()),
        (53, "NOBODY", True, None, ()),
        (54, "D00", False, None, ()),
    ]
    assert book.count("SELECT count(*) FROM devices WHERE state = 'suspended'") == 0
    assert len(book.move("transition", *moves[:50]).changed) == 50
    assert book.count("SELECT count(*) FROM devices WHERE state = 'suspended'") == 50
    assert book.count("SELECT count(*) FROM device_transitions") == 50


def test_bulk_is_one_update_for_each_reason(book: Any) -> None:
    """Whatever its size. The audit's rows share one number, and each has its reason."""
    for number in range(20):
        book.device(f"D{number:02}", state="in_service")
    book.connection.execute(
        "CREATE TABLE updates (at timestamptz); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO updates VALUES (now()); RETURN NULL; END $$;"
        "CREATE TRIGGER note AFTER UPDATE ON devices FOR EACH STATEMENT EXECUTE FUNCTION note()"
    )
    halves = to("idle", *(f"D{n:02}" for n in range(10)), reason="停业") + [
        Move(row=row, device_no=f"D{row:02}", to="idle", reason="搬迁") for row in range(10, 20)
    ]
    assert book.move("transition", *halves).applied
    assert book.count("SELECT count(*) FROM updates") == 2
    assert book.count("SELECT count(DISTINCT operation) FROM audit WHERE action = 'update'") == 1
    assert book.count("SELECT count(*) FROM audit WHERE reason = '搬迁'") == 10


def test_dry_run_reports_the_same_and_writes_nothing(book: Any) -> None:
    """But for the word applied."""
    book.device("D1", state="in_stock")
    dry = book.move("transition", *to("in_service", "D1"), apply=False)
    assert book.state("D1") == "in_stock"
    wet = book.move("transition", *to("in_service", "D1"))
    assert (dry.applied, wet.applied) == (False, True)
    assert dry.changed == wet.changed
    assert [field.column for field in dry.changed[0].fields] == ["commissioned_on"]


def test_guards_read_the_ledger(book: Any) -> None:
    """The gate and its policy, the holds of now and not of yesterday, the papers."""
    kiosk = book.device("K1", "QM-1", state="draft", acquired_on=date(2020, 1, 1))
    assert "exemption document" in book.move("transition", *to("in_stock", "K1")).errors[0].sentence
    book.connection.execute("UPDATE devices SET exemption_document = '豁免1号'")
    assert book.move("transition", *to("in_stock", "K1")).applied
    book.connection.execute("UPDATE devices SET state = 'recovered'")
    book.connection.execute(
        "INSERT INTO device_holds (device_id, kind, reason, begins_at, ends_at) VALUES"
        " (%(id)s, 'maintenance', 'r', now() - interval '2 days', now() - interval '1 day'),"
        " (%(id)s, 'evidence', 'r', now() - interval '2 days', NULL)",
        {"id": kiosk},
    )
    assert "held (evidence)" in book.move("transition", *to("pending_disposal", "K1")).errors[0].sentence
    book.connection.execute("UPDATE device_holds SET ends_at = now() WHERE ends_at IS NULL")
    assert book.move("transition", *to("pending_disposal", "K1")).applied
    assert "批复" in book.move("transition", *to("disposed", "K1")).errors[0].sentence
    assert book.move("transition", *to("disposed", "K1", document="批复7号")).applied
    assert book.steps("K1")[-1][4] == "批复7号"
    assert book.count("SELECT count(*) FROM tombstones WHERE device_no = 'K1' AND state = 'disposed'") == 1


@pytest.mark.parametrize(
    ("device_no", "state", "sort"),
    [
        ("D1", "disposed", IllegalTransitionError),
        ("D1", "broken", IllegalTransitionError),
        ("D2", "x", UnknownEntryError),
    ],
)
def test_single_step_that_is_refused_is_an_error_of_its_sort(
    book: Any, device_no: str, state: str, sort: type[RefusedError]
) -> None:
    """A caller of one device need not read a report."""
    book.device("D1", state="in_service")
    with pytest.raises(sort) as caught:
        book.move("transition", *to(state, device_no)).settle()
    if isinstance(caught.value, IllegalTransitionError):
        assert caught.value.state == "in_service"
        assert caught.value.allowed == ("suspended", "faulty", "idle", "lost")


def test_second_of_two_administrators_sees_what_the_first_did(book: Any, database_url: str, keys: Keys) -> None:
    """One steps, the other waits for the row and is refused by the state it finds: no update is lost."""
    book.device("D1", state="in_service")
    found: list[Report] = []

    def second() -> None:
        with (
            psycopg.connect(database_url, autocommit=True, application_name="second") as connection,
            acting(connection, Actor("wang", "test"), keys=keys),
        ):
            found.append(transition(connection, ["D1"], "suspended", "停业"))

    other = threading.Thread(target=second)
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        acting(connection, Actor("li", "test"), keys=keys),
    ):
        assert transition(connection, ["D1"], "faulty", "坏了").applied
        other.start()
        _wait_until_blocked(book)
    other.join(20)
    assert not found[0].applied
    assert (found[0].errors[0].state, found[0].errors[0].allowed) == ("faulty", ("repairing", "idle", "lost"))
    assert [row[:3] for row in book.steps("D1")] == [("in_service", "faulty", "li")]


def _wait_until_blocked(book: Any) -> None:
    for _ in range(2000):
        waiting = book.count(
            "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.005)"
            " WHERE application_name = 'second' AND wait_event_type = 'Lock'"
        )
        if waiting:
            return
    pytest.fail("the second administrator does not wait")


NUMBERS = itertools.count()
EVENTS = st.lists(
    st.tuples(st.sampled_from(STATES), st.sampled_from([None, "文件"]), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_ledger_goes_the_way_of_the_pure_machine(book: Any, events: list[tuple[str, str | None, bool]]) -> None:
    """After every event of any sequence, the device is in the state that the function alone would have it in."""
    number = f"D{next(NUMBERS)}"
    device_id = book.device(number, "TH-1", state="draft")
    gates, state, steps = load_gates(book.connection), "draft", 0
    for wanted, document, is_held in events:
        if is_held:
            book.connection.execute(
                "INSERT INTO device_holds (device_id, kind, reason) VALUES (%s, 'dispute', 'r')", (device_id,)
            )
        else:
            book.connection.execute("DELETE FROM device_holds WHERE device_id = %s", (device_id,))
        facts = Facts(kind="logger", document=document, holds=("dispute",) if is_held else (), gates=gates)
        expected = step(state, wanted, facts)
        report = book.move("transition", *to(wanted, number, document=document))
        if isinstance(expected, Transition):
            state, steps = wanted, steps + 1
        else:
            assert [error.sentence for error in report.errors] == [expected.sentence]
        assert (report.applied, book.state(number)) == (isinstance(expected, Transition), state)
    assert len(book.steps(number)) == steps
    assert book.count(f"SELECT count(*) FROM tombstones WHERE device_id = {device_id}") == (state in TERMINAL)  # noqa: S608


def test_ingest_goes_on_while_devices_are_moved(book: Any, database_url: str, keys: Keys) -> None:
    """A row that refers to a device can be written before the mover commits."""
    device_id = book.device("D1", state="in_service")
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        acting(connection, Actor("li", "test"), keys=keys),
    ):
        assert carry_out(connection, "transition", to("faulty", "D1"), apply=True).applied
        book.connection.execute("SET lock_timeout = '2s'")
        book.connection.execute(
            "INSERT INTO boots (device_id, boot, first_received_at) VALUES (%s, 'b', now())", (device_id,)
        )
