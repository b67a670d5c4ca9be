"""The connections of devices at nats-server, all servers of a cluster: listed and closed over its system account."""

import asyncio
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from fleet.identity.bus import Bus, BusError

# All servers answer within it, or they are not there.
QUIET_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 5.0
# Connections that are being closed at a time.
AT_ONCE: Final = 64
# Connections in one answer.
PAGE: Final = 4096
# More names than this are looked for among all connections instead of one by one.
FEW: Final = 16


class _Server(msgspec.Struct):
    id: str


class _One(msgspec.Struct):
    cid: int
    start: datetime
    authorized_user: str = ""
    mqtt_client: str = ""


class _Page(msgspec.Struct):
    now: datetime
    total: int = 0
    connections: list[_One] = []


class _Answer(msgspec.Struct):
    server: _Server
    data: _Page


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection of a device; *since* is by its server's clock."""

    server: str
    number: int
    device_no: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What was there, and when each server looked."""

    connections: list[Connection]
    looked_at: dict[str, datetime]


class Connections:
    """What *bus*, as a user of the system account, can see and close."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of(self, names: AbstractSet[str]) -> Look:
        """The connections of those devices. Raises BusError."""
        if len(names) > FEW:
            look = await self.all()
            return Look([one for one in look.connections if one.device_no in names], look.looked_at)
        found: list[Connection] = []
        looked_at: dict[str, datetime] = {}
        for name in names:
            for answer in await self._ask({"mqtt_client": name}):
                found += _devices(answer)
                looked_at.setdefault(answer.server.id, answer.data.now)
        return Look(found, looked_at)

    async def all(self) -> Look:
        """The connections of all devices. Raises BusError."""
        found: list[Connection] = []
        looked_at: dict[str, datetime] = {}
        for first in await self._ask({"limit": PAGE}):
            looked_at[first.server.id] = first.data.now
            found += _devices(first)
            for offset in range(PAGE, first.data.total, PAGE):
                found += _devices(await self._page(first.server.id, offset))
        return Look(found, looked_at)

    async def close(self, connections: Iterable[Connection]) -> None:
        """End them; each server does so at once. Raises BusError."""
        for some in _batches(list(connections)):
            await asyncio.gather(*map(self._close, some))

    async def _close(self, one: Connection) -> None:
        # Whether it was still there is all the same; but a server that is asked for no answer does nothing.
        await self._bus.ask(f"$SYS.REQ.SERVER.{one.server}.KICK", _encode({"cid": one.number}), seconds=ANSWER_SECONDS)

    async def _ask(self, options: dict[str, Any]) -> list[_Answer]:
        question = _encode(options | {"auth": True})
        answers = await self._bus.ask_all("$SYS.REQ.SERVER.PING.CONNZ", question, seconds=QUIET_SECONDS)
        if not answers:
            raise BusError("no server tells its connections: is this a user of its system account?")
        return [_read(answer) for answer in answers]

    async def _page(self, server: str, offset: int) -> _Answer:
        question = _encode({"auth": True, "limit": PAGE, "offset": offset})
        return _read(await self._bus.ask(f"$SYS.REQ.SERVER.{server}.CONNZ", question, seconds=ANSWER_SECONDS))


def _read(answer: bytes) -> _Answer:
    try:
        return _decode(answer)
    except msgspec.DecodeError as error:
        raise BusError(f"a server tells its connections in another form than is known here: {error}") from error


def _batches(connections: list[Connection]) -> Iterator[list[Connection]]:
    for start in range(0, len(connections), AT_ONCE):
        yield connections[start : start + AT_ONCE]


def _devices(answer: _Answer) -> Iterable[Connection]:
    """Those of its connections that are devices: client id and user name are the same, or there is no user name."""
    for one in answer.data.connections:
        if one.mqtt_client and one.authorized_user in ("", one.mqtt_client):
            yield Connection(answer.server.id, one.cid, one.mqtt_client, one.start)
