"""What an identity may do, as topics and as subjects."""

from fleet.identity.permissions import rights_of, subjects


def test_device_may_speak_upward_and_hear_its_commands() -> None:
    """Without a wildcard anywhere."""
    rights = rights_of("TD-1")
    assert set(rights.publish) == {
        f"tracefleet/v1/TD-1/{stream}" for stream in ("weighing", "scan", "coldchain", "status", "presence", "reply")
    }
    assert rights.subscribe == ("tracefleet/v1/TD-1/command",)


def test_gateway_may_do_the_same_for_those_behind_it() -> None:
    """Its own first."""
    alone, behind = rights_of("G"), rights_of("D")
    rights = rights_of("G", ["D"])
    assert rights.publish == alone.publish + behind.publish
    assert rights.subscribe == ("tracefleet/v1/G/command", "tracefleet/v1/D/command")


def test_subjects_are_the_topics_of_the_other_protocol() -> None:
    """As nats-server maps them."""
    assert list(subjects(rights_of("TD_1-x").subscribe)) == ["tracefleet.v1.TD_1-x.command"]
