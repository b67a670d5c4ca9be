"""Bad inputs about time: clocks that are wrong, and ways of writing a time."""

from datetime import timedelta
from typing import Final

from tests.integration.bad_inputs.case import NOW, Case, Letter, Sent, at, bad_record, bad_time, good, message

STAMP: Final = f"{NOW:%Y-%m-%dT%H:%M:%S}"
SECONDS: Final = int(NOW.timestamp())


def _stored(row: str, name: str, json_value: str, *, clock_ahead: bool = False) -> Case:
    """A record whose time is *json_value*, between two good ones that come without a mark."""
    raw = f'{{"at":{json_value},"temperature_c":1}}'
    return Case(row, name, (Sent(message(raw)),), stored=(0,), clock_ahead=clock_ahead)


def _refused(name: str, text: str) -> Case:
    return bad_time("ways to write a time", name, f'"{text}"', "bad_record")


CLOCK: Final = [
    bad_time("wrong clock", name, value, "clock_out_of_range")
    for name, value in (
        ("1970", '"1970-01-01T00:00:00Z"'),
        ("0 ms", "0"),
        ("-1 ms", "-1"),
        ("year 1", '"0001-01-01T00:00:00+14:00"'),
        ("year 9999", '"9999-12-31T23:59:59Z"'),
        ("the end of 9999, west of Greenwich", '"9999-12-31T23:59:59-14:00"'),
        ("year 10000", '"10000-01-01T00:00:00Z"'),
        ("infinity", '"infinity"'),
        ("-infinity", '"-infinity"'),
        ("seconds for milliseconds", str(SECONDS)),
        ("microseconds", str(SECONDS * 10**6)),
        ("nanoseconds", str(SECONDS * 10**9)),
        ("2^63 - 1", str(2**63 - 1)),
        ("-2^63", str(-(2**63))),
        ("2^63", str(2**63)),
        ("2^64", str(2**64)),
        ("1e300", "1e300"),
        ("366 days ago", at(days=-366)),
        ("26 h ahead", at(hours=26)),
    )
] + [
    _stored("wrong clock", "364 days ago is not", at(days=-364)),
    _stored("wrong clock", "milliseconds are not", str(SECONDS * 1000)),
]
# The edge at 5 minutes is in test_history.
AHEAD: Final = [
    _stored("clock ahead", "4 min is not", at(minutes=4)),
    _stored("clock ahead", "2 h", at(hours=2), clock_ahead=True),
    _stored("clock ahead", "23 h 59 min", at(hours=23, minutes=59), clock_ahead=True),
    _stored("clock ahead", "12 h, in milliseconds", str((SECONDS + 43_200) * 1000), clock_ahead=True),
]
NO_TIME: Final = [
    bad_record("no time", "neither at nor uptime_ms", '{"temperature_c":1}', "no_time"),
    bad_record("no time", "at null", '{"at":null,"temperature_c":1}', "no_time"),
    bad_record("no time", "both null", '{"at":null,"uptime_ms":null,"temperature_c":1}', "no_time"),
    *(
        bad_record("no time", f"uptime_ms {value}", f'{{"uptime_ms":{value},"temperature_c":1}}', reason)
        for value, reason in (
            ("-1", "out_of_range"),
            ("1.0", "bad_record"),
            ('"1"', "bad_record"),
            ("true", "bad_record"),
        )
    ),
    Case(
        "no time",
        "uptime_ms is one",
        (Sent(message('{"uptime_ms":5000,"temperature_c":1}', '{"uptime_ms":6000,"temperature_c":1}')),),
        stored=(0, 1),
    ),
]
EAST: Final = f"{NOW + timedelta(hours=8):%Y-%m-%dT%H:%M:%S}"
FAR_EAST: Final = f"{NOW + timedelta(hours=23, minutes=59):%Y-%m-%dT%H:%M:%S}"
WAYS: Final = [
    *(
        _stored("ways to write a time", name, f'"{text}"')
        for name, text in (
            ("Z", f"{STAMP}Z"),
            ("lower case", f"{STAMP}z".replace("T", "t")),
            ("a space", f"{STAMP}Z".replace("T", " ")),
            ("milliseconds", f"{STAMP}.123Z"),
            ("9 digits of a second", f"{STAMP}.123456789Z"),
            ("Beijing", f"{EAST}+08:00"),
            ("-00:00", f"{STAMP}-00:00"),
            ("+23:59", f"{FAR_EAST}+23:59"),
        )
    ),
    _refused("no offset", STAMP),
    _refused("a date alone", f"{NOW:%Y-%m-%d}"),
    _refused("+24:00", f"{STAMP}+24:00"),
    _refused("24:00:00", f"{NOW:%Y-%m-%d}T24:00:00Z"),
    _refused("25:00:00", f"{NOW:%Y-%m-%d}T25:00:00Z"),
    # A leap second is in RFC 3339's grammar; there has been none since 2016, and no column holds one.
    _refused("a leap second", f"{NOW:%Y-%m-%dT%H:%M}:60Z"),
    _refused("30 February", f"{NOW:%Y}-02-30T00:00:00Z"),
    _refused("month 13", f"{NOW:%Y}-13-01T00:00:00Z"),
    _refused("year 0000", "0000-01-01T00:00:00Z"),
    _refused("a sign", f"+{STAMP}Z"),
    _refused("a blank behind", f"{STAMP}Z "),
    _refused("full-width digits", f"２０{STAMP[2:]}Z"),
    _refused("yesterday", "yesterday"),
    _refused("nothing", ""),
    _refused("NULL", "NULL"),
    bad_time("ways to write a time", "milliseconds as a text", f'"{SECONDS}000"', "bad_record"),
    bad_time("ways to write a time", "milliseconds with a fraction", f"{SECONDS}000.0", "bad_record"),
    bad_time("ways to write a time", "milliseconds with an exponent", f"{SECONDS}e3", "bad_record"),
    bad_time("ways to write a time", "true", "true", "bad_record"),
    bad_time("ways to write a time", "an array", f"[{SECONDS}000]", "bad_record"),
    Case(
        "ways to write a time",
        "each record its own way",
        (Sent(message(good(), f'{{"at":{SECONDS}000,"temperature_c":1}}', '{"at":"soon","temperature_c":1}')),),
        (Letter("bad_record", 2),),
        stored=(0, 1),
    ),
]
