"""The proof of silence: a day in which nothing was accepted, and what was tried in it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.retirement.silence import AT_ONCE, SILENCE, watch
from tests.integration.retirement.office import Office

MINUTE = timedelta(minutes=1)
Receive = Callable[..., Awaitable[None]]


@pytest.fixture
def executing(office: Office) -> str:
    """The case of D1, executed just now."""
    office.device("D1", "TH-1")
    return office.until(office.opened("D1"), "execute")


def round_at(office: Office, now: datetime, **more: Any) -> list[str]:
    """A round of the fleet."""
    return watch(office.connection, keys=office.keys, now=now, **more)


def refuse(office: Office, at: datetime, *, reason: str = "retired", accesses: int = 3) -> None:
    """Logins that were refused."""
    office.connection.execute(
        "INSERT INTO refused_accesses SELECT 'D1', %s, '10.0.0.9', %s, device_id, %s, %s, %s FROM devices",
        (f"c{at.timestamp()}", reason, at, at, accesses),
    )


def test_case_is_silent_when_a_day_passed_in_which_nothing_was_accepted(office: Office, executing: str) -> None:
    """Not a minute sooner; by the fleet, in the audit, with a step and an event."""
    at = office.case(executing)["executed_at"]
    assert round_at(office, at + SILENCE - MINUTE) == []
    assert round_at(office, at + SILENCE) == [executing]
    case = office.case(executing)
    assert (case["state"], case["silent_since"], case["state_since"]) == ("silent", at, at + SILENCE)
    proof = case["silence"]
    assert (proof["accepted"], proof["attempts"], proof["last_attempt_at"]) == (0, {"broker": 0, "ingest": 0}, None)
    assert [datetime.fromisoformat(proof[name]) for name in ("from", "until")] == [at, at + SILENCE]
    step = office.row("SELECT * FROM case_steps ORDER BY step_id DESC LIMIT 1")
    assert (step["to_state"], step["actor"], step["details"]["silence"]) == ("silent", "fleet", proof)
    assert office.column("SELECT kind FROM events ORDER BY event_id DESC LIMIT 1") == ["case.silent"]
    audited = "SELECT actor FROM audit WHERE entity = 'cases' AND after->>'state' = 'silent'"
    assert office.column(audited) == ["fleet"]
    assert round_at(office, at + 2 * SILENCE) == []


def test_proof_counts_what_was_tried(office: Office, executing: str) -> None:
    """At the broker and in ingest since the execution; not what was refused before for another reason."""
    at = office.case(executing)["executed_at"]
    refuse(office, at - MINUTE, reason="revoked")
    refuse(office, at + MINUTE)
    refuse(office, at + 3 * MINUTE, accesses=4)
    refuse(office, at + 4 * MINUTE, reason="no_credentials")
    office.connection.execute(
        "WITH p AS (INSERT INTO dead_letter_payloads (payload_hash, payload) VALUES ('x', 'x') RETURNING payload_id)"
        " INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream,"
        " received_at) SELECT n::text, payload_id, -1, 1, 'retired_device', 'd', 'D1', 'status',"
        " %s + n * interval '1 h'"
        " FROM p, generate_series(-1, 2) AS n",
        (at,),
    )
    assert round_at(office, at + SILENCE) == [executing]
    proof = office.case(executing)["silence"]
    assert proof["attempts"] == {"broker": 7, "ingest": 2}
    assert datetime.fromisoformat(proof["last_attempt_at"]) == at + timedelta(hours=2)
    assert (proof["hosts"], proof["streams"], proof["retained"]) == (["10.0.0.9"], ["status"], None)


@pytest.mark.parametrize("where", ["device_presence", "latest", "presence", "coldchain"])
def test_day_begins_anew_when_something_was_accepted(office: Office, executing: str, where: str) -> None:
    """Wherever it left its trace; the case says since when."""
    case = office.case(executing)
    at, heard_at = case["executed_at"], case["executed_at"] + timedelta(hours=5)
    rows = {
        "device_presence": "(device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at)"
        " VALUES (%(id)s, 1, %(at)s, 'online', %(at)s, %(at)s, %(at)s)",
        "latest": "(device_id, stream, at, seq, received_at, record)"
        " VALUES (%(id)s, 'status', %(at)s, 1, %(at)s, '{}')",
        "presence": "(device_id, at, boot_id, state) VALUES (%(id)s, %(at)s, 1, 'online')",
        "coldchain": "(device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c)"
        " VALUES (%(id)s, %(at)s - interval '3 days', 1, 1, %(at)s, false, 2)",
    }
    office.connection.execute(f"INSERT INTO {where} {rows[where]}".encode(), {"id": case["device_id"], "at": heard_at})
    assert round_at(office, at + SILENCE) == []
    case = office.case(executing)
    assert (case["state"], case["silent_since"]) == ("executing", heard_at)
    assert round_at(office, heard_at + SILENCE - MINUTE) == []
    assert round_at(office, heard_at + SILENCE) == [executing]
    assert office.case(executing)["silent_since"] == heard_at


async def test_refused_message_is_an_attempt_and_does_not_begin_the_day_anew(
    office: Office, executing: str, receive: Receive
) -> None:
    """By the way of every message."""
    at = office.case(executing)["executed_at"]
    await receive("D1", {"at": datetime.now(UTC).isoformat(), "temperature_c": 2.0})
    assert round_at(office, at + SILENCE) == [executing]
    assert office.case(executing)["silence"]["attempts"] == {"broker": 0, "ingest": 1}


def test_nothing_is_written_while_there_is_nothing_to_say(office: Office, executing: str) -> None:
    """A round a minute leaves the audit as it is."""
    before = office.column("SELECT count(*) FROM audit")
    for minute in range(3):
        assert round_at(office, office.case(executing)["executed_at"] + minute * MINUTE) == []
    assert office.column("SELECT count(*) FROM audit") == before


def test_campaign_is_proven_in_rounds(office: Office) -> None:
    """As many as a round takes; another span where a test, or a law, says so."""
    for number in range(AT_ONCE + 2):
        office.device(f"M{number}", owner_type="merchant")
    office.connection.execute(
        "INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, opened_by, proposed_by, approved_by,"
        " approval, executed_by, executed_at) SELECT 'C' || device_id, device_id, 'owner', 'executing', %(at)s, '[]',"
        " 'li', 'li', 'zhao', 'approved', 'chen', %(at)s FROM devices",
        {"at": office.now},
    )
    hour = timedelta(hours=1)
    assert len(round_at(office, office.now + hour, silence=hour)) == AT_ONCE
    assert len(round_at(office, office.now + hour, silence=hour)) == 2
    assert office.column("SELECT DISTINCT state FROM cases") == ["silent"]


def test_day_begins_anew_with_the_end_of_an_outage_of_ours(office: Office, executing: str) -> None:
    """In it nobody would have heard anything; one that was none does not count."""
    at = office.case(executing)["executed_at"]
    office.connection.execute(
        "INSERT INTO outages (scope, began_at, ended_at, source, reason, dismissed_at)"
        " VALUES ('platform', %s, NULL, 'declared', '停电', NULL), ('platform', %s, %s, 'detected', 'r', %s)",
        (at + MINUTE, at, at + 5 * MINUTE, at),
    )
    assert round_at(office, at + SILENCE) == []
    office.connection.execute("UPDATE outages SET ended_at = %s WHERE reason = '停电'", (at + SILENCE,))
    assert round_at(office, at + SILENCE) == []
    assert office.case(executing)["silent_since"] == at + SILENCE
    assert round_at(office, at + 2 * SILENCE) == [executing]
