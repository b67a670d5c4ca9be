"""The account of ingest over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import httpx
import pytest

from api.ingest_stats import CountedStream
from ingest.account import STREAMS

pytestmark = pytest.mark.anyio
STATS = "/api/v1/ingest/stats"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
COUNTS = (
    "messages",
    "received",
    "stored",
    "duplicate",
    "conflict",
    "dead_lettered",
    "late",
    "backfilled",
    "clock_ahead",
)


def _minute(city: Any, at: datetime, stream: str, counts: tuple[int, ...], worker: str = "ingest-1") -> None:
    city.add("ingest_stats", bucket_at=at, worker=worker, stream=stream, **dict(zip(COUNTS, counts, strict=True)))


def _counts(part: dict[str, Any]) -> tuple[int, ...]:
    return tuple(part[name] for name in COUNTS)


@pytest.fixture
def minutes(city: Any) -> None:
    """Two workers, two streams, two minutes, and one minute outside."""
    _minute(city, START, "weighing", (1, 10, 7, 1, 1, 1, 2, 1, 1))
    _minute(city, START, "weighing", (2, 5, 5, 0, 0, 0, 0, 0, 2), worker="ingest-2")
    _minute(city, START + timedelta(minutes=2), "coldchain", (1, 3, 0, 3, 0, 0, 3, 3, 0))
    _minute(city, START + timedelta(hours=1), "coldchain", (9, 9, 9, 0, 0, 0, 0, 0, 0))


HOUR = {"from": "2026-11-20T08:00:30Z", "to": "2026-11-20T09:00:00Z"}


@pytest.mark.usefixtures("minutes")
async def test_stats_add_up(client: httpx.AsyncClient) -> None:
    """In all, by stream, and by minute, whichever worker counted; `from` moves back to its minute."""
    body = (await client.get(STATS, params=HOUR)).json()
    assert (body["from"], body["to"], body["step_seconds"]) == ("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", 60)
    assert _counts(body["total"]) == (4, 18, 12, 4, 1, 1, 5, 4, 3)
    assert {part["stream"]: _counts(part) for part in body["streams"]} == {
        "coldchain": (1, 3, 0, 3, 0, 0, 3, 3, 0),
        "weighing": (3, 15, 12, 1, 1, 1, 2, 1, 3),
    }
    assert [(point["at"], _counts(point)) for point in body["series"]] == [
        ("2026-11-20T08:00:00Z", (3, 15, 12, 1, 1, 1, 2, 1, 3)),
        ("2026-11-20T08:02:00Z", (1, 3, 0, 3, 0, 0, 3, 3, 0)),
    ]


@pytest.mark.usefixtures("minutes")
async def test_stats_of_one_stream(client: httpx.AsyncClient) -> None:
    """The filter holds for every part."""
    body = (await client.get(STATS, params={**HOUR, "stream": "coldchain"})).json()
    assert (body["total"]["received"], len(body["streams"]), len(body["series"])) == (3, 1, 1)


async def test_stats_when_the_stream_is_unknown(client: httpx.AsyncClient) -> None:
    """422 that names those there are: the ones that ingest counts by."""
    assert set(get_args(CountedStream)) == set(STREAMS)
    answer = await client.get(STATS, params={"stream": "wieghing"})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["name"] == "stream"
    assert all(f"'{stream}'" in error["detail"] for stream in STREAMS)
    for stream in STREAMS:
        assert (await client.get(STATS, params={"stream": stream})).status_code == 200


async def test_stats_when_nothing_came(client: httpx.AsyncClient) -> None:
    """Zeros, not nulls."""
    body = (await client.get(STATS)).json()
    assert (set(body["total"].values()), body["streams"], body["series"]) == ({0}, [], [])


@pytest.mark.usefixtures("minutes")
async def test_series_are_bounded_when_the_span_is_long(client: httpx.AsyncClient) -> None:
    """The step grows so that the points stay within 1,441; the counts stay the same."""
    found = []
    for days in (1, 1.01, 5, 5.01, 60, 60.1, 400):
        end = START + timedelta(hours=2)
        params = {"from": (end - timedelta(days=days)).isoformat(), "to": end.isoformat()}
        body = (await client.get(STATS, params=params)).json()
        assert sum(point["received"] for point in body["series"]) == body["total"]["received"] == 27
        found.append(body["step_seconds"])
    assert found == [60, 300, 300, 3600, 3600, 86400, 86400]


async def test_stats_when_a_parameter_is_wrong(client: httpx.AsyncClient) -> None:
    """The same rules for spans as everywhere."""
    for params in ({"from": "2020-01-01T00:00:00Z"}, {"stream": "a\x00"}, {"to": "now"}, {"streams": "scan"}):
        assert (await client.get(STATS, params=params)).status_code == 422, params
