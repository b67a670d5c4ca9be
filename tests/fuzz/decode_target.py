"""Looks for bytes that decode answers with anything but a message or a reason, guided by coverage (atheris, libFuzzer).

Not part of the suite; atheris has wheels for Linux on x86_64 and is no dependency of the project:

    pip install atheris==3.0.0
    python -m tests.fuzz.decode_target CORPUS_FOLDER -max_total_time=180 -timeout=10

The folder is made and seeded when it is empty. An input that breaks a promise is written to ``crash-…``, one that takes
longer than the given seconds to ``timeout-…``, in the current folder; then the exit status is not 0.
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

try:
    import atheris  # type: ignore[import-untyped]
except ImportError:
    sys.exit("atheris is not installed: pip install atheris==3.0.0")

with atheris.instrument_imports(include=["ingest"]):
    from ingest.decode import decode, decode_presence
    from ingest.refusal import REASONS, Refused
    from store.records import TELEMETRY

NOW: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
STREAMS: Final = (*TELEMETRY.values(), None)
RECORDS: Final[dict[str, list[dict[str, Any]]]] = {
    "coldchain": [
        {"at": "2026-11-23T08:00:00Z", "temperature_c": 2.1, "humidity_pct": 81.0, "probe": "a", "door_open": False},
        {"at": 1795420800000, "temperature_c": None, "fault": "open circuit"},
        {"uptime_ms": 5000, "temperature_c": -18},
        {"at": "1970-01-01T00:00:00+08:00", "temperature_c": 2**64},
        {"at": "infinity", "temperature_c": float("nan"), "x": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]},
    ],
    "weighing": [
        {
            "at": "2026-11-23T08:00:00.123+08:00",
            "trade_no": "T1",
            "kind": "sale",
            "net_g": 500,
            "unit_price_fen_per_kg": 2000,
            "amount_fen": 1000,
            "stable": True,
            "goods_name": "猪肉\0\ud83d",
        }
    ],
    "scan": [{"at": 0, "code": "41", "purpose": "sale", "result": "ok", "elapsed_ms": 2**31}],
    "status": [{"at": "9999-12-31T23:59:59Z", "uptime_s": 1, "errors": ["E1", 2], "backlog": 10**30}],
}


def seeds() -> Iterator[bytes]:
    """Messages that go each of decode's ways; the first byte says on which stream."""
    for number, stream in enumerate(STREAMS):
        first = bytes([number])
        yield from (first + raw for raw in (b"", b"null", b"[" * 600, b'"\\u0000\\ud83d', b"\xef\xbb\xbf{}"))
        # A text of quotes that nobody closes: what looks for its end from each of them takes minutes.
        yield first + b'"' + b'\\"' * 100_000
        if stream is None:
            yield first + b'{"v":1,"boot":"b1","state":"offline"}'
            continue
        records = RECORDS[stream.name]
        for chosen in (*([record] for record in records), records, records[:1] * 501):
            yield (
                first
                + json.dumps({"v": 1, "boot": "b1", "seq": 2**63 - 2, "sent_at": None, "records": chosen}).encode()
            )


def one_input(data: bytes) -> None:
    """Decode *data* and hold the outcome against what decode promises."""
    if not data:
        return
    stream, payload = STREAMS[data[0] % len(STREAMS)], data[1:]
    try:
        if stream is None:
            decode_presence(payload)
            return
        got = decode(payload, stream, NOW)
    except Refused as refused:
        assert refused.reason in REASONS, refused.reason  # noqa: PT017 - both ways out are right
        return
    indexes = [*got.indexes] + [refusal.record_index for refusal in got.refusals]
    assert sorted(indexes) == list(range(got.records)), indexes
    assert all(refusal.reason in REASONS for refusal in got.refusals), got.refusals
    assert len(got.indexes) == len(got.readings), got
    assert all(len(reading) == 1 + len(stream.columns) for reading in got.readings), got.readings


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for number, seed in enumerate(seeds()):
            (folder / f"seed-{number:03}").write_bytes(seed)


def main() -> None:
    """Fuzz until libFuzzer's own options end it."""
    for folder in sys.argv[1:]:
        if not folder.startswith("-"):
            _seed(Path(folder))
    target: Callable[[bytes], None] = one_input
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
