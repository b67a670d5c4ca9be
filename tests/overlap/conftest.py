"""The previous release, as it was frozen: its ingest, and a database that it migrated."""

import gzip
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest

from store.migrations import PREVIOUS_RELEASE
from tests.conftest import fresh_database

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
MIGRATE: Final = "from store.migrations import migrate; from store.settings import load; migrate(load())"


@dataclass(frozen=True)
class Release:
    """The folder of a release's packages."""

    folder: Path

    def start(self, code: str, **variables: str) -> "subprocess.Popen[str]":
        """A process of its code, which sees these settings and no others."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
        ours = {f"TRACEFLEET_{name.upper()}": value for name, value in variables.items()}
        # The release whose folder is first on the path is the one that is imported, whatever else is installed.
        said = f"import store; assert store.__file__.startswith({str(self.folder)!r}), store.__file__; {code}"
        return subprocess.Popen(
            [sys.executable, "-P", "-c", said],
            env=clean | ours | {"PYTHONPATH": str(self.folder)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def migrate(self, database_url: str) -> None:
        """Bring a database to this release's schema."""
        process = self.start(MIGRATE, database_url=database_url)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """What ran before."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(HERE / f"ingest-{PREVIOUS_RELEASE:04d}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return Release(folder)


@pytest.fixture
def current() -> Release:
    """What runs now."""
    return Release(ROOT)


@pytest.fixture
def previous_database_url(server_url: str, previous: Release) -> Iterator[str]:
    """A database that the previous release made."""
    for url in fresh_database(server_url, template="template0"):
        previous.migrate(url)
        yield url


@pytest.fixture
def previous_connection(previous_database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection in autocommit to it."""
    with psycopg.connect(previous_database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def frozen_queries() -> dict[str, str]:
    """Every query of the previous release by its name."""
    content = gzip.decompress((HERE / f"queries-{PREVIOUS_RELEASE:04d}.json.gz").read_bytes())
    queries: dict[str, str] = json.loads(content)
    return queries
