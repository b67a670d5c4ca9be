"""What a device that was let in may say and hear, asked of the real broker: its own, and nothing else."""

from collections.abc import Iterator

import pytest

from tests.integration.door.device import Device
from tests.integration.door.world import World, until

UPWARD = ("weighing", "scan", "coldchain", "status", "presence", "reply")
FORBIDDEN_TO_SAY = (
    "tracefleet/v1/A/command",
    "tracefleet/v1/A/unheard_of",
    "tracefleet/v1/A/status/more",
    "tracefleet/v1/A",
    *(f"tracefleet/v1/B/{stream}" for stream in (*UPWARD, "command")),
    "tracefleet/v2/A/status",
    "$SYS/REQ/USER/AUTH",
    "$SYS/REQ/SERVER/PING/CONNZ",
    "$JS/API/STREAM/LIST",
    "$MQTT/sub/x",
    "$MQTT/msgs/tracefleet/v1/B/status",
    "_INBOX/x",
    "anything",
)
FORBIDDEN_TO_HEAR = (
    "#",
    "+/#",
    "tracefleet/#",
    "tracefleet/v1/#",
    "tracefleet/v1/A/#",
    "tracefleet/v1/A/+",
    "tracefleet/v1/A/command/#",
    "tracefleet/v1/+/command",
    "tracefleet/v1/B/command",
    "tracefleet/v1/B/status",
    *(f"tracefleet/v1/A/{stream}" for stream in UPWARD),
    "$SYS/#",
    "$SYS/REQ/USER/AUTH",
    "$JS/#",
    "$JS/API/#",
    "$MQTT/#",
    "$MQTT/sub/#",
    "$MQTT/sub/+",
    "_INBOX/#",
    "$share/tracefleet-fleet/$SYS/REQ/USER/AUTH",
    "$share/x/tracefleet/v1/+/status",
)


@pytest.fixture(scope="module")
def device(shared: World) -> Iterator[Device]:
    """Device A, let in."""
    connected = shared.connect(shared.issue("A"))
    assert connected.is_in
    yield connected
    connected.leave()


@pytest.fixture(scope="module")
def ear(shared: World) -> Iterator[Device]:
    """Our own user, who hears everything below the root."""
    connected = shared.service("tracefleet/v1/#")
    yield connected
    connected.leave()


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("stream", UPWARD)
def test_own_upward_topic_may_be_published_to(device: Device, ear: Device, stream: str, qos: int) -> None:
    """At every quality of service."""
    word = f"{stream} {qos}".encode()
    device.publish(f"tracefleet/v1/A/{stream}", word, qos=qos)
    ear.wait(lambda: (f"tracefleet/v1/A/{stream}", word) in ear.heard, what="the word")


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("topic", FORBIDDEN_TO_SAY)
def test_nothing_else_may_be_published_to(shared: World, device: Device, ear: Device, topic: str, qos: int) -> None:
    """The broker acknowledges it and drops it: what is said after it arrives, it never does; the log has it."""
    before = shared.log().count("Publish Violation")
    device.publish(topic, b"forbidden", qos=qos)
    word = f"after {topic} {qos}".encode()
    device.publish("tracefleet/v1/A/status", word)
    ear.wait(lambda: ("tracefleet/v1/A/status", word) in ear.heard, what="the word after it")
    assert b"forbidden" not in [payload for _, payload in ear.heard]
    until(lambda: shared.log().count("Publish Violation") > before, what="the violation in the log")
    assert device.is_in


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_own_command_topic_may_be_subscribed_to(device: Device, ear: Device, qos: int) -> None:
    """And what is said there is heard."""
    assert device.is_granted("tracefleet/v1/A/command", qos=qos)
    word = f"do {qos}".encode()
    ear.publish("tracefleet/v1/A/command", word)
    device.wait(lambda: ("tracefleet/v1/A/command", word) in device.heard, what="the command")


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("topic", FORBIDDEN_TO_HEAR)
def test_nothing_else_may_be_subscribed_to(device: Device, topic: str, qos: int) -> None:
    """The broker answers with the failure code."""
    assert not device.is_granted(topic, qos=qos)
    assert device.is_in


