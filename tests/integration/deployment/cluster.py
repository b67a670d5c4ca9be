"""The three nats-servers of ``deploy/kubernetes``, from their very configuration, on ports of the loopback."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from deploy.broker_config import Door, User, access, name_of
from deploy.embedded.broker import _program
from tests.conftest import end, free_port
from tests.integration.door.world import until

BASE: Final = Path(__file__).parents[3] / "deploy" / "kubernetes" / "base" / "nats"
NODES: Final = 3
READY_SECONDS: Final = 60.0
ATTEMPTS: Final = 3
PASSWORDS: Final[dict[User, str]] = {"ingest": "pone", "fleet": "ptwo"}


@dataclass(frozen=True, slots=True)
class Node:
    """One server: where it keeps its things, and its ports in the order of the configuration."""

    name: str
    folder: Path
    ports: dict[int, int] = field(default_factory=lambda: {port: free_port() for port in (4222, 8222, 6222, 1883)})

    def url(self, user: User) -> str:
        """Of MQTT, as one of our users."""
        return f"mqtt://{name_of(user)}:{PASSWORDS[user]}@127.0.0.1:{self.ports[1883]}"

    @property
    def nats_url(self) -> str:
        """As fleet answers it."""
        return f"nats://{name_of('fleet')}:{PASSWORDS['fleet']}@127.0.0.1:{self.ports[4222]}"

    def answers(self, path: str) -> bool:
        """Whether a probe of *path* is content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[8222], timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def configure(self, issuer: str) -> None:
        """Write what the pod mounts, with this machine's ports and folders in place of the pod's."""
        text = (BASE / "nats.conf").read_text(encoding="utf-8")
        for port, ours in self.ports.items():
            assert text.count(f'"0.0.0.0:{port}"') == 1
            text = text.replace(f'"0.0.0.0:{port}"', f'"127.0.0.1:{ours}"')
        for place in ("/data", "/tmp/nats.pid"):
            assert text.count(f'"{place}"') == 1
            text = text.replace(f'"{place}"', f'"{self.folder / Path(place).name}"')
        # On the disk of a machine that other tests use, too; the pods have one each.
        text = text.replace("max_file_store: 18GB", "max_file_store: 1GB")
        (self.folder / "access").mkdir(parents=True)
        (self.folder / "nats.conf").write_text(text, encoding="utf-8")
        (self.folder / "mqtt-tls.conf").write_bytes((BASE / "mqtt-tls.conf").read_bytes())
        (self.folder / "access" / "access.conf").write_text(access(Door(issuer, PASSWORDS)), encoding="utf-8")


class Cluster:
    """Its nodes, and which of them run."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.nodes = [Node(f"tracefleet-nats-{number}", folder / str(number)) for number in range(NODES)]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for node in self.nodes:
            node.configure(issuer)

    @property
    def environment(self) -> dict[str, str]:
        """What the pod's template gives to all of them."""
        routes = (f"nats://routes:pthree@127.0.0.1:{node.ports[6222]}" for node in self.nodes)
        named = {f"ROUTE_{number}": route for number, route in enumerate(routes)}
        return {"PATH": os.environ.get("PATH", ""), "ROUTES_PASSWORD": "pthree", **named}

    def start(self, node: Node) -> None:
        """Start one; :meth:`wait_ready` says when it serves."""
        with (node.folder / "log").open("ab") as log:
            self._processes[node.name] = subprocess.Popen(
                [_program(), "--config", str(node.folder / "nats.conf")],
                env=self.environment | {"POD_NAME": node.name},
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, node: Node) -> None:
        """Return when it has caught up with the others, as the pod's first probe asks: an election may take long."""
        try:
            until(lambda: self.ended(node) or node.answers("/healthz"), what="", seconds=READY_SECONDS)
        except AssertionError:
            pytest.fail(f"{node.name} is not healthy within {READY_SECONDS} s:\n{self.log(node)}")

    def ended(self, node: Node) -> bool:
        """Whether it is no more: another test was faster at one of its ports."""
        return self._processes[node.name].poll() is not None

    def kill(self, node: Node) -> None:
        """As a machine that loses its power."""
        self._processes[node.name].kill()
        self._processes[node.name].wait(10)

    def stop(self) -> None:
        """End all."""
        for process in self._processes.values():
            end(process)

    def log(self, node: Node) -> str:
        """The end of its log so far."""
        return (node.folder / "log").read_text(encoding="utf-8")[-2000:]


@contextmanager
def a_cluster(folder: Path, issuer: str) -> Iterator[Cluster]:
    """Three servers that have found each other; on other ports where some were taken meanwhile."""
    for attempt in range(ATTEMPTS):
        cluster = Cluster(folder / str(attempt), issuer)
        try:
            for node in cluster.nodes:
                cluster.start(node)
            for node in cluster.nodes:
                cluster.wait_ready(node)
            if not any(map(cluster.ended, cluster.nodes)):
                yield cluster
                return
        finally:
            cluster.stop()
    pytest.fail(f"a server ended at each of {ATTEMPTS} starts:\n{cluster.log(cluster.nodes[0])}")
