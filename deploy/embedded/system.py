"""The whole system on one machine, composed: what starts after what, what each is told, and who stops first.

    PostgreSQL ─ migrate ─ broker ─ ingest has subscribed ─ fleet answers, api ─ simulator      and the same way back

Publishers come last: the broker keeps only what a known session has subscribed to, and lets devices in when fleet says
so. The database is first: in it stands which key fleet signs with, and the broker believes no other.
"""

import asyncio
import http.client
import os
import signal
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from pydantic import SecretStr

from deploy.backup.folder import BackupFolder
from deploy.backup.scripts import start_archive
from deploy.embedded import broker_access, data_dir_lock, postgres, room, trial
from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.private_file import write_private
from deploy.embedded.process import spawn
from deploy.embedded.screen import Screen
from deploy.embedded.trial import Trial
from deploy.embedded.welcome import Addresses, welcome
from deploy.ports import SERVICES, Service, reachable_host, service_port
from deploy.supervisor import Child, Stage, StopSignals, Supervisor, ToldToStopError
from fleet.identity.broker import issuer_of
from fleet.identity.bus import BusError
from fleet.identity.first_start import first_password
from fleet.identity.status import ask
from fleet.keys import Keys
from store import log, value_files
from store.database import connect_once
from store.errors import DatabaseError, SettingsError, TracefleetError
from store.migrations import migrate
from store.settings import PREFIX, RUNTIME_FILE, Settings, as_variable, load

SIMULATOR: Final = "simulate"
BROKER: Final = "broker"
POSTGRES: Final = "postgres"
ARCHIVE: Final = "archive"
# Ten seconds for everything, the insisting included; who ends early leaves its time to the next.
STAGES: Final = (
    Stage(frozenset({SIMULATOR}), by_seconds=2.5),
    Stage(frozenset(SERVICES), by_seconds=6.0),
    Stage(frozenset({BROKER, ARCHIVE}), by_seconds=7.0),
    Stage(frozenset({POSTGRES}), by_seconds=8.5),
)
# A run that was killed takes its children with it, which takes them a moment.
LEFTOVER_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0

NOW = "SELECT clock_timestamp()"
SUBSCRIBED = "SELECT 1 FROM workers WHERE worker = %s AND connected AND heartbeat_at >= %s"
REGISTERED = "SELECT count(*) >= %s FROM devices"


@dataclass(frozen=True, slots=True)
class Simulation:
    """How many devices the simulator plays, and which city."""

    devices: int
    seed: int


def run(simulation: Simulation | None, *, insecure: bool = False) -> bool:
    """Run the system until SIGINT, SIGTERM or SIGHUP; whether everything then stopped by itself.

    *insecure*: the API may listen off this machine without TLS.
    Raises TracefleetError when it cannot be started; whatever had been started is stopped again.
    """
    data_dir = load().data_dir.resolve()
    with StopSignals() as told, data_dir_lock.hold(data_dir):
        runtime = data_dir / RUNTIME_FILE
        # Nobody else runs here, so a runtime file is a killed run's, and its URLs are no settings.
        was_killed = runtime.exists() or postgres.holder(data_dir) is not None
        runtime.unlink(missing_ok=True)
        settings = _own_settings(load(), data_dir)
        log.configure(settings.log_format)
        supervisor = Supervisor(told, STAGES)
        screen = Screen()
        try:
            if was_killed:
                _wait_for_leftovers(settings, supervisor)
            room.require_room(settings)
            system = _System(settings, supervisor, screen, insecure=insecure)
            system.bring_up(simulation)
            found = system.a_trial(is_simulated=simulation is not None)
            write_private(runtime, asdict(system.addresses) | {"pid": os.getpid()})
            screen.say_plainly(
                welcome(system.addresses, data_dir=data_dir, trial=found, first_password=system.first_password)
            )
            supervisor.run()
            screen.say_plainly("Stopping · 正在停止 …")
        except ToldToStopError:
            screen.say_plainly("Stopping before everything was up …")
        except psycopg.OperationalError as error:
            raise DatabaseError(
                f"the embedded PostgreSQL went away: {error}. Its log is in {data_dir / 'logs'}."
            ) from error
        finally:
            clean = supervisor.stop()
            runtime.unlink(missing_ok=True)
        screen.say_plainly("Stopped · 已停止" if clean else "Stopped by force. The next start recovers the data.")
        return clean


