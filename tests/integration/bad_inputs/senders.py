"""Bad inputs that are wrong about who sends them, where, or how often."""

from typing import Final

from tests.integration.bad_inputs.case import Case, Letter, Sent, at, bad_message, good, harmless, message, with_qos

THREE: Final = message(good(), good(), good())
OTHER: Final = THREE.replace(b"2.1", b"9.9", 1)


def _reading(temperature_c: float, seq: int, minutes_ago: int) -> Sent:
    record = f'{{"at":{at(minutes=-minutes_ago)},"temperature_c":{temperature_c}}}'
    return Sent(message(record, seq=str(seq)))


def _elsewhere(name: str, topic: bytes, reason: str | None = "bad_topic") -> Case:
    """Three good records on a topic that is nobody's; with no reason the message is none of ingest's business."""
    letters = (Letter(reason),) if reason else ()
    return Case("topic", name, (Sent(THREE, topic),), letters)


LEDGER: Final = [
    Case("who", "an unknown device", (Sent(THREE),), (Letter("unknown_device", records=3),), state=None),
    Case("who", "an unknown device with rubbish", (Sent(b"\xff"),), (Letter("unknown_device"),), state=None),
    Case("who", "a retired device", (Sent(THREE),), (Letter("retired_device", records=3),), state="disposed"),
    Case(
        "who",
        "a logger that weighs",
        (Sent(THREE, b"tracefleet/v1/%b/weighing"),),
        (Letter("wrong_stream", records=3),),
    ),
    Case(
        "who",
        "a logger that scans",
        (Sent(message(good("scan"), good("scan")), b"tracefleet/v1/%b/scan"),),
        (Letter("wrong_stream", records=2),),
    ),
]
AGAIN: Final = [
    Case("again", "without DUP", (Sent(THREE), Sent(THREE)), stored=(0, 1, 2), duplicate=3),
    Case("again", "with DUP", (Sent(THREE), Sent(THREE, dup=True)), stored=(0, 1, 2), duplicate=3),
    Case("again", "DUP on the first is no reason to drop it", (Sent(THREE, dup=True),), stored=(0, 1, 2)),
    Case("again", "in another parcel", (Sent(THREE), Sent(message(good(), seq="2"))), stored=(0, 1, 2), duplicate=1),
    Case(
        "again", "refused twice is kept once", (Sent(b"rubbish"), Sent(b"rubbish")), (Letter("bad_json"),), duplicate=1
    ),
    Case(
        "another body",
        "the first stays",
        (Sent(THREE), Sent(OTHER), Sent(OTHER)),
        stored=(0, 1, 2),
        duplicate=5,
        conflict=1,
        first_row={"temperature_c": 2.1},
    ),
    Case(
        "another body",
        "within one message, by a key that comes twice",
        (Sent(message(good(), good(more=',"temperature_c":9.9'), good())), Sent(THREE)),
        stored=(0, 1, 2),
        duplicate=2,
        conflict=1,
    ),
    Case(
        "out of order",
        "the latest value stays",
        (_reading(3.0, 30, 1), _reading(1.0, 10, 3), _reading(2.0, 20, 2)),
        stored=(10, 20, 30),
    ),
    Case(
        "twice in one upsert",
        "many in one batch",
        tuple(_reading(n, n, 60 - n) for n in range(20)),
        stored=tuple(range(20)),
    ),
]
TRANSPORT: Final = [
    *(with_qos(harmless("transport", "three records", THREE), qos) for qos in (0, 1, 2)),
    *(with_qos(bad_message("transport", "rubbish", b"rubbish", "bad_json"), qos) for qos in (0, 1, 2)),
    Case(
        "transport",
        "rubbish, retained, and forgotten again",
        (Sent(b"x", retain=True), Sent(b"", retain=True)),
        (Letter("bad_json"),) * 2,
    ),
    Case(
        "transport",
        "a birth without a state",
        (Sent(b'{"v":1,"boot":"b1"}', b"tracefleet/v1/%b/presence"),),
        (Letter("bad_message"),),
    ),
    Case("transport", "no birth at all", (Sent(b"", b"tracefleet/v1/%b/presence"),), (Letter("bad_json"),)),
]
# Each is a topic that both brokers of this project pass on; %b is the device.
TOPICS: Final = [
    _elsewhere("the root", b"tracefleet/v1"),
    _elsewhere("the root and an empty level", b"tracefleet/v1/"),
    _elsewhere("no device", b"tracefleet/v1//coldchain"),
    _elsewhere("no stream", b"tracefleet/v1/%b"),
    _elsewhere("an empty level behind", b"tracefleet/v1/%b/coldchain/"),
    _elsewhere("a level behind", b"tracefleet/v1/%b/coldchain/x"),
    _elsewhere("capitals", b"tracefleet/v1/%b/COLDCHAIN"),
    _elsewhere("a stream nobody knows", b"tracefleet/v1/%b/gossip"),
    _elsewhere("a device of 65 characters", b"tracefleet/v1/" + b"d" * 65 + b"/coldchain"),
    Case(
        "topic",
        "a device of 64 characters",
        (Sent(THREE, b"tracefleet/v1/" + b"d" * 64 + b"/coldchain"),),
        (Letter("unknown_device", records=3),),
        state=None,
    ),
    _elsewhere("a letter that is no ASCII", "tracefleet/v1/秤/coldchain".encode()),
    _elsewhere("an emoji", "tracefleet/v1/😀/coldchain".encode()),
    _elsewhere("a dot", b"tracefleet/v1/%b.1/coldchain"),
    _elsewhere("wildcards of NATS", b"tracefleet/v1/*/>"),
    _elsewhere("4 KiB", b"tracefleet/v1/%b/" + b"x" * 4096),
    _elsewhere("60 KiB", b"tracefleet/v1/%b/" + b"x" * 60_000),
    _elsewhere("150 empty levels", b"tracefleet/v1/%b" + b"/" * 150),
    _elsewhere("a command, which goes the other way", b"tracefleet/v1/%b/command", None),
    _elsewhere("a level before", b"/tracefleet/v1/%b/coldchain", None),
    _elsewhere("$SYS", b"$SYS/%b", None),
    _elsewhere("a share", b"$share/g/tracefleet/v1/%b/coldchain", None),
]
# These no broker passes on: it closes the connection, and ingest never sees them.
REFUSED_TOPICS: Final = {
    "a wildcard for the device": b"tracefleet/v1/+/coldchain",
    "a wildcard for everything": b"tracefleet/v1/#",
    "bytes that are no UTF-8": b"tracefleet/v1/\xff/coldchain",
    "a surrogate": b"tracefleet/v1/\xed\xa0\x80/coldchain",
    "NUL": b"tracefleet/v1/D\0/coldchain",
    "a line end": b"tracefleet/v1/D/coldchain\n",
    "a tab": b"tracefleet/v1/D\t/coldchain",
    "nothing": b"",
}
