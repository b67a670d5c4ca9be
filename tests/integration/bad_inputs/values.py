"""Bad inputs that are wrong in themselves: numbers, texts, shapes, sizes and times."""

import gzip
from typing import Final

from tests.integration.bad_inputs.case import (
    Case,
    Letter,
    Sent,
    among,
    at,
    bad_message,
    bad_record,
    bad_value,
    good,
    harmless,
    message,
)

KIB: Final = 1024
GRAMS: Final = '"trade_no":"T","kind":"sale","unit_price_fen_per_kg":1,"amount_fen":1,"stable":true'


def _grams(row: str, name: str, number: str, reason: str) -> Case:
    return bad_record(row, name, f'{{"at":{at()},{GRAMS},"net_g":{number}}}', reason, "weighing")


def _filled(size: int) -> bytes:
    """A good message of exactly *size* bytes."""
    payload = message(good(), good(), good(), more=',"x":""')
    return payload.replace(b'"x":""', b'"x":"' + b"x" * (size - len(payload)) + b'"')


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


NOT_FINITE: Final = [
    bad_value("not finite", text, text, "non_finite") for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400")
] + [
    bad_message("not finite", "NaN for a sequence number", message(good(), seq="NaN"), "non_finite"),
    bad_record(
        "not finite", "NaN on the way to an integer", f'{{"at":{at()},{GRAMS},"net_g":NaN}}', "non_finite", "weighing"
    ),
]
TOO_LARGE_NUMBERS: Final = [
    _grams("integer too large", name, number, "out_of_range")
    for name, number in (
        ("2^31", str(2**31)),
        ("-2^31 - 1", str(-(2**31) - 1)),
        ("2^63", str(2**63)),
        ("2^64", str(2**64)),
        ("5000 digits", "9" * 5000),
    )
] + [
    bad_value("integer too large", "2^64 for a double", str(2**64), "out_of_range"),
    bad_message("integer too large", "seq of 2^63", message(good(), seq=str(2**63)), "out_of_range"),
    bad_message("integer too large", "seq of 2^64", message(good(), seq=str(2**64)), "out_of_range"),
    bad_message("integer too large", "seq of -1", message(good(), seq="-1"), "out_of_range"),
    bad_record("integer too large", "uptime of 2^64", f'{{"uptime_ms":{2**64},"temperature_c":1}}', "out_of_range"),
    Case(
        "integer too large",
        "the last seq there is, and one more",
        (Sent(message(good(), good(), seq=str(2**63 - 1))),),
        (Letter("out_of_range", 1),),
        stored=(2**63 - 1,),
    ),
]
NUL: Final = [
    bad_record("NUL", "in a text", f'{{"at":{at()},"temperature_c":1,"probe":"a\\u0000b"}}', "nul_character"),
    bad_record(
        "NUL", "in a list", f'{{"at":{at()},"uptime_s":1,"errors":["E1","\\u0000"]}}', "nul_character", "status"
    ),
    bad_message("NUL", "in the boot", message(good(), boot='"b\\u0000"'), "nul_character"),
    harmless("NUL", "in a field nobody knows", message(good(), good(), good(), more=',"x":"\\u0000","\\u0000":1')),
    harmless(
        "NUL", "escaped twice is none", message(good(more=',"probe":"\\\\u0000"'), good(), good()), probe="\\u0000"
    ),
    bad_message("NUL", "as a raw byte", among(f'{{"at":{at()},"temperature_c":1,"probe":"\0"}}'), "bad_json"),
]
PROBE: Final = b'{"at":' + at().encode() + b',"temperature_c":1,"probe":"%b"}'
UTF8: Final = [
    bad_record("not UTF-8", "bytes of Latin-1", PROBE % b"k\xfchl", "bad_utf8"),
    bad_record("not UTF-8", "overlong", PROBE % b"\xc0\x80", "bad_utf8"),
    bad_record("not UTF-8", "a surrogate encoded", PROBE % b"\xed\xa0\xbd", "bad_utf8"),
    bad_record("not UTF-8", "a lone surrogate escaped", PROBE % b"\\ud83d", "bad_utf8"),
    bad_record("not UTF-8", "surrogates in the wrong order", PROBE % b"\\ude00\\ud83d", "bad_utf8"),
    bad_message("not UTF-8", "UTF-16", message(good()).decode().encode("utf-16"), "bad_utf8"),
    bad_message("not UTF-8", "gzip", gzip.compress(message(good()), mtime=0), "bad_utf8"),
    bad_message("not UTF-8", "outside of any text", b"\xff" + message(good()), "bad_utf8"),
    harmless(
        "not UTF-8",
        "a pair of surrogates is a letter",
        message(good(more=',"probe":"\\ud83d\\ude00"'), good(), good()),
        probe="😀",
    ),
]
DEEP: Final = [
    bad_record("too deep", "depth 17 in a record", f'{{"at":{at()},"temperature_c":1,"x":{_nested(14)}}}', "too_deep"),
    harmless("too deep", "depth 16 is not", among(f'{{"at":{at()},"temperature_c":1,"x":{_nested(13)}}}')),
    bad_message("too deep", "depth 17 in the envelope", message(good(), more=f',"x":{_nested(16)}'), "too_deep"),
    *(
        bad_message("too deep", f"{levels:,} brackets", b"[" * levels + b"]" * levels, "too_deep")
        for levels in (1_100, 100_000)
    ),
    bad_message("too deep", "100,000 brackets that nobody closes", b"[" * 100_000, "too_deep"),
    bad_message("too deep", "20,000 objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "too_deep"),
    bad_message(
        "too deep", "1,100 in a field nobody knows", message(good(), more=f',"x":{_nested(1_100)}'), "too_deep"
    ),
    harmless("too deep", "brackets in a text are not", message(good(), good(), good(), more=f',"x":"{"[" * 1_100}"')),
]
SHAPE: Final = [
    bad_message("no message", "a byte-order mark", b"\xef\xbb\xbf" + message(good()), "bad_json"),
    bad_message("no message", "nothing", b"", "bad_json"),
    bad_message("no message", "white space", b" \n\t ", "bad_json"),
    bad_message("no message", "half a message", message(good())[:-7], "bad_json"),
    bad_message("no message", "a comma too many", message(good())[:-2] + b",]}", "bad_json"),
    bad_message("no message", "two messages", message(good()) * 2, "bad_json"),
    *(
        bad_message("no message", name, payload, "bad_message")
        for name, payload in (
            ("a number", b"17"),
            ("a text", b'"text"'),
            ("an array", b"[{}]"),
            ("null", b"null"),
            ("true", b"true"),
        )
    ),
    *(
        bad_message("no message", f"records {name}", b'{"v":1,"boot":"b1","seq":0,"records":%b}' % value, "bad_message")
        for name, value in (("missing", b'[],"x":0'), ("null", b"null"), ("an object", b"{}"), ("a text", b'"r"'))
    ),
    *(
        bad_message("no message", f"v {v}", message(good(), v=v), "bad_version")
        for v in ("2", "0", "true", "null", '"1"')
    ),
    bad_message("no message", "no v", b'{"boot":"b1","seq":0,"records":[' + good().encode() + b"]}", "bad_version"),
    *(
        bad_message("no message", f"boot {boot[:8]}", message(good(), boot=boot), "bad_message")
        for boot in ("null", "7", '""', '"b-1"', '"b1\\n"', '"' + "b" * 33 + '"', '"启"')
    ),
    *(
        bad_message("no message", f"seq {seq}", message(good(), seq=seq), "bad_message")
        for seq in ("null", '"1"', "1.5", "4711.0", "1E3", "true", "[]")
    ),
    *(
        bad_record("no record", f"a record that is {raw[:12]}", raw, "bad_record")
        for raw in ("null", "7", '"r"', "[]", "true", "{}")
    ),
    *(
        bad_value("no record", f"temperature {value}", value, "bad_record")
        for value in ('"2.1"', "true", "null", "[2.1]", "{}")
    ),
    *(
        _grams("no record", f"grams {number}", number, "bad_record")
        for number in ("500.0", "5e2", "1E5", "-0.0", "500.5", "true", '"500"', "null")
    ),
    harmless(
        "no record", "grams -0 are none", among(f'{{"at":{at()},{GRAMS},"net_g":-0}}', "weighing"), stream="weighing"
    ),
]
TWICE: Final = [
    harmless(
        "keys twice",
        "the last one counts",
        message(good(more=',"temperature_c":"warm","temperature_c":5'), good(), good(), more=',"seq":7,"seq":0'),
        temperature_c=5.0,
    ),
    bad_record("keys twice", "even when it is the bad one", good(more=',"temperature_c":"warm"'), "bad_record"),
]
SIZE: Final = [
    harmless("too large", "256 KiB is not", _filled(256 * KIB)),
    bad_message("too large", "256 KiB and a byte", _filled(256 * KIB + 1), "too_large"),
    bad_message("too large", "257 KiB", _filled(257 * KIB), "too_large"),
    bad_message("too large", "1,000 KiB of rubbish", b"\xff" * (1000 * KIB), "too_large"),
    bad_message("too large", "501 records", message(*[good()] * 501), "too_large"),
    Case("too large", "500 records are not", (Sent(message(*[good()] * 500)),), stored=tuple(range(500))),
    harmless("too large", "a key of 200 KiB", message(good(), good(), good(), more=f',"{"k" * 200 * KIB}":1')),
    harmless(
        "too large",
        "10,000 fields nobody knows",
        message(good(), good(more="".join(f',"x{number}":{number}' for number in range(10_000))), good()),
    ),
    harmless(
        "too large", "a number of 200 KiB nobody reads", message(good(), good(), good(), more=f',"x":{"9" * 200 * KIB}')
    ),
    bad_record("too large", "a text of 129", good(more=f',"probe":"{"启" * 129}"'), "out_of_range"),
    harmless(
        "too large",
        "a text of 128 is not",
        message(good(more=f',"probe":"{"启" * 128}"'), good(), good()),
        probe="启" * 128,
    ),
]
