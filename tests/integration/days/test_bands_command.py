"""``tracefleet fleet bands|band-…`` as an administrator types it."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import bands
from tests.integration.days.conftest import World

Run = Callable[..., Result]
FREEZER = ("--low", "-30", "--high", "-15", "--goods-zh", "冷冻肉", "--goods-en", "frozen meat", "--basis", "规程")


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACEFLEET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    bands.add_to(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def logger(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """The number of a logger in a cold store."""
    world = World(connection)
    world.site("C", kind="cold_store")
    world.device("TD-410100-TH-900001-1", "C", "logger")
    return "TD-410100-TH-900001-1"


def _found(result: Result, **asked: object) -> list[dict[str, Any]]:
    """Of what a command told as JSON, the bands with these values."""
    assert result.exit_code == 0, result.output or result.exception
    return [each for each in json.loads(result.stdout) if asked.items() <= each.items()]


def test_band_is_set_and_removed(run: Run) -> None:
    """For a kind of device at a kind of site; shown as a table, and as JSON."""
    assert len(_found(run("bands", "--json"))) == 2
    at = ("--site-kind", "cold_store", "--place", "vehicle", "--tolerated", "0", "--door", "5m", "--interval", "1h")
    [told] = _found(run("band-set", "logger", *FREEZER, *at, "--reason", "x", "--json"), site_kind="cold_store")
    number = told.pop("band_id")
    assert told == {
        "kind": "logger",
        "model_no": None,
        "site_kind": "cold_store",
        "device_no": None,
        "goods_zh": "冷冻肉",
        "goods_en": "frozen meat",
        "place": "vehicle",
        "low_c": -30,
        "high_c": -15,
        "tolerated_seconds": 0,
        "door_seconds": 300,
        "interval_seconds": 3600,
        "basis": "规程",
    }
    table = run("bands").stdout
    assert "-30 … -15" in table
    assert "cold_store" in table
    [told] = _found(
        run("band-set", "logger", *FREEZER, *at[:2], "--door", "10m", "--reason", "x", "--json"), site_kind="cold_store"
    )
    assert [told[name] for name in ("place", "tolerated_seconds", "door_seconds", "interval_seconds")] == [
        "vehicle",
        0,
        600,
        3600,
    ]
    assert _found(run("band-remove", str(number), "--reason", "x", "--json"), site_kind="cold_store") == []


def test_example_of_the_help_does_what_it_says(run: Run, logger: str, connection: psycopg.Connection[Any]) -> None:
    """The band of one device, new with the defaults; the audit has the reason."""
    [told] = _found(run("band-set", *shlex.split(bands.FREEZER), "--json"), device_no=logger)
    assert (told["high_c"], told["place"], told["tolerated_seconds"]) == (-15, "store", 1800)
    assert connection.execute("SELECT high_c FROM device_bands").fetchall() == [(-15,)]
    # Those of the migration are of no operation.
    query = b"SELECT reason FROM audit WHERE entity = 'coldchain_bands' AND operation IS NOT NULL"
    assert connection.execute(query).fetchall() == [("冷冻库单独判定",)]
    assert run("band-set", *shlex.split(bands.FREEZER)).exit_code == 0
    assert connection.execute(query).fetchall() == [("冷冻库单独判定",)]
    model = ("--device", logger, "--model", "logger", "--reason", "x", "--json")
    [told] = _found(run("band-set", "logger", *FREEZER, *model), device_no=logger, model_no="logger")
    assert told["kind"] == "logger"


def test_band_command_is_refused(run: Run) -> None:
    """What is no span, number or place, or is left out, is a usage error; the rest is told by its sentence."""
    reason = ("--reason", "x")
    for more in (("--door", "20"), ("--place", "shop"), ("--low", "cold")):
        assert run("band-set", "logger", *FREEZER, *more, *reason).exit_code == 2
    for left_out in range(0, len(FREEZER), 2):
        assert run("band-set", "logger", *FREEZER[:left_out], *FREEZER[left_out + 2 :], *reason).exit_code == 2
    assert run("band-set", "logger", *FREEZER).exit_code == 2
    for arguments in (
        ("toaster",),
        ("kiosk",),
        ("logger", "--site-kind", "x"),
        ("logger", "--model", "x"),
        ("logger", "--device", "x"),
        ("logger", "--high", "-29.5"),
        ("logger", "--low", "nan"),
        ("logger", "--door", "0"),
        ("logger", "--interval", "99999d"),
        ("logger", "--basis", " "),
    ):
        refused = run("band-set", arguments[0], *FREEZER, *arguments[1:], *reason)
        assert refused.exit_code == 1, arguments
        assert str(refused.exception).endswith(".")
    [general] = _found(run("bands", "--json"), kind="logger")
    for number in (general["band_id"], 10**6):
        refused = run("band-remove", str(number), *reason)
        assert refused.exit_code == 1
        assert str(refused.exception).endswith(".")
