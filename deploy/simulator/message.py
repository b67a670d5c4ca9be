"""A message on its way: the records as they will stand on the wire, and what happened to it so far."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from deploy.simulator.clocks import rfc3339

ROOT: Final = "tracefleet/v1"
PRESENCE: Final = "presence"

# What a message is to the account: the first of its identity, the same once more, or the same with another body.
Copy = Literal["first", "resent", "conflicting"]
State = Literal["online", "offline"]


@dataclass(slots=True)
class Outgoing:
    """Records of one stream and boot with consecutive sequence numbers from *seq*.

    *bad_records* are meant to be refused; *is_cut* loses the end of the message, so nothing of it can be read.
    Once sent it keeps its bytes: what is sent again is the same.
    """

    device_no: str
    stream: str
    boot: str
    seq: int
    records: tuple[bytes, ...]
    made_at: float
    bad_records: int = 0
    is_cut: bool = False
    copy: Copy = "first"
    sent: bytes | None = None
    sends: int = 0

    @property
    def topic(self) -> str:
        """Where it is published."""
        return f"{ROOT}/{self.device_no}/{self.stream}"

    def payload(self, now: float) -> bytes:
        """Its bytes; *now* (Unix time) is written as ``sent_at`` the first time."""
        if self.sent is None:
            head = f'{{"v":1,"boot":"{self.boot}","seq":{self.seq},"sent_at":"{rfc3339(now)}","records":['
            self.sent = head.encode() + b",".join(self.records) + (b"" if self.is_cut else b"]}")
        return self.sent


def repeated(message: Outgoing) -> Outgoing:
    """The same bytes once more, to be counted apart."""
    return replace(message, copy="resent", sends=0)


def contradicted(message: Outgoing, records: tuple[bytes, ...]) -> Outgoing:
    """The same identities with other bodies, to be counted apart."""
    return replace(message, copy="conflicting", records=records, sent=None, sends=0)


def presence(device_no: str, boot: str, state: State) -> Outgoing:
    """A birth or a death."""
    body = f'{{"v":1,"boot":"{boot}","state":"{state}"}}'.encode()
    return Outgoing(device_no, PRESENCE, boot, 0, (), 0.0, sent=body)
