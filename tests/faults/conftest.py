"""The faults: two profiles of one code, links to brokers, and the report of the full profile."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from store.migrations import migrate
from store.settings import Settings
from tests.faults import figures as report
from tests.faults.brokers import LINKS, Link
from tests.faults.figures import Figures
from tests.faults.profile import PROFILES, Profile
from tests.faults.server import Server
from tests.faults.stage import Stage

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

FULL_SECONDS = 3 * 3600
_FIGURES = pytest.StashKey[Figures]()
_ABOUT = pytest.StashKey[dict[str, str]]()

MakeStage = Callable[..., Stage]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a fault of the full profile the time it takes."""
    if config.getoption("faults") == "full":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(FULL_SECONDS))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a *link* over those of the profile, or over all when it is marked ``every_link``."""
    if "link" in metafunc.fixturenames:
        profile = PROFILES[metafunc.config.getoption("faults")]
        every = metafunc.definition.get_closest_marker("every_link") is not None
        links = [link for link in LINKS if every or link.name in profile.links]
        metafunc.parametrize("link", [_parameter(link) for link in links])


def _parameter(link: Link) -> "ParameterSet":
    why_not = link.why_not()
    return pytest.param(link, id=link.name, marks=[pytest.mark.skip(reason=why_not)] if why_not else [])


@pytest.fixture(scope="session")
def profile(request: pytest.FixtureRequest) -> Profile:
    """How much of each fault is run."""
    return PROFILES[request.config.getoption("faults")]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What this test measures; the report shows it, whatever becomes of the test."""
    link = request.getfixturevalue("link")
    mark = request.node.get_closest_marker("fault")
    assert mark is not None, "a fault has a name"
    made = request.node.stash[_FIGURES] = Figures(mark.args[0], link.name)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Enter the figures of a test that has run in the report of the full profile."""
    told: Any = yield
    measured = item.stash.get(_FIGURES, None)
    if told.when != "call" or measured is None:
        return told  # type: ignore[no-any-return]
    if told.skipped:
        measured.verdict = f"not run: {told.longrepr[2].removeprefix('Skipped: ')}"
    elif told.failed or not measured.verdict:
        measured.verdict = "failed" if told.failed else "nothing lost"
    # Shown with a failure, and by -rA.
    told.sections.append(("Figures", json.dumps(asdict(measured))))
    if item.config.getoption("faults") == "full":
        report.keep(measured, item.stash.get(_ABOUT, {}))
    return told  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def steady_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that no fault hurts."""
    yield from _server(tmp_path_factory.mktemp("steady"))


@pytest.fixture
def steady_url(request: pytest.FixtureRequest) -> str:
    """A migrated database that no fault hurts: on the server the whole suite was pointed at, else on our own."""
    if os.environ.get("TRACEFLEET_TEST_DATABASE_URL"):
        return str(request.getfixturevalue("database_url"))
    return str(request.getfixturevalue("steady_server").url)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be hurt."""
    yield from _server(tmp_path)


def _server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.start()
        migrate(Settings(database_url=server.url))
        yield server
    finally:
        server.end()


@pytest.fixture
def make_stage(
    request: pytest.FixtureRequest, tmp_path: Path, link: Link, profile: Profile, figures: Figures
) -> Iterator[MakeStage]:
    """Makes the stage on a server, with a broker that serves; all of it ends with the test."""
    with ExitStack() as stack:

        def make(database_url: str, **given: Any) -> Stage:
            with psycopg.connect(database_url, autocommit=True) as connection:
                (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
            stage = Stage(
                stack, tmp_path, database_url=database_url, link=link, profile=profile, figures=figures, **given
            )
            request.node.stash[_ABOUT] = {"postgresql": str(version).split()[0], link.name: stage.broker.about()}
            return stage

        yield make
