"""Worlds with a guarded broker: one for a test that changes it, one for all that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import fresh_database
from tests.integration.door.world import World, a_world


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """A guarded broker of the test's own, and no fleet yet."""
    with a_world(database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A guarded broker with a fleet, and the devices A, B and the gateway G with D behind it."""
    for database_url in fresh_database(server_url, template=template_database):
        with a_world(database_url, tmp_path_factory.mktemp("door")) as made:
            for device_no in "AB":
                made.register(device_no)
            made.register("G", kind="gateway")
            made.register("D", gateway="G")
            made.start_fleet()
            yield made
