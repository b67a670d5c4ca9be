"""A device at the broker, by a client of another make than ours: it tells what it was told."""

import ssl
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

LIMIT_SECONDS = 15.0
NOT_AUTHORISED = "Not authorized"


class Device:
    """One connection, or the refusal of one."""

    def __init__(
        self,
        url: str,
        client_id: str,
        *,
        will: str | None = None,
        will_payload: bytes = b"will",
        retain_will: bool = False,
        clean: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, reconnect_on_failure=False
        )
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            self._client.will_set(will, will_payload, qos=1, retain=retain_will)
        self._changed = threading.Condition()
        self.answer: str | None = None
        self.is_closed = False
        self.heard: list[tuple[str, bytes]] = []
        self._acknowledged: set[int] = set()
        self._granted: dict[int, list[bool]] = {}
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self._note(
            lambda: setattr(self, "answer", str(reason))
        )
        self._client.on_disconnect = lambda *_: self._note(lambda: setattr(self, "is_closed", True))
        self._client.on_message = lambda _c, _u, message: self._note(
            lambda: self.heard.append((message.topic, bytes(message.payload)))
        )
        self._client.on_publish = lambda _c, _u, number, _r, _p: self._note(lambda: self._acknowledged.add(number))
        self._client.on_subscribe = self._on_subscribe
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.loop_start()
        self.wait(lambda: self.answer is not None or self.is_closed, what="an answer to CONNECT")

    @property
    def is_in(self) -> bool:
        """Whether it was let in and still is."""
        return self.answer == "Success" and not self.is_closed

    def publish(self, topic: str, payload: bytes = b"x", *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait for the acknowledgement."""
        number = self._client.publish(topic, payload, qos, retain).mid
        self.wait(lambda: number in self._acknowledged, what="an acknowledgement")

    def say(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, and wait for nothing."""
        self._client.publish(topic, payload, 0)

    def is_granted(self, topic: str, *, qos: int = 1) -> bool:
        """Whether a subscription to *topic* is."""
        number = self._client.subscribe(topic, qos)[1] or 0
        self.wait(lambda: number in self._granted, what="an answer to SUBSCRIBE")
        return all(self._granted[number])

    def wait(self, condition: Callable[[], object], *, what: str, seconds: float = LIMIT_SECONDS) -> None:
        """Return when *condition* holds; fail after *seconds*."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"not within {seconds:.0f} s: {what}"

    def wait_until_closed(self, *, seconds: float = LIMIT_SECONDS) -> None:
        """Return when the broker has closed the connection."""
        self.wait(lambda: self.is_closed, what="the end of the connection", seconds=seconds)

    def cut(self) -> None:
        """Vanish without a goodbye."""
        self._client.loop_stop()
        if (below := self._client.socket()) is not None:
            below.close()

    def leave(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribe(self, _c: object, _u: object, number: int, codes: list[ReasonCode], _p: object) -> None:
        self._note(lambda: self._granted.update({number: [not code.is_failure for code in codes]}))

    def _note(self, change: Callable[[], Any]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()
