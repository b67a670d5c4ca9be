"""The whole loop over the real broker: from a live scale that is flagged to the books closed, four eyes all the way.

The broker, PostgreSQL, ingest and the API are real and run as processes; fleet's door runs in a thread of its own, and
fleet's rounds are called with the time at which they would run: nothing here waits for a day.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row

from fleet.acting import Actor, acting
from fleet.audit.verification import verify
from fleet.business_day import today
from fleet.census import take_census
from fleet.identity import api_keys
from fleet.identity.credentials import Issued
from fleet.identity.roles import Role
from fleet.metrics import Metrics
from fleet.obsolescence.evaluating import evaluate
from fleet.retirement import retained, silence
from fleet.security import events as security
from tests.conftest import end, free_port, fresh_database
from tests.integration.door.device import NOT_AUTHORISED, Device
from tests.integration.door.world import World, a_world, until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

ROOT: Final = Path(__file__).parents[2]
# The promise: from the commit of the execution to the end of the live connection.
CLOSED_WITHIN_SECONDS: Final = 5.0
PHOTO: Final = hashlib.sha256(b"photo").hexdigest()
# Who may what: li proposes, and is an approver as well, which must not help.
PEOPLE: Final[dict[str, tuple[Role, ...]]] = {
    "li": ("operator", "approver"),
    "wang": ("fleet_admin",),
    "zhao": ("approver",),
    "sun": ("viewer",),
}


class Scale:
    """A simulated scale: one connection with its own credential, a retained birth, a retained will, and weighings."""

    def __init__(self, world: World, issued: Issued) -> None:
        self.number = issued.device_no
        self.boot = f"b{issued.credential_id}"
        self.device = Device(
            world.url_of(self.number, issued.secret),
            self.number,
            will=f"tracefleet/v1/{self.number}/presence",
            will_payload=self._presence("offline"),
            retain_will=True,
        )
        assert self.device.is_in
        self.device.publish(f"tracefleet/v1/{self.number}/presence", self._presence("online"), retain=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._weigh)
        self._thread.start()

    def _presence(self, state: str) -> bytes:
        return json.dumps({"v": 1, "boot": self.boot, "state": state}).encode()

    def _weigh(self) -> None:
        """Sell half a kilogram again and again, until the line is closed, without waiting for an answer."""
        seq = 0
        while not self._stop.wait(0.1) and not self.device.is_closed:
            record = {
                "at": datetime.now(UTC).isoformat(),
                "trade_no": f"{self.boot}-{seq}",
                "kind": "sale",
                "net_g": 500,
                "unit_price_fen_per_kg": 3000,
                "amount_fen": 1500,
                "stable": True,
            }
            body = json.dumps({"v": 1, "boot": self.boot, "seq": seq, "records": [record]})
            self.device.say(f"tracefleet/v1/{self.number}/weighing", body.encode())
            seq += 1

    def end(self) -> None:
        """Switch it off."""
        self._stop.set()
        self._thread.join()
        self.device.leave()


class City:
    """The world with a ledger, ingest and the API beside it, and people with keys."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.connection = world.connection
        self.door = world.start_fleet()
        self.port = free_port()
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.keys = self._people()
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def start(self) -> None:
        """Ingest hears, and the API answers."""
        for service in ("ingest", "api"):
            self._start(service)
        until(lambda: self.column("SELECT 1 FROM workers WHERE connected"), what="ingest's subscription")
        until(self._answers, what="the API")

    def _start(self, service: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
        settings = self.world.settings
        with (self._folder / f"{service}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "deploy.cli", service],
                    cwd=ROOT,
                    env=own
                    | {
                        "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
                        "TRACEFLEET_BROKER_URL": self.world.broker.url,
                        "TRACEFLEET_DATA_DIR": str(settings.data_dir),
                        "TRACEFLEET_API_PORT": str(self.port),
                        "TRACEFLEET_INGEST_METRICS_PORT": str(free_port()),
                        "TRACEFLEET_INGEST_WORKER": "loop",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _answers(self) -> bool:
        try:
            return self.api.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _people(self) -> dict[str, str]:
        keys = {}
        for name, roles in PEOPLE.items():
            with self.world.changing() as connection:
                connection.execute("INSERT INTO users (name, roles) VALUES (%s, %s)", (name, list(roles)))
                _, keys[name] = api_keys.make(connection, name, roles, owner=name)
        return keys

    def close(self) -> None:
        """End what was started here."""
        self.api.close()
        for process in self._processes:
            end(process)

    def ask(self, who: str, method: str, path: str, /, *, expected: int = 200, **body: Any) -> Any:
        """The answer to somebody's request, which has the status *expected*."""
        answer = self.api.request(
            method,
            f"/api/v1{path}",
            json=body if method == "POST" else None,
            headers={"Authorization": f"Bearer {self.keys[who]}"},
        )
        assert answer.status_code == expected, answer.text
        return answer.json()

    def column(self, query: str, *values: object) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.connection.execute(query.encode(), values)]

    def row(self, query: str, *values: object) -> dict[str, Any]:
        """The only row of a query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            [row] = cursor.execute(query.encode(), values).fetchall()
        return row

    def register(self, device_no: str, **more: object) -> None:
        """A scale in service at a market, acquired after the notice and with no exemption."""
        columns: dict[str, object] = {"acquired_on": date(2019, 5, 1), "original_value_fen": 300_000} | more
        with self.world.changing() as connection:
            connection.execute(
                "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
                " VALUES ('M', '市场', 'Market', 'wet_market', '410100') ON CONFLICT DO NOTHING"
            )
            connection.execute(
                "INSERT INTO models (model_no, kind, vendor) VALUES ('ACS-15', 'trace_scale', 'Yuheng')"
                " ON CONFLICT DO NOTHING"
            )
            connection.execute(
                f"INSERT INTO devices (device_no, model_id, site_id, {', '.join(columns)})"  # noqa: S608
                f" SELECT %s, model_id, site_id{', %s' * len(columns)} FROM models, sites"
                " WHERE model_no = 'ACS-15' AND site_no = 'M'",
                (device_no, *columns.values()),
            )

    def judge(self) -> None:
        """A run of the rules, as of today."""
        now = datetime.now(UTC)
        with acting(self.connection, Actor("fleet", "fleet"), keys=self.world.keys):
            evaluate(self.connection, day=today(now), now=now)

    def census(self) -> CollectorRegistry:
        """Fleet's metrics as of now."""
        registry = CollectorRegistry()
        metrics = Metrics(registry)

        async def take() -> None:
            async with await psycopg.AsyncConnection.connect(
                self.world.settings.require_database_url(), autocommit=True
            ) as connection:
                await take_census(connection, metrics)

        asyncio.run(take())
        return registry


@contextmanager
def a_city(database_url: str, folder: Path) -> Iterator[City]:
    """A city, ended whatever happens."""
    with a_world(database_url, folder) as world:
        city = City(world, folder)
        try:
            city.start()
            yield city
        finally:
            city.close()


@pytest.fixture(scope="module")
def city(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One for all tests of this module."""
    for database_url in fresh_database(server_url, template=template_database):
        with a_city(database_url, tmp_path_factory.mktemp("loop")) as made:
            yield made


class Loop:
    """One device on its way, and what everybody says of it after each step."""

    def __init__(self, city: City, device_no: str) -> None:
        self.city = city
        self.device_no = device_no
        self.case_no = ""
        self.states: list[str] = []

    def open(self, **body: Any) -> None:
        """The case, opened by li."""
        self.case_no = self.city.ask("li", "POST", "/cases", expected=201, device_no=self.device_no, **body)["case_no"]
        self.agree("opened", "in_service", by="li")

    def take(self, who: str, step: str, state: str, device_state: str, /, **body: Any) -> None:
        """A step over the API, after which all agree."""
        self.city.ask(who, "POST", f"/cases/{self.case_no}/{step}", **body)
        self.agree(state, device_state, by=who)

    def refused(self, who: str, step: str, status: int, /, **body: Any) -> None:
        """A step that is refused, after which all is as it was."""
        before = self.city.row("SELECT state FROM cases WHERE case_no = %s", self.case_no)
        self.city.ask(who, "POST", f"/cases/{self.case_no}/{step}", expected=status, **body)
        assert self.city.row("SELECT state FROM cases WHERE case_no = %s", self.case_no) == before

    def agree(self, state: str, device_state: str, *, by: str) -> None:
        """Ledger, case, its steps, the audit, the events, the API and the metrics say the same."""
        city = self.city
        self.states.append(state)
        case = city.row("SELECT * FROM cases WHERE case_no = %s", self.case_no)
        assert case["state"] == state
        steps = "SELECT to_state FROM case_steps WHERE case_id = %s ORDER BY step_id"
        assert city.column(steps, case["case_id"]) == self.states
        actors = "SELECT actor FROM case_steps WHERE case_id = %s ORDER BY step_id DESC LIMIT 1"
        assert city.column(actors, case["case_id"]) == [by]
        audited = "SELECT actor FROM audit WHERE entity = 'cases' AND label = %s AND after->>'state' = %s"
        assert city.column(audited, self.case_no, state)[0] == by
        told = "SELECT kind FROM events WHERE subject = %s AND kind LIKE 'case.%%' ORDER BY event_id"
        assert city.column(told, self.case_no) == [f"case.{one}" for one in self.states]
        device = city.row("SELECT * FROM devices WHERE device_no = %s", self.device_no)
        assert device["state"] == device_state
        assert city.ask("sun", "GET", f"/cases/{self.case_no}")["state"] == state
        shown = city.ask("sun", "GET", f"/devices/{self.device_no}")
        assert shown["lifecycle"]["state"] == device_state
        is_over = device["decommissioned_at"] is not None
        assert (shown["connectivity"]["valid_credentials"] == 0) is is_over
        counted = city.column("SELECT count(*)::int FROM devices WHERE state = %s", device_state)
        labels = {"kind": "trace_scale", "state": device_state}
        assert [city.census().get_sample_value("tracefleet_fleet_devices", labels)] == counted
        verdict = verify(city.connection, city.world.keys, city.world.settings.data_dir / "anchors.jsonl")
        assert (verdict.found, verdict.waiting) == (0, 0)

    def executed(self, scale: Scale, who: str) -> datetime:
        """The execution over the API: the live scale is cut off in time, and may not come back; when it was."""
        city = self.city
        heard = "SELECT count(*)::int FROM weighing JOIN devices USING (device_id) WHERE device_no = %s"
        until(lambda: city.column(heard, self.device_no)[0] > 2, what="weighings of a live scale")
        assert scale.device.is_in
        before = monotonic()
        self.city.ask(who, "POST", f"/cases/{self.case_no}/execute")
        scale.device.wait_until_closed(seconds=CLOSED_WITHIN_SECONDS)
        assert monotonic() - before < CLOSED_WITHIN_SECONDS
        self.agree("executing", "idle", by=who)
        at = city.row("SELECT executed_at FROM cases WHERE case_no = %s", self.case_no)["executed_at"]
        assert isinstance(at, datetime)
        return at


def paper(kind: str) -> dict[str, Any]:
    """A paper, by its hash."""
    return {"kind": kind, "name": f"{kind}.pdf", "sha256": hashlib.sha256(kind.encode()).hexdigest(), "size_bytes": 9}


def handed_over(world: World, device_no: str) -> list[bytes]:
    """What somebody who subscribes now is handed of what was said before."""
    ear = world.service(f"tracefleet/v1/{device_no}/presence", f"tracefleet/v1/{device_no}/command")
    ear.publish(f"tracefleet/v1/{device_no}/command", b"the last")
    ear.wait(lambda: b"the last" in [payload for _, payload in ear.heard], what="the last word")
    ear.leave()
    return [payload for _, payload in ear.heard if payload != b"the last"]


def decide(city: City, loop: Loop) -> None:
    """From the flag to the approval: each step refused to whoever it is not for."""
    flag = city.row("SELECT f.* FROM flags AS f JOIN devices USING (device_id) WHERE device_no = %s", loop.device_no)
    assert ("豁免" in flag["sentence_zh"], "exemption" in flag["sentence_en"]) == (True, True)
    loop.open()
    case = city.ask("sun", "GET", f"/cases/{loop.case_no}")
    assert [ground["rule"] for ground in case["grounds"]] == ["forbidden_kind"]
    loop.refused("sun", "propose", 403, reason="新增秤")
    loop.take("li", "propose", "proposed", "in_service", reason="2018年后新增且无豁免文件")
    found = {"appraisal": "not_worth_repair", "papers": [paper("appraisal")]}
    loop.take("wang", "appraise", "appraised", "in_service", **found)
    decision = {"document": "批复〔2026〕7号", "papers": [paper("value_evidence"), paper("approval")]}
    loop.refused("li", "approve", 409, **decision)
    loop.refused("wang", "approve", 403, **decision)
    loop.refused("wang", "execute", 409)
    loop.take("zhao", "approve", "approved", "in_service", **decision)


def try_to_return(city: City, issued: Issued) -> None:
    """At the broker, and over HTTP in somebody else's hands: refused and recorded, and nothing is stored."""
    number = issued.device_no
    stored = "SELECT count(*)::int FROM weighing JOIN devices USING (device_id) WHERE device_no = %s"
    before, refusals = city.column(stored, number), city.door.logins("retired")
    assert city.world.connect(issued).answer == NOT_AUTHORISED
    assert city.door.logins("retired") == refusals + 1
    record = {"at": datetime.now(UTC).isoformat(), "uptime_s": 1}
    message = {"v": 1, "boot": "x", "seq": 0, "records": [record]}
    answer = city.api.post(
        "/api/v1/telemetry",
        content=json.dumps({"device_no": number, "stream": "status", "message": message}),
        headers={"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {city.keys['li']}"},
    )
    assert answer.status_code == 200
    assert [one["reason"] for one in answer.json()["refusals"]] == ["retired_device"]
    knocks = "SELECT sum(accesses)::int FROM refused_accesses WHERE username = %s AND reason = 'retired'"
    until(lambda: city.column(knocks, number) == [1], what="the row of the refused login")
    letters = "SELECT DISTINCT stream FROM dead_letters WHERE device_no = %s AND reason = 'retired_device'"
    # The broker told the last will of the connection that was closed; it is refused as well.
    until(lambda: {"presence", "status"} <= set(city.column(letters, number)), what="what ingest refused")
    assert city.column(stored, number) == before


def raise_alarm(city: City, loop: Loop, executed_at: datetime) -> int:
    """A retired identity that speaks is a security event; its number."""
    found = security.watch(city.connection, keys=city.world.keys, now=executed_at + timedelta(minutes=1))
    assert found == 1
    [event] = city.ask("sun", "GET", "/security-events?open=true")["items"]
    assert (event["device_no"], event["channel"], event["case_no"]) == (loop.device_no, "broker", loop.case_no)
    assert city.census().get_sample_value("tracefleet_fleet_security_events", {"channel": "broker"}) == 1
    told = "SELECT count(*)::int FROM events WHERE kind = 'security.retired_speaks' AND subject = %s"
    assert city.column(told, loop.device_no) == [1]
    return int(event["security_event_id"])


def prove_silence(city: City, loop: Loop, executed_at: datetime) -> dict[str, Any]:
    """A day in which nothing was accepted, not a second less; the proof."""
    keys = city.world.keys
    # What came while the execution was being written was accepted lawfully, and the day begins with it.
    assert silence.watch(city.connection, now=executed_at, keys=keys) == []
    case = city.row("SELECT silent_since FROM cases WHERE case_no = %s", loop.case_no)
    since = case["silent_since"] or executed_at
    assert since - executed_at < timedelta(seconds=2)
    over = since + silence.SILENCE
    assert silence.watch(city.connection, now=over - timedelta(seconds=1), keys=keys) == []
    assert silence.watch(city.connection, now=over, keys=keys) == [loop.case_no]
    loop.agree("silent", "idle", by="fleet")
    proof: dict[str, Any] = city.ask("sun", "GET", f"/cases/{loop.case_no}")["silence"]
    return proof


def test_live_scale_of_the_government_is_flagged_and_carried_to_the_end(city: City) -> None:
    """Every step by whom it is due, refused to everybody else, and told alike wherever one looks."""
    world = city.world
    city.register("SC-1", owner_type="government")
    issued = world.issue("SC-1")
    scale = Scale(world, issued)
    loop = Loop(city, "SC-1")
    city.judge()
    decide(city, loop)
    executed_at = loop.executed(scale, "wang")
    scale.end()
    try_to_return(city, issued)

    assert handed_over(world, "SC-1") != []
    assert retained.clear(city.connection, world.broker.url, now=executed_at + retained.SETTLE) == 1
    assert handed_over(world, "SC-1") == []
    event = raise_alarm(city, loop, executed_at)

    fetched = {"recovered_place": "运维仓库A3", "photo_sha256": PHOTO}
    loop.refused("li", "recover", 409, **fetched)
    proof = prove_silence(city, loop, executed_at)
    assert (proof["accepted"], proof["attempts"]["broker"]) == (0, 1)
    assert proof["attempts"]["ingest"] >= 2
    assert proof["retained"]["topics"] == ["tracefleet/v1/SC-1/presence"]
    loop.take("li", "recover", "recovered", "recovered", **fetched)
    loop.take("li", "wipe", "wiped", "pending_disposal")
    scrapped = {"method": "scrap", "recipient": "绿源再生资源", "recycler_licence": "豫商再生〔2025〕12号"}
    receipt = {"receipt_no": "HS-0001", "papers": [paper("receipt")]}
    loop.refused("li", "dispose", 403, **scrapped, **receipt)
    loop.refused("wang", "dispose", 409, **scrapped)
    loop.take("wang", "dispose", "disposed", "disposed", **scrapped, **receipt)
    loop.take("wang", "write-off", "written_off", "disposed", document="核销〔2026〕3号")
    loop.take("wang", "archive", "archived", "disposed")

    city.ask("sun", "POST", f"/security-events/{event}/settle", expected=403, note="x")
    assert city.ask("wang", "POST", f"/security-events/{event}/settle", note="已断电")["settled_by"] == "wang"
    assert city.ask("sun", "GET", "/security-events?open=true")["items"] == []
    assert world.connect(issued).answer == NOT_AUTHORISED


def test_live_scale_of_a_merchant_goes_the_shorter_way(city: City) -> None:
    """The owner consents, nobody appraises it or closes books on it, and it is given back."""
    world = city.world
    city.register("SC-2", owner_type="merchant")
    issued = world.issue("SC-2")
    scale = Scale(world, issued)
    loop = Loop(city, "SC-2")
    loop.open(reason="商户停业，交回设备")
    loop.take("li", "propose", "proposed", "in_service", reason="商户停业")
    loop.refused("wang", "appraise", 409, appraisal="no_use_left", papers=[paper("appraisal")])
    consent = {"document": "同意书", "papers": [paper("consent")]}
    loop.refused("li", "approve", 409, **consent)
    loop.take("zhao", "approve", "approved", "in_service", **consent)
    executed_at = loop.executed(scale, "wang")
    scale.end()
    assert world.connect(issued).answer == NOT_AUTHORISED
    prove_silence(city, loop, executed_at)
    loop.take("li", "wipe", "wiped", "pending_disposal")
    loop.take("wang", "dispose", "disposed", "disposed", method="returned", recipient="张记")
    loop.take("wang", "archive", "archived", "disposed")
