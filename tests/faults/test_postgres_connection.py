"""The connection to PostgreSQL cut at the worst places of a transaction."""

from typing import get_args

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.scissors import Place, Scissors
from tests.faults.waiting import until

CUT_SECONDS = 20.0
RECORDS_PER_MESSAGE = 5
PLACES = {
    "in_copy": "inside the data of a COPY",
    "before_commit": "before COMMIT reaches the server",
    "after_commit_sent": "right after COMMIT is sent",
    "before_commit_answered": "COMMIT done, its answer lost",
}


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=pytest.mark.fault(f"connection cut: {PLACES[place]}")) for place in get_args(Place)],
)
def test_nothing_is_lost_or_doubled_when_the_connection_is_cut(
    make_stage: MakeStage, steady_url: str, place: Place
) -> None:
    """Whether the transaction is there or not, ingest writes the batch again, and each record stands once."""
    stage = make_stage(steady_url)
    url, port = _without_port(steady_url)
    with Scissors(port, seed=7) as scissors:
        ingest = stage.ingest(database_url=url.format(port=scissors.port))
        ingest.start()
        stage.figures.saw_rss(ingest.rss_mb())
        devices = stage.devices(rate=stage.profile.rate, limit=10**9, records_per_message=RECORDS_PER_MESSAGE)
        for _ in range(stage.profile.cuts):
            assert scissors.cut_next(place, seconds=CUT_SECONDS), "no transaction came to that place"
            before = stage.stored()
            stage.figures.recovery_seconds.append(stage.until_stored(before + 1, seconds=CUT_SECONDS))
        stage.figures.saw_rss(ingest.rss_mb())
        until(ingest.is_ready, seconds=20, what="ingest is ready again")
        stage.figures.more["cuts"] = scissors.cuts
        books = stage.reckon(devices, ingest)
    assert scissors.cuts == stage.profile.cuts
    # What was committed in secret is found again; what never was is not.
    if place == "before_commit_answered":
        assert books.duplicates >= stage.profile.cuts
    elif place != "after_commit_sent":
        assert books.duplicates == 0


def _without_port(url: str) -> tuple[str, int]:
    head, _, rest = url.rpartition(":")
    port, slash, tail = rest.partition("/")
    return f"{head}:{{port}}{slash}{tail}", int(port)
