"""The network between ingest and everything else: slow and lossy, then gone, then slow and lossy, then well."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.devices import Devices
from tests.faults.ingest_process import Ingest
from tests.faults.namespace import HOST, Namespace, by_netem, by_tun
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage
from tests.faults.tap import Tap
from tests.faults.waiting import keeps, until

LOSS = 0.2
DELAY_SECONDS = 0.2
# A chunk of a proxy's stands for many packets, and the kernel makes up for most lost ones: few break a connection.
DROP_SHARE = 0.02
# A line like this carries a few messages a second, with every statement on it.
RATE = 20.0
BACK_SECONDS = 120.0


def _with_port(url: str, host: str, port: int) -> str:
    head, _, rest = url.rpartition("@")
    return f"{head}@{host}:{port}/{rest.partition('/')[2]}"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(by_netem, id="netem", marks=pytest.mark.fault("partition with loss and delay (netem)")),
        pytest.param(by_tun, id="tun", marks=pytest.mark.fault("partition with loss and delay (packets)")),
    ],
)
def test_nothing_is_lost_over_a_bad_line_and_a_partition(
    make_stage: MakeStage, steady_url: str, line: Callable[[], AbstractContextManager[Namespace]]
) -> None:
    """Packets are lost and late, then none come through at all, then they do again."""
    with ExitStack() as stack:
        namespace = stack.enter_context(line())
        stage = make_stage(steady_url)
        tap = stage.tap(host=HOST)
        database = stack.enter_context(Proxy(_port(steady_url), host=HOST))
        ingest = stage.ingest(
            host=HOST,
            broker_port=tap.port,
            database_url=_with_port(steady_url, HOST, database.port),
            run_in=namespace.run_in,
            connect=namespace.connect,
        )
        # Before the line is taken down, or its end would hear of nothing.
        stack.callback(ingest.end)
        ingest.start()
        devices = stage.devices(rate=RATE, limit=10**9)
        _play(stage, ingest, tap, devices, namespace)


def _play(stage: Stage, ingest: Ingest, tap: Tap, devices: Devices, namespace: Namespace) -> None:
    stage.until_stored(int(RATE))
    stage.figures.saw_rss(ingest.rss_mb())
    namespace.trouble.set(loss=LOSS, delay_seconds=DELAY_SECONDS)
    stage.until_stored(stage.stored() + int(RATE), seconds=BACK_SECONDS)
    namespace.trouble.set(loss=1.0, delay_seconds=0.0)
    # What was on its way arrives still.
    time.sleep(1)
    acknowledged = tap.acknowledged
    keeps(lambda: tap.acknowledged == acknowledged, seconds=stage.profile.away_seconds, what="nothing comes through")
    stage.figures.saw_rss(ingest.rss_mb())
    namespace.trouble.set(loss=LOSS, delay_seconds=DELAY_SECONDS)
    before = stage.stored()
    stage.figures.recovery_seconds.append(stage.until_stored(before + 1, seconds=BACK_SECONDS))
    stage.figures.more["connections_to_the_broker"] = tap.connections
    namespace.trouble.set(loss=0.0, delay_seconds=0.0)
    until(ingest.is_ready, seconds=BACK_SECONDS, what="ingest is ready again")
    stage.figures.saw_rss(ingest.rss_mb())
    stage.reckon(devices, ingest, tap)
    assert ingest.starts == 1


@pytest.mark.fault("partition with dropped connections (proxies)")
def test_nothing_is_lost_when_proxies_delay_drop_and_part(make_stage: MakeStage, steady_url: str) -> None:
    """The same on every machine: what is carried is late, connections break, and for a while nothing is carried."""
    stage = make_stage(steady_url)
    tap = stage.tap()
    with Proxy(_port(steady_url), seed=3) as database:
        ingest = stage.ingest(broker_port=tap.port, database_url=_with_port(steady_url, "127.0.0.1", database.port))
        ingest.start()
        devices = stage.devices(rate=RATE, limit=10**9)
        stage.until_stored(int(RATE))
        stage.figures.saw_rss(ingest.rss_mb())
        proxies: list[Proxy] = [tap, database]
        _trouble(proxies, delay_seconds=DELAY_SECONDS, drop_share=DROP_SHARE)
        stage.until_stored(stage.stored() + int(4 * RATE), seconds=BACK_SECONDS)
        for proxy in proxies:
            proxy.partition()
        acknowledged = tap.acknowledged
        keeps(lambda: tap.acknowledged == acknowledged, seconds=stage.profile.away_seconds, what="nothing is carried")
        stage.figures.saw_rss(ingest.rss_mb())
        for proxy in proxies:
            proxy.heal()
        stage.figures.recovery_seconds.append(stage.until_stored(stage.stored() + 1, seconds=BACK_SECONDS))
        _trouble(proxies, delay_seconds=0.0, drop_share=0.0)
        until(ingest.is_ready, seconds=BACK_SECONDS, what="ingest is ready again")
        stage.figures.more["connections_dropped"] = sum(proxy.dropped for proxy in proxies)
        stage.reckon(devices, ingest, tap)
        assert ingest.starts == 1
        ingest.end()


def _trouble(proxies: list[Proxy], *, delay_seconds: float, drop_share: float) -> None:
    for proxy in proxies:
        proxy.delay_seconds, proxy.drop_share = delay_seconds, drop_share
