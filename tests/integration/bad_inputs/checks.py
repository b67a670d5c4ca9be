"""All cases, and what holds of each of them afterwards."""

from collections import Counter
from typing import Final

from tests.integration.bad_inputs import senders, times, values
from tests.integration.bad_inputs.case import Case
from tests.integration.bad_inputs.world import NEIGHBOUR, World, device_of, topic_of

CASES: Final[list[Case]] = [
    *values.NOT_FINITE,
    *values.TOO_LARGE_NUMBERS,
    *values.NUL,
    *values.UTF8,
    *values.DEEP,
    *values.SHAPE,
    *values.TWICE,
    *values.SIZE,
    *times.CLOCK,
    *times.AHEAD,
    *times.NO_TIME,
    *times.WAYS,
    *senders.LEDGER,
    *senders.AGAIN,
    *senders.TRANSPORT,
    *senders.TOPICS,
]
OUTCOMES: Final = ("stored", "duplicate", "conflict", "dead_lettered")
STREAMS: Final = ("weighing", "scan", "coldchain", "status", "presence", "unknown")


def assert_case(world: World, number: int) -> None:
    """The case so numbered left exactly what it had to leave, and its neighbour is stored."""
    case = CASES[number]
    assert all(world.taken[number])
    _assert_letters(world, case, number)
    rows = world.rows.get((device_of(number), case.stream), [])
    assert [row["seq"] for row in rows] == list(case.stored)
    assert all(row["clock_ahead"] == case.clock_ahead for row in rows)
    assert {name: rows[0][name] for name in case.first_row} == case.first_row
    assert world.conflicts[device_of(number)] == case.conflict
    assert number in {row["seq"] for row in world.rows[NEIGHBOUR, "coldchain"]}


def _assert_letters(world: World, case: Case, number: int) -> None:
    payloads = {topic_of(case, number, sent.topic).decode(): set[bytes]() for sent in case.sent}
    for sent in case.sent:
        payloads[topic_of(case, number, sent.topic).decode()].add(sent.payload)
    letters = [letter for letter in world.letters if letter["topic"] in payloads]
    assert sorted((row["reason"], row["record_index"], row["records"]) for row in letters) == sorted(
        (letter.reason, letter.index, letter.records) for letter in case.letters
    )
    for letter in letters:
        assert bytes(letter["payload"]) in payloads[letter["topic"]]
        speaker, stream = letter["topic"].split("/")[2:] if letter["reason"] != "bad_topic" else (None, None)
        assert (letter["device_no"], letter["stream"]) == (speaker, stream)
        assert letter["detail"]


def expected_account() -> dict[str, Counter[str]]:
    """By stream what the cases and their neighbours add up to."""
    account = {stream: Counter[str]() for stream in STREAMS}
    account["coldchain"].update(stored=len(CASES))
    for number, case in enumerate(CASES):
        level = topic_of(case, number, case.sent[0].topic).decode().rpartition("/")[2]
        is_nowhere = any(letter.reason == "bad_topic" for letter in case.letters)
        account["unknown" if is_nowhere or level not in STREAMS else level].update(
            stored=len(case.stored),
            duplicate=case.duplicate,
            conflict=case.conflict,
            dead_lettered=sum(letter.records for letter in case.letters),
        )
    return account
