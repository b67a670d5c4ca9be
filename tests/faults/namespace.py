"""A network of its own for ingest: a namespace, and one line to it that loses, delays and breaks.

Made by ``ip``, which takes root. The trouble on the line is the kernel's netem where it has that; else the line is a
pair of TUN devices with a thread of ours between them, which loses and delays the same packets.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import pytest

CLONE_NEWNET: Final = 0x40000000
TUNSETIFF: Final = 0x400454CA
IFF_TUN_NO_PI: Final = 0x1001
PACKET_BYTES: Final = 65_536
# Of the documentation's addresses (RFC 5737), which nobody routes.
HOST: Final = "198.51.100.1"
GUEST: Final = "198.51.100.2"


class Trouble(Protocol):
    """What can be done to the line."""

    def set(self, *, loss: float, delay_seconds: float) -> None:
        """Lose that share of the packets on their way in, and delay the others. A loss of 1 is a partition."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace in which a process can be run; what it reaches outside is at :data:`HOST`."""

    name: str
    trouble: Trouble

    @property
    def run_in(self) -> list[str]:
        """What to put before a command."""
        return [_ip(), "netns", "exec", self.name]

    def connect(self, port: int) -> socket.socket:
        """A connection to the loopback inside, whatever becomes of the line."""
        made: list[socket.socket | OSError] = []

        def inside() -> None:
            # A thread can change its namespace by itself, and a socket stays in the one it was made in.
            try:
                with Path(f"/run/netns/{self.name}").open("rb") as namespace:
                    entered = ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET)
                made.append(
                    OSError(ctypes.get_errno(), "setns")
                    if entered
                    else socket.create_connection(("127.0.0.1", port), 5)
                )
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]


@contextmanager
def by_netem() -> Iterator[Namespace]:
    """A namespace behind a pair of virtual Ethernet devices with the kernel's own trouble; skips where it has none."""
    with _namespace() as name:
        host, guest = f"tfh{name[-6:]}", f"tfg{name[-6:]}"
        _run(_ip(), "link", "add", host, "type", "veth", "peer", "name", guest, "netns", name)
        try:
            trouble = _Netem(host)
            trouble.set(loss=0.0, delay_seconds=0.0)
            _run(_ip(), "address", "add", f"{HOST}/30", "dev", host)
            _run(_ip(), "link", "set", host, "up")
            _run(_ip(), "-n", name, "address", "add", f"{GUEST}/30", "dev", guest)
            _run(_ip(), "-n", name, "link", "set", guest, "up")
            yield Namespace(name, trouble)
        finally:
            _run(_ip(), "link", "delete", host)


@contextmanager
def by_tun() -> Iterator[Namespace]:
    """A namespace behind two TUN devices and our thread between them; skips where /dev/net/tun cannot be used."""
    with _namespace() as name:
        host, guest = f"tfh{name[-6:]}", f"tfg{name[-6:]}"
        with _tun(host) as outside, _tun(guest) as inside:
            _run(_ip(), "link", "set", guest, "netns", name)
            for prefix, device, own, other in (
                ([_ip()], host, HOST, GUEST),
                ([_ip(), "-n", name], guest, GUEST, HOST),
            ):
                _run(*prefix, "address", "add", own, "peer", other, "dev", device)
                _run(*prefix, "link", "set", device, "up")
            with _Carrier(outside, inside) as carrier:
                yield Namespace(name, carrier)


@contextmanager
def _namespace() -> Iterator[str]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces take root and the program ip")
    name = f"tracefleet-{uuid.uuid4().hex[:6]}"
    _run(_ip(), "netns", "add", name)
    try:
        _run(_ip(), "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _run(_ip(), "netns", "delete", name)


class _Netem:
    def __init__(self, device: str) -> None:
        self._device = device

    def set(self, *, loss: float, delay_seconds: float) -> None:
        """Replace the queue of the device that leads inside."""
        if shutil.which("tc") is None:
            pytest.skip("the program tc is not installed here")
        trouble = f"loss {loss:.0%} delay {delay_seconds * 1000:.0f}ms"
        _run("tc", "qdisc", "replace", "dev", self._device, "root", "netem", *trouble.split())


class _Carrier(threading.Thread):
    """Carries packets between two TUN devices; those on their way in are lost and delayed."""

    def __init__(self, outside: int, inside: int) -> None:
        super().__init__(name="line", daemon=True)
        self._outside = outside
        self._inside = inside
        self._loss = 0.0
        self._delay_seconds = 0.0
        self._dice = random.Random(20)  # noqa: S311 - repeatable, not secret
        self._ended = False
        self.lost = 0

    def set(self, *, loss: float, delay_seconds: float) -> None:
        """From the next packet on."""
        self._loss, self._delay_seconds = loss, delay_seconds

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self.join(5)

    def run(self) -> None:
        """Until told to end."""
        late: list[tuple[float, int, bytes]] = []
        count = 0
        while not self._ended:
            wait_seconds = min(0.1, max(0.0, late[0][0] - time.monotonic())) if late else 0.1
            ready, _, _ = select.select([self._outside, self._inside], [], [], wait_seconds)
            for end in ready:
                packet = os.read(end, PACKET_BYTES)
                # A partition is silent both ways; trouble short of it is on the way in.
                if self._loss >= 1 or (end == self._outside and self._dice.random() < self._loss):
                    self.lost += 1
                elif end == self._inside:
                    _write(self._outside, packet)
                else:
                    count += 1
                    heapq.heappush(late, (time.monotonic() + self._delay_seconds, count, packet))
            while late and late[0][0] <= time.monotonic():
                _write(self._inside, heapq.heappop(late)[2])


@contextmanager
def _tun(name: str) -> Iterator[int]:
    try:
        end = os.open("/dev/net/tun", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/net/tun cannot be used here: {error.strerror}")
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
        yield end
    finally:
        os.close(end)


def _write(end: int, packet: bytes) -> None:
    try:
        os.write(end, packet)
    except OSError:
        return  # the device is down for a moment: one more packet lost


def _ip() -> str:
    return shutil.which("ip") or "ip"


def _run(*command: str) -> None:
    """Do it; skips with the program's own words where it is not permitted, or the kernel cannot."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command[:4])} … is not possible here: {done.stderr.strip()}")
