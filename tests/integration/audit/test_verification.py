"""Each way to tamper with the audit of a real database, by a superuser past every trigger, and what is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.audit.verification import Verdict, verify
from fleet.errors import KeyFileError
from fleet.keys import Keys

Connection = psycopg.Connection[Any]
Check = Callable[[], Verdict]
Tamper = Callable[..., None]
NoteHead = Callable[[], int]
pytestmark = pytest.mark.usefixtures("filled")

# Of the seal with the number, and of its row.
ROW = "(SELECT audit_id FROM audit_seals WHERE seal_no = {})"
CONTENTS = "(at, actor, origin, reason, operation, db_user, action, entity, entity_id, label, before, after)"
SWAP_CONTENTS = f"""
UPDATE audit AS a SET {CONTENTS} = (SELECT b.at, b.actor, b.origin, b.reason, b.operation, b.db_user, b.action,
    b.entity, b.entity_id, b.label, b.before, b.after FROM audit AS b
    WHERE b.audit_id = CASE WHEN a.audit_id = {ROW.format(7)} THEN {ROW.format(11)} ELSE {ROW.format(7)} END)
WHERE a.audit_id IN ({ROW.format(7)}, {ROW.format(11)})
"""  # noqa: S608


def _found(verdict: Verdict) -> list[tuple[str, int | None]]:
    assert verdict.found == len(verdict.findings)
    return [(finding.kind, finding.seal_no) for finding in verdict.findings]


def test_untouched_audit_is_whole(check: Check, note_head: NoteHead, connection: Connection) -> None:
    """The head is told, and without anchors so is what nobody would notice."""
    verdict = check()
    assert (verdict.is_whole, verdict.waiting, verdict.anchors) == (True, 0, 0)
    assert "There is no anchor" in verdict.warnings[0]
    head = note_head()
    verdict = check()
    assert (verdict.is_whole, verdict.anchors, verdict.warnings, verdict.seal_no) == (True, 1, (), head)
    assert connection.execute("SELECT encode(seal, 'hex') FROM audit_seals ORDER BY seal_no DESC").fetchone() == (
        verdict.seal,
    )


@pytest.mark.parametrize(
    "assignment",
    [
        "actor = 'somebody'",
        "reason = NULL",
        "at = at + INTERVAL '1 microsecond'",
        "at = 'infinity'",
        "origin = ''",
        'after = after || \'{"name": "y"}\'',
        "operation = gen_random_uuid()",
        "db_user = 'x'",
        "label = 'M99'",
    ],
)
def test_edited_row_is_found(check: Check, tamper: Tamper, assignment: str) -> None:
    """Whatever field, down to a microsecond."""
    tamper(f"UPDATE audit SET {assignment} WHERE audit_id = {ROW.format(7)}")  # noqa: S608
    assert _found(check()) == [("edited", 7)]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([f"DELETE FROM audit WHERE audit_id = {ROW.format(7)}"], [("deleted", 7)]),  # noqa: S608
        (
            [
                f"DELETE FROM audit WHERE audit_id = {ROW.format(7)}",  # noqa: S608
                "DELETE FROM audit_seals WHERE seal_no = 7",
            ],
            [("missing_seals", 7)],
        ),
        ([SWAP_CONTENTS], [("reordered", 7)]),
        (
            [
                "UPDATE audit_seals SET seal_no = 1007 WHERE seal_no = 7",
                "UPDATE audit_seals SET seal_no = 7 WHERE seal_no = 11",
                "UPDATE audit_seals SET seal_no = 11 WHERE seal_no = 1007",
            ],
            [("reordered", 7)],
        ),
        (["UPDATE audit_seals SET seal = '\\x00' WHERE seal_no = 7"], [("seal_edited", 7)]),
        (["UPDATE audit_seals SET seal = '\\x00'"], [("forged", 1)]),
        (["UPDATE audit SET actor = 'x'"], [("forged", 1)]),
        (
            [
                "DELETE FROM audit_seals WHERE seal_no = 7",
                "UPDATE audit_seals SET seal_no = seal_no + 100000 WHERE seal_no > 7",
                "UPDATE audit_seals SET seal_no = seal_no - 100001 WHERE seal_no > 7",
            ],
            [("forged", 7), ("inserted", None)],
        ),
    ],
)
def test_tampering_is_found(
    check: Check, tamper: Tamper, statements: list[str], expected: list[tuple[str, int | None]]
) -> None:
    """Once, at its place; what is without a seal then is told besides."""
    tamper(*statements)
    assert _found(check()) == expected


def test_inserted_row_is_found(check: Check, tamper: Tamper) -> None:
    """One that no table wrote: no seal, and it waits for none."""
    tamper("INSERT INTO audit (action, entity, entity_id, label) VALUES ('insert', 'sites', '1', 'S')")
    assert _found(check()) == [("inserted", None)]


def test_inserted_row_with_a_made_up_seal_is_found(check: Check, tamper: Tamper) -> None:
    """Nobody without the key makes one that fits."""
    tamper(
        "INSERT INTO audit (action, entity, entity_id, label) VALUES ('insert', 'sites', '1', 'S')",
        "INSERT INTO audit_seals SELECT (SELECT max(seal_no) + 1 FROM audit_seals), max(audit_id), sha256('x')"
        " FROM audit",
    )
    verdict = check()
    assert _found(verdict) == [("forged", verdict.seal_no)]


def test_row_that_is_deleted_before_its_seal_is_found(
    check: Check, connection: Connection, tamper: Tamper, seal_all: Callable[[], int]
) -> None:
    """The queue remembers it, also when others are sealed since."""
    connection.execute("INSERT INTO merchants (merchant_code, name) VALUES ('N1', 'x'), ('N2', 'x')")
    tamper("DELETE FROM audit WHERE label = 'N1'")
    assert _found(check()) == [("deleted", None)]
    assert seal_all() == 1
    assert _found(check()) == [("deleted", None)]


def test_late_rows_are_found_and_young_ones_are_not(check: Check, connection: Connection, tamper: Tamper) -> None:
    """A fleet that does not seal is noticed after some minutes."""
    connection.execute("INSERT INTO merchants (merchant_code, name) VALUES ('N1', 'x')")
    verdict = check()
    assert (verdict.is_whole, verdict.waiting) == (True, 1)
    tamper("UPDATE audit SET at = now() - INTERVAL '6 minutes' WHERE label = 'N1'")
    assert _found(check()) == [("unsealed", None)]


CUT = [
    "CREATE TEMP TABLE cut ON COMMIT DROP AS SELECT * FROM audit_seals WHERE seal_no > 10",
    "DELETE FROM audit WHERE audit_id IN (SELECT audit_id FROM cut)",
    "DELETE FROM audit_seals WHERE seal_no > 10",
]


def test_cut_tail_is_not_found_without_anchors(check: Check, tamper: Tamper) -> None:
    """Nothing in the database tells; the warning without anchors says so."""
    tamper(*CUT)
    without = check()
    assert (without.is_whole, without.seal_no, len(without.warnings)) == (True, 10, 1)


def test_cut_tail_is_found(check: Check, tamper: Tamper, note_head: NoteHead) -> None:
    """By the anchor beyond the end."""
    head = note_head()
    tamper(*CUT)
    verdict = check()
    assert _found(verdict) == [("cut_tail", 10)]
    assert f"was at seal {head}" in verdict.findings[0].sentence


def test_tail_that_grew_anew_with_good_seals_is_found(
    check: Check, tamper: Tamper, note_head: NoteHead, change: Callable[..., None]
) -> None:
    """The fleet itself seals what comes after a cut; only the anchor knows better."""
    head = note_head()
    tamper(*CUT)
    # Beyond where it was cut, whatever migrations have left: a shorter chain is a cut tail.
    for number in range(head):
        change(f"INSERT INTO merchants (merchant_code, name) VALUES ('N{number}', 'x')")  # noqa: S608
    note_head()
    assert _found(check()) == [("contradicts_anchor", head)]


def test_tail_that_grew_anew_with_made_up_seals_is_found(check: Check, tamper: Tamper, note_head: NoteHead) -> None:
    """By the seals and by the anchor."""
    head = note_head()
    tamper(
        "UPDATE audit SET actor = 'x' WHERE audit_id IN (SELECT audit_id FROM audit_seals WHERE seal_no > 10)",
        "UPDATE audit_seals SET seal = sha256(seal) WHERE seal_no > 10",
    )
    assert _found(check()) == [("forged", 11), ("contradicts_anchor", head)]


def test_edited_anchor_is_found(check: Check, note_head: NoteHead, anchor_file: Path) -> None:
    """By its line."""
    note_head()
    anchor_file.write_text(anchor_file.read_text().replace('"seal_no": ', '"seal_no": 1'))
    assert _found(check()) == [("anchor_edited", None)]


def test_wrong_key_is_found(connection: Connection, anchor_file: Path, note_head: NoteHead, tmp_path: Path) -> None:
    """It alone is told: with it nothing else is known."""
    note_head()
    other = tmp_path / "other.key"
    other.write_text("ab" * 32)
    assert _found(verify(connection, Keys(other), anchor_file)) == [("wrong_key", None)]
    with pytest.raises(KeyFileError, match="TRACEFLEET_KEY_FILE"):
        verify(connection, Keys(tmp_path / "none.key"), anchor_file)


def test_changed_digest_of_the_key_is_found(check: Check, tamper: Tamper) -> None:
    """The chain still fits the file's key, and says so."""
    tamper("UPDATE key_fingerprints SET fingerprint = '\\x00' WHERE purpose = 'audit'")
    verdict = check()
    assert _found(verdict) == [("wrong_key", None)]
    assert verdict.sealed > 20


def test_verifying_changes_nothing_and_tells_its_progress(
    connection: Connection, keys: Keys, anchor_file: Path
) -> None:
    """A connection that may only read is enough."""
    connection.execute("SET default_transaction_read_only = on")
    steps: list[tuple[int, int]] = []
    verdict = verify(connection, keys, anchor_file, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (verdict.sealed, verdict.sealed)
    assert not anchor_file.exists()
