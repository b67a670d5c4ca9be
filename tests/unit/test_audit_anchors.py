"""The anchor file: appended by any number, whole after a crash, honest about what it did not write."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.audit import anchors
from fleet.errors import AnchorFileError

KEY = b"k" * 32


def _seal(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_head_is_noted_when_it_moved_only(tmp_path: Path) -> None:
    """The same head twice is one line; folders are made."""
    file = tmp_path / "far" / "anchors.jsonl"
    assert [anchors.append(file, KEY, number, _seal(number)) for number in (1, 1, 2)] == [True, False, True]
    assert [(anchor.seal_no, anchor.seal) for anchor in anchors.read(file, KEY).anchors] == [
        (1, _seal(1).hex()),
        (2, _seal(2).hex()),
    ]


def test_missing_file_holds_no_anchors(tmp_path: Path) -> None:
    """And is no error."""
    assert anchors.read(tmp_path / "none", KEY) == anchors.Noted()


def test_edited_line_is_noticed(tmp_path: Path) -> None:
    """By its number; the others are good."""
    file = tmp_path / "anchors"
    for number in (1, 2, 3):
        anchors.append(file, KEY, number, _seal(number))
    file.write_text(file.read_text().replace('"seal_no": 2', '"seal_no": 4'))
    noted = anchors.read(file, KEY)
    assert ([anchor.seal_no for anchor in noted.anchors], noted.foreign, noted.torn) == ([1, 3], [2], 0)


def test_lines_of_another_key_are_foreign(tmp_path: Path) -> None:
    """So are lines that are no anchors."""
    file = tmp_path / "anchors"
    anchors.append(file, b"other" * 8, 1, _seal(1))
    with file.open("a") as out:
        out.write("hello\n{}\n[]\n")
    assert anchors.read(file, KEY).foreign == [1, 2, 3, 4]


def test_torn_line_costs_nothing_but_itself(tmp_path: Path) -> None:
    """What a crash cut off is passed over, also when others follow."""
    file = tmp_path / "anchors"
    for number in (1, 2):
        anchors.append(file, KEY, number, _seal(number))
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert [anchor.seal_no for anchor in anchors.read(file, KEY).anchors] == [1]
    anchors.append(file, KEY, 3, _seal(3))
    noted = anchors.read(file, KEY)
    assert ([anchor.seal_no for anchor in noted.anchors], noted.foreign, noted.torn) == ([1, 3], [], 1)


def test_lines_do_not_mix_when_many_append_at_once(tmp_path: Path) -> None:
    """Every head of every thread is there once."""
    file = tmp_path / "anchors"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: anchors.append(file, KEY, number, _seal(number)), range(1, 201)))
    noted = anchors.read(file, KEY)
    assert sorted(anchor.seal_no for anchor in noted.anchors) == list(range(1, 201))
    assert (noted.foreign, noted.torn) == ([], 0)


def test_file_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    """With the setting to change."""
    with pytest.raises(AnchorFileError, match="TRACEFLEET_AUDIT_ANCHOR_FILE"):
        anchors.append(tmp_path, KEY, 1, _seal(1))
    with pytest.raises(AnchorFileError, match="Is a directory"):
        anchors.read(tmp_path, KEY)