def _own_settings(settings: Settings, data_dir: Path) -> Settings:
    if settings.database_url is not None:
        raise SettingsError(
            f"{PREFIX}DATABASE_URL is set, and `tracefleet up` runs a PostgreSQL of its own. Unset it, "
            f"or run `tracefleet migrate`, `ingest`, `fleet` and `api` one by one on that database."
        )
    if settings.nats_url is not None or settings.nats_system_url is not None:
        raise SettingsError(
            f"{PREFIX}NATS_URL or {PREFIX}NATS_SYSTEM_URL is set, and `tracefleet up` runs a broker of its own. "
            f"Unset it, or run the services one by one on that broker."
        )
    broker = urlsplit(settings.broker_url.get_secret_value())
    if broker.scheme != "mqtt" or broker.hostname not in ("127.0.0.1", "localhost"):
        raise SettingsError(
            f"{PREFIX}BROKER_URL names a broker elsewhere, and `tracefleet up` runs one of its own. Unset it, "
            f"set it to mqtt://127.0.0.1:PORT to choose the port, or run the services one by one on that broker."
        )
    return settings.model_copy(update={"data_dir": data_dir})


def _wait_for_leftovers(settings: Settings, supervisor: Supervisor) -> None:
    # When they stay, require_room says which and what to do.
    with suppress(TracefleetError):
        supervisor.wait(lambda: room.has_room(settings), seconds=LEFTOVER_SECONDS, what="what a killed run left")


