"""What a fault is played on: a broker, devices that publish through it, ingest, and a database to ask afterwards."""

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.bench.database import fill
from deploy.bench.load import Load
from deploy.embedded.process import end_of
from tests.faults import reconcile
from tests.faults.brokers import Broker, Link
from tests.faults.devices import Devices
from tests.faults.figures import Figures
from tests.faults.ingest_process import Ingest
from tests.faults.profile import Profile
from tests.faults.tap import Tap
from tests.faults.waiting import until

DEVICES: Final = 50
# An hour old, so that no record of the longest run is ever ahead of the clock.
AGE_SECONDS: Final = 3600
# nats-server delivers what a worker left unacknowledged after 10 s.
SETTLE_SECONDS: Final = 60.0
ENOUGH_MESSAGES: Final = 50_000_000


class Stage:
    """The parts of one run. They are started by the test, in its order, and ended by the stack they stand on."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        *,
        database_url: str,
        link: Link,
        profile: Profile,
        figures: Figures,
        durable: bool = False,
    ) -> None:
        self.database_url = database_url
        self.figures = figures
        self.profile = profile
        self.link = link
        self._stack = stack
        self._folder = folder
        self.broker: Broker = link.make(folder / "broker", durable=durable)
        stack.callback(self.broker.end)
        self.broker.start()
        self.connection = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        fill(self.connection, DEVICES)

    def tap(self, *, host: str = "127.0.0.1") -> Tap:
        """A proxy before the broker that reads along."""
        return self._stack.enter_context(Tap(self.broker.port, host=host, seed=1))

    def ingest(
        self,
        *,
        broker_port: int | None = None,
        host: str = "127.0.0.1",
        database_url: str | None = None,
        run_in: Sequence[str] = (),
        connect: Callable[[int], Any] | None = None,
    ) -> Ingest:
        """Ingest, not started yet; straight to the broker and the database unless told otherwise."""
        ingest = Ingest(
            self._folder,
            database_url=database_url or self.database_url,
            broker_url=self.link.url(host, broker_port or self.broker.port),
            run_in=run_in,
            connect=connect,
        )
        self._stack.callback(ingest.end)
        return ingest

    def devices(
        self, *, limit: int = 0, rate: float | None = None, window: int = 512, records_per_message: int = 1
    ) -> Devices:
        """Devices that publish to the broker itself, begun."""
        load = Load(ENOUGH_MESSAGES, records_per_message, DEVICES, 0.0, 0, int(time.time()) - AGE_SECONDS)
        devices = Devices(self.broker.port, load, limit=limit, rate=rate, window=window)
        self._stack.callback(devices.stop)
        devices.start()
        return devices

    def reconnect(self) -> None:
        """A new connection to the database, after the server was killed."""
        with contextlib.suppress(psycopg.Error):
            self.connection.close()
        self.connection = self._stack.enter_context(psycopg.connect(self.database_url, autocommit=True))

    def stored(self) -> int:
        """Records stored so far, by the account."""
        return reconcile.account(self.connection).stored

    def until_stored(self, records: int, *, seconds: float = SETTLE_SECONDS) -> float:
        """Return when so many are, with the seconds it took."""
        return until(lambda: self.stored() >= records, seconds=seconds, what=f"{records} records are stored")

    def settle(self, devices: Devices, ingest: Ingest, tap: Tap | None = None) -> None:
        """Have *devices* publish no new message, and return when all is acknowledged, stored, and acknowledged again.

        Devices begin after ingest has subscribed for the first time: before, the broker keeps nothing for it.
        """
        devices.limit = devices.sent
        until(lambda: devices.is_idle, seconds=SETTLE_SECONDS, what="the broker has acknowledged everything")
        each = devices.load.records_per_message
        until(
            lambda: self._kept() >= devices.acknowledged * each and ingest.unacknowledged() == 0,
            seconds=SETTLE_SECONDS,
            what=lambda: self._explain(devices, ingest, tap),
            poll_seconds=0.05,
        )
        devices.stop()

    def reckon(self, devices: Devices, ingest: Ingest, tap: Tap | None = None) -> reconcile.Account:
        """Settle, then fail unless everything is there once; the account goes into the figures."""
        self.settle(devices, ingest, tap)
        books = reconcile.reconcile(self.connection, devices)
        self.note(devices, books)
        # What nats-server still delivers again by time is not held for long.
        until(lambda: ingest.unacknowledged() == 0, seconds=20, what="ingest holds nothing")
        # Two looks at what goes on being counted: a message may come again between them.
        until(
            lambda: (
                ingest.metric("tracefleet_ingest_messages_total", stream="coldchain") * devices.load.records_per_message
                == ingest.metric("tracefleet_ingest_records_total", stream="coldchain")
            ),
            seconds=20,
            what="as many records are counted as the messages hold",
        )
        if tap is not None:
            self.reckon_acknowledgements(tap)
        return books

    def reckon_acknowledgements(self, tap: Tap) -> None:
        """Fail when ingest acknowledged on the wrong connection, out of order, before the commit, or not at all."""
        until(lambda: tap.waiting == 0, seconds=20, what=lambda: f"{tap.waiting} messages are acknowledged")
        assert tap.violations == [], f"{len(tap.violations)} violations: {tap.violations[:10]}"
        row = self.connection.execute("SHOW track_commit_timestamp").fetchone()
        if row is not None and row[0] == "on":
            delays = reconcile.after_commit_seconds(self.connection, tap.acknowledgements)
            assert min(delays) > 0, f"acknowledged {-min(delays):.6f} s before the commit"
            self.figures.more["acknowledgements_compared_with_commits"] = len(delays)
            # A duplicate is acknowledged long after the commit that stored it: the first time counts.
            first = {
                (told.device, told.seq): delay
                for told, delay in reversed([*zip(tap.acknowledgements, delays, strict=True)])
            }
            self.figures.more["from_commit_to_acknowledgement_ms"] = round(statistics.median(first.values()) * 1000, 1)

    def note(self, devices: Devices, books: reconcile.Account) -> None:
        """Enter the account in the figures."""
        figures = self.figures
        figures.sent, figures.acknowledged = devices.sent, devices.acknowledged
        figures.published_again = devices.published_again
        figures.rows, figures.dead_letters = books.stored, books.dead_lettered
        figures.duplicates = books.duplicates

    def _explain(self, devices: Devices, ingest: Ingest, tap: Tap | None) -> str:
        """Where what is missing was last seen."""
        gone = reconcile.lost(self.connection, devices)
        said = [
            f"everything is stored: of {devices.acknowledged} acknowledged messages {len(gone)} are not, as {gone[:5]}",
            f"{reconcile.account(self.connection)}",
            f"ingest holds {ingest.unacknowledged()} and says {ingest.readiness()}",
        ]
        if tap is not None:
            acknowledged = {(told.device, told.seq) for told in tap.acknowledgements}
            said.append(
                f"of the missing {len(tap.delivered.intersection(gone))} were delivered to ingest, and it acknowledged "
                f"{len(acknowledged.intersection(gone))}; by connection {tap.deliveries}; {tap.violations[:5]}"
            )
        return "\n".join([*said, end_of(ingest.log)])

    def _kept(self) -> int:
        books = reconcile.account(self.connection)
        return books.stored + books.dead_lettered
