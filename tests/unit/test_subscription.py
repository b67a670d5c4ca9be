"""What a worker asks the broker for, by its settings."""

import pytest

from ingest.subscription import EVERYTHING, Subscription, subscription_of
from ingest.topic import stream_level
from store.errors import SettingsError
from store.settings import Settings


def asked(**given: object) -> Subscription:
    """The subscription of settings that need no server."""
    return subscription_of(Settings(database_url="postgresql://x/x", **given))  # type: ignore[arg-type]


def test_everything_is_one_filter() -> None:
    """So that a misspelt topic is seen; nothing of an earlier run is known yet."""
    subscription = asked()
    assert (subscription.filters, subscription.stale, subscription.is_shared) == ((EVERYTHING,), set(), False)


def test_group_takes_a_share_and_takes_the_whole_back() -> None:
    """Before there was a group, the same worker had everything."""
    subscription = asked(ingest_group="g")
    assert subscription.filters == (f"$share/g/{EVERYTHING}",)
    assert subscription.stale == {EVERYTHING}
    assert subscription.is_shared


def test_streams_are_a_filter_each() -> None:
    """For any device; in a group, a share of each."""
    assert asked(ingest_streams="weighing, scan").filters == ("tracefleet/v1/+/weighing", "tracefleet/v1/+/scan")
    assert asked(ingest_streams="scan", ingest_group="g").filters == ("$share/g/tracefleet/v1/+/scan",)


@pytest.mark.parametrize("streams", ["other", "other,status", "weighing,scan,coldchain,status,presence,other"])
def test_other_needs_everything(streams: str) -> None:
    """MQTT has no filter for the rest."""
    assert asked(ingest_streams=streams).filters == (EVERYTHING,)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"ingest_group": "g", "broker_protocol": "3.1.1"}, "TRACEFLEET_INGEST_STREAMS"),
        ({"ingest_group": "g", "ingest_streams": "status,other"}, "without TRACEFLEET_INGEST_GROUP"),
    ],
)
def test_group_that_could_not_work_is_refused(given: dict[str, object], remedy: str) -> None:
    """With what to do instead."""
    with pytest.raises(SettingsError, match=remedy):
        asked(**given)


def test_what_an_earlier_run_held_is_stale_unless_it_is_wanted() -> None:
    """And everything the session may hold is known, to be remembered in turn."""
    subscription = asked(ingest_streams="scan")
    subscription.remember(["tracefleet/v1/+/scan", "$share/old/tracefleet/v1/#"])
    assert subscription.stale == {EVERYTHING, "$share/old/tracefleet/v1/#"}
    assert subscription.held == ["$share/old/tracefleet/v1/#", EVERYTHING, "tracefleet/v1/+/scan"]


@pytest.mark.parametrize(
    ("topic", "stream"),
    [
        ("tracefleet/v1/D-1/scan", "scan"),
        ("tracefleet/v1/no device!/scan", "scan"),
        ("tracefleet/v1//scan", "scan"),
        ("tracefleet/v1/D-1/scan/more", None),
        ("tracefleet/v1/D-1", None),
        ("tracefleet/v1/D-1/Scan", None),
    ],
)
def test_stream_of_a_topic_is_what_the_broker_goes_by(topic: str, stream: str | None) -> None:
    """A device level that no device may have falls under its stream's filter all the same."""
    assert stream_level(topic) == stream


@pytest.mark.parametrize(
    ("value", "complaint"), [("wieghing", "did you mean weighing"), ("x", "known: weighing, scan"), (" , ", "some of")]
)
def test_stream_that_is_none_is_explained(value: str, complaint: str) -> None:
    """With what is near, or all there are."""
    with pytest.raises(ValueError, match=complaint):
        asked(ingest_streams=value)