def test_a_device_hears_no_command_of_another(device: Device, ear: Device) -> None:
    """Whatever it asked for before."""
    device.is_granted("tracefleet/v1/A/command")
    ear.publish("tracefleet/v1/B/command", b"not for A")
    ear.publish("tracefleet/v1/A/command", b"for A, after it")
    device.wait(lambda: ("tracefleet/v1/A/command", b"for A, after it") in device.heard, what="the command")
    assert {topic for topic, _ in device.heard} == {"tracefleet/v1/A/command"}


@pytest.mark.parametrize(
    ("topic", "is_told"), [("tracefleet/v1/B/presence", True), ("tracefleet/v1/A/presence", False)]
)
def test_last_will_is_told_when_it_is_in_the_own_name(shared: World, ear: Device, topic: str, is_told: bool) -> None:
    """The broker publishes it with the rights of the device that left it."""
    issued = shared.issue("B")
    device = shared.connect(issued, will=topic)
    assert device.is_in
    before = ear.heard.count((topic, b"will"))
    violations = shared.log().count("Publish Violation")
    device.cut()
    if is_told:
        ear.wait(lambda: ear.heard.count((topic, b"will")) > before, what="the Last Will")
    else:
        until(lambda: shared.log().count("Publish Violation") > violations, what="the violation in the log")
        ear.publish("tracefleet/v1/B/command", b"after the will")
        ear.wait(lambda: ("tracefleet/v1/B/command", b"after the will") in ear.heard, what="what was said after it")
        assert ear.heard.count((topic, b"will")) == before


def test_a_gateway_speaks_and_hears_for_the_devices_behind_it(shared: World, ear: Device) -> None:
    """And for no others."""
    gateway = shared.connect(shared.issue("G"))
    for topic in ("tracefleet/v1/G/status", "tracefleet/v1/D/coldchain"):
        gateway.publish(topic, b"by the gateway")
    gateway.publish("tracefleet/v1/A/status", b"not by the gateway")
    gateway.publish("tracefleet/v1/D/presence", b"the last")
    ear.wait(lambda: ("tracefleet/v1/D/presence", b"the last") in ear.heard, what="the last word")
    heard = [topic for topic, payload in ear.heard if payload in (b"by the gateway", b"not by the gateway")]
    assert heard == ["tracefleet/v1/G/status", "tracefleet/v1/D/coldchain"]
    granted = {number: gateway.is_granted(f"tracefleet/v1/{number}/command") for number in "GDA"}
    assert granted == {"G": True, "D": True, "A": False}
    gateway.leave()


def test_a_device_behind_a_gateway_speaks_for_itself_alone(shared: World) -> None:
    """The gateway's commands are not its own."""
    device = shared.connect(shared.issue("D"))
    assert device.is_granted("tracefleet/v1/D/command")
    assert not device.is_granted("tracefleet/v1/G/command")
    device.leave()


def test_service_may_nothing_outside_the_root(shared: World) -> None:
    """Nor ask about other connections; the rest is for the fleet's own user."""
    service = shared.service("tracefleet/v1/#", "tracefleet/v1/+/status")
    for topic in ("#", "$SYS/#", "$JS/API/#", "_INBOX/#"):
        assert not service.is_granted(topic)
    service.leave()


def test_gateway_of_a_thousand_devices_is_let_in(shared: World) -> None:
    """With the rights of the last of them, too: the server takes an answer of that size."""
    with shared.changing() as connection:
        connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id, gateway_id)"
            " SELECT 'TD-410100-TH-' || to_char(n, 'FM000000'), model_id, site_id, device_id"
            " FROM devices, generate_series(1, 1000) AS n WHERE device_no = 'G'"
        )
    gateway = shared.connect(shared.issue("G"))
    assert gateway.is_granted("tracefleet/v1/TD-410100-TH-001000/command")
    gateway.leave()