class _System:
    """The parts of a running system. Started in order, each when what it needs is there."""

    def __init__(self, settings: Settings, supervisor: Supervisor, screen: Screen, *, insecure: bool) -> None:
        self._settings = settings
        self._of_the_api = ["--insecure"] if insecure else []
        self._supervisor = supervisor
        self._screen = screen
        self._logs = settings.data_dir / "logs"
        # Of the user that this start made, if it made one.
        self.first_password: str | None = None

    def bring_up(self, simulation: Simulation | None) -> None:
        """Start everything; returns when the last part works. Raises TracefleetError or ToldToStopError."""
        with self._screen.step("PostgreSQL") as tick:
            self._start_postgres(tick)
        with self._screen.step("the database's schema"):
            migrate(self._settings)
        with self._screen.step("the broker") as tick:
            self._start_broker(tick)
        with self._screen.step("ingest") as tick:
            self._start_ingest(tick)
        # Before the API, which would print it into its log.
        self.first_password = first_password(self._settings)
        with self._screen.step("fleet and the API") as tick:
            fleet = self._start_service("fleet")
            api = self._start_command("api", *self._of_the_api)
            self._wait(self._fleet_answers, fleet, "the fleet's answer to logins", tick)
            self._wait(self._api_is_alive, api, "the API", tick)
        if simulation is not None:
            with self._screen.step(f"{simulation.devices} simulated devices") as tick:
                self._start_simulator(simulation, tick)

    @property
    def addresses(self) -> Addresses:
        """Where everything is, for a client on this machine."""
        urls = {}
        for service in SERVICES:
            port = service_port(self._settings, service)
            is_private = service == "api" and self._settings.api_tls_certificate is not None
            urls[service] = f"http{'s' if is_private else ''}://{reachable_host(port.host)}:{port.port}"
        return Addresses(
            database_url=self._settings.require_database_url(),
            broker_url=self._settings.broker_url.get_secret_value(),
            nats_url=as_variable(self._settings.nats_url),
            api_url=urls["api"],
            metrics_urls={service: f"{url}/metrics" for service, url in urls.items()},
        )

    def a_trial(self, *, is_simulated: bool) -> Trial | None:
        """A device to try things with, if there is one; the broker lets it in by now."""
        with self._connection() as connection:
            found = trial.find(connection, Keys.of(self._settings), is_simulated=is_simulated)
        if found is not None and found.secret is not None:
            self._supervisor.wait(
                lambda: self._fleet_knows(found.credential_id), seconds=START_SECONDS, what="the fleet's word on logins"
            )
        return found

    def _start_postgres(self, tick: Callable[[], None]) -> None:
        server = postgres.prepare(self._settings.data_dir, port=self._settings.postgres_port)
        # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, which the next start recovers from.
        insistently = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
        child = self._start(Child(POSTGRES, server.start, server.log, stop_signals=insistently))
        self._wait(server.is_ready, child, "the embedded PostgreSQL", tick)
        server.create_database()
        self._settings = self._settings.model_copy(update={"database_url": SecretStr(server.url)})
        if self._settings.backup_dir is not None:
            backups = BackupFolder.of(self._settings)
            backups.prepare()
            log_file = self._logs / f"{ARCHIVE}.log"
            self._start(Child(ARCHIVE, partial(start_archive, backups, server, log=log_file), log_file))

    def _start_broker(self, tick: Callable[[], None]) -> None:
        folder = self._settings.data_dir / "broker"
        access = broker_access.prepare(folder, issuer=issuer_of(self._settings).public_key)
        broker = EmbeddedBroker(
            folder,
            room.broker_port(self._settings),
            sync=self._settings.embedded_sync,
            window=self._settings.ingest_window,
            access=access,
        )
        child = self._start(Child(BROKER, broker.start, broker.log))
        self._wait(broker.is_ready, child, "the embedded broker", tick)
        self._settings = self._settings.model_copy(
            update={"broker_url": SecretStr(broker.url), "nats_url": SecretStr(broker.nats_url or "")}
        )

    def _start_ingest(self, tick: Callable[[], None]) -> None:
        with self._connection() as connection:
            begun = connection.execute(NOW).fetchone()
            child = self._start_service("ingest")
            heartbeat = (self._settings.ingest_worker, begun[0] if begun else None)
            self._wait(lambda: connection.execute(SUBSCRIBED, heartbeat).fetchone() is not None, child, "ingest", tick)

    def _start_simulator(self, simulation: Simulation, tick: Callable[[], None]) -> None:
        options = ["--devices", str(simulation.devices), "--seed", str(simulation.seed), "--seed-store"]
        child = self._start_command(SIMULATOR, *options)
        with self._connection() as connection:
            wanted = (simulation.devices,)
            self._wait(
                lambda: connection.execute(REGISTERED, wanted).fetchone() == (True,), child, "the simulator", tick
            )

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        return connect_once(self._settings.require_database_url(), application_name="tracefleet up")

    def _start_service(self, service: Service) -> Child:
        return self._start_command(service)

    def _start_command(self, command: str, *options: str) -> Child:
        # -P: a folder named like a package of ours, where the operator happens to stand, is not ours.
        line = [sys.executable, "-P", "-m", "deploy.cli", command, *options]
        file = self._logs / f"{command}.log"
        return self._start(
            Child(command, partial(spawn, line, log=file, environment=_environment(self._settings)), file)
        )

    def _start(self, child: Child) -> Child:
        self._supervisor.start(child)
        return child

    def _wait(self, is_ready: Callable[[], bool], child: Child, what: str, tick: Callable[[], None]) -> None:
        self._supervisor.wait(is_ready, of=child, seconds=START_SECONDS, what=what, tick=tick)

    def _api_is_alive(self) -> bool:
        where = urlsplit(self.addresses.api_url)
        host, port = where.hostname or "", where.port
        connection = http.client.HTTPConnection(host, port, timeout=1)
        if where.scheme == "https":
            # Our own child on this machine, by the certificate it was given: its name is for those from elsewhere.
            trust = ssl.create_default_context(cafile=self._settings.api_tls_certificate)
            trust.check_hostname = False
            trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            connection = http.client.HTTPSConnection(host, port, timeout=1, context=trust)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _fleet_answers(self) -> bool:
        return self._fleet_knows(0)

    def _fleet_knows(self, credential_id: int) -> bool:
        try:
            return asyncio.run(ask(as_variable(self._settings.nats_url))).newest_credential_id >= credential_id
        except BusError:
            return False


def _environment(settings: Settings) -> dict[str, str]:
    """Every setting as a variable, so that a child that is started again gets what it got the first time."""
    # What came from a file is handed on as a value, and a password in its URL: both at once would be refused.
    blank = {variable: "" for _, variable in value_files.variables(Settings)}
    blank |= {PREFIX + name.upper(): "" for name in Settings.model_fields if name.endswith("_password")}
    values = {name: getattr(settings, name) for name in Settings.model_fields if not name.endswith("_password")}
    return blank | {PREFIX + name.upper(): as_variable(value) for name, value in values.items() if value is not None}
