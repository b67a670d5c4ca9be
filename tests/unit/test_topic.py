"""The grammar of topics."""

import pytest

from ingest import topic
from ingest.refusal import Refused


@pytest.mark.parametrize("stream", ["weighing", "scan", "coldchain", "status", "presence"])
def test_upward_topics_are_read(stream: str) -> None:
    """Device and stream."""
    assert topic.parse(f"tracefleet/v1/TD-410100-SC-000001-3/{stream}") == ("TD-410100-SC-000001-3", stream)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "D1",
        "D1/",
        "/coldchain",
        "D1/coldchain/x",
        "D 1/coldchain",
        "D1/Coldchain",
        "D1/reply",
        f"{'d' * 65}/scan",
        "设备/scan",
    ],
)
def test_other_topics_are_refused(path: str) -> None:
    """As bad_topic, so that what came on them is kept."""
    with pytest.raises(Refused) as refused:
        topic.parse(f"tracefleet/v1/{path}")
    assert refused.value.reason == "bad_topic"


def test_commands_are_on_their_way_down() -> None:
    """Ours, not a device's; nothing else is."""
    assert topic.is_downward("tracefleet/v1/D1/command")
    assert not topic.is_downward("tracefleet/v1/D1/status")
