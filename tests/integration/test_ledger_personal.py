"""Personal data of the ledger: sealed where it lies, masked wherever it is shown."""

from pathlib import Path

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.errors import KeyFileError
from fleet.keys import Keys
from fleet.ledger.entries import read_entries
from fleet.ledger.imports import import_sheet
from fleet.ledger.report import Noun, Report
from fleet.sealing import Safe

Connection = psycopg.Connection[tuple[object, ...]]
PHONE = "13800138000"
IDENTITY = "11010519491231002X"
MERCHANTS = f"merchant_code,name,phone,identity_no\n4101000010001,张记,{PHONE},{IDENTITY}\n"


def _enter(connection: Connection, keys: Keys, text: str, noun: Noun = "merchants") -> Report:
    with acting(connection, Actor("li", "tests"), keys=keys):
        return import_sheet(connection, noun, text.encode(), apply=True, keys=keys)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of the installation."""
    return Keys(tmp_path / "key")


def test_numbers_are_nowhere_in_the_database(connection: Connection, keys: Keys) -> None:
    """Not in the ledger and not in its audit, neither as text nor as the bytes of it."""
    report = _enter(connection, keys, MERCHANTS)
    everything = "SELECT m::text FROM merchants AS m UNION ALL SELECT a::text FROM audit AS a"
    for (row,) in connection.execute(everything).fetchall():
        for number in (PHONE, IDENTITY):
            assert number not in str(row)
            assert number.encode().hex() not in str(row)
    assert PHONE not in str(report)
    sealed = connection.execute("SELECT phone_sealed, identity_sealed FROM merchants").fetchone()
    assert sealed is not None
    safe = Safe.of(connection, keys)
    assert [safe.open(bytes(each)) for each in sealed] == [PHONE, IDENTITY]  # type: ignore[call-overload]


def test_entries_show_masks_and_masks_change_nothing(connection: Connection, keys: Keys) -> None:
    """What is exported comes back; another mask than the one that is held is an error."""
    _enter(connection, keys, MERCHANTS)
    with connection.transaction():
        [entry] = read_entries(connection, "merchants")
    assert (entry["phone"], entry["identity_no"]) == ("138****8000", "1101**********002X")
    same = _enter(connection, keys, "merchant_code,phone\n4101000010001,138****8000\n")
    other = _enter(connection, keys, "merchant_code,phone\n4101000010001,139****8000\n")
    assert (same.unchanged, same.errors) == (1, ())
    assert [(error.column, error.value) for error in other.errors] == [("phone", "***")]


def test_same_number_is_left_alone_and_another_is_shown_masked(connection: Connection, keys: Keys) -> None:
    """Although it is sealed anew each time, and also when the masks are the same."""
    _enter(connection, keys, MERCHANTS)
    before = connection.execute("SELECT phone_sealed FROM merchants").fetchone()
    assert _enter(connection, keys, MERCHANTS).unchanged == 1
    assert connection.execute("SELECT phone_sealed FROM merchants").fetchone() == before
    report = _enter(connection, keys, MERCHANTS.replace(PHONE, "13899998000"))
    [field] = report.changed[0].fields
    assert (field.column, field.before, field.after) == ("phone", "138****8000", "138****8000")
    assert connection.execute("SELECT phone_sealed FROM merchants").fetchone() != before


def test_wrong_numbers_are_not_repeated_in_the_report(connection: Connection, keys: Keys) -> None:
    """Under their header, without one, and in a header's place."""
    wrong = _enter(connection, keys, "merchant_code,name,phone\nM1,x,1380013800\nM2,y,,13800138001\n")
    assert [(error.row, error.value) for error in wrong.errors] == [(2, "***"), (3, "***")]
    headless = _enter(connection, keys, "M1,张记,13800138002\n")
    for report in (wrong, headless):
        assert "13800138" not in str(report)


def test_another_key_file_is_a_clear_sentence(connection: Connection, keys: Keys, tmp_path: Path) -> None:
    """And nothing is written with it."""
    _enter(connection, keys, MERCHANTS)
    other = Keys(tmp_path / "other")
    (tmp_path / "other").write_text("ab" * 32)
    with pytest.raises(KeyFileError, match="is not the key that this database was begun with"):
        import_sheet(connection, "merchants", MERCHANTS.encode(), apply=False, keys=other)
    sealed = connection.execute("SELECT phone_sealed FROM merchants").fetchone()
    assert sealed is not None
    with pytest.raises(KeyFileError, match="sealed with another key"):
        Safe(bytes(32)).open(bytes(sealed[0]))  # type: ignore[call-overload]


def test_sheet_without_personal_data_needs_no_key(connection: Connection, tmp_path: Path) -> None:
    """A dry run of it leaves no file behind."""
    keys = Keys(tmp_path / "none")
    report = import_sheet(connection, "merchants", b"merchant_code,name\nM1,x\n", apply=False, keys=keys)
    assert report.created == ("M1",)
    assert not (tmp_path / "none").exists()
