"""The command line: help, exit statuses, and sentences in the place of tracebacks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from deploy.cli import _sentences, app
from store.errors import PortTakenError, SchemaError


def tracefleet(*arguments: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The finished command, run in *cwd* with no variables of ours but *variables*."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli", *arguments],
        cwd=cwd,
        env=clean | {f"TRACEFLEET_{name}": value for name, value in variables.items()} | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _all_commands() -> Iterator[tuple[str, str]]:
    def walk(name: str, command: object) -> Iterator[tuple[str, str]]:
        yield name, getattr(command, "epilog", None) or ""
        if isinstance(command, TyperGroup):
            for word, inner in command.commands.items():
                yield from walk(f"{name} {word}", inner)

    yield from walk("tracefleet", get_command(app))


@pytest.mark.parametrize(("name", "epilog"), list(_all_commands()))
def test_every_help_ends_with_one_example_of_its_command(name: str, epilog: str) -> None:
    """An example that could be typed, of the command itself."""
    assert epilog.startswith("Example: ")
    assert name in epilog


def test_help_is_shown_without_the_services(tmp_path: Path) -> None:
    """What only a service needs is not loaded to print a page of text."""
    heavy = "aiomqtt", "fastapi", "paho.mqtt", "uvicorn"
    script = f"import sys, deploy.cli; sys.exit(','.join({set(heavy)!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    """Exit status 2, and no traceback."""
    done = tracefleet("up", "--simulate", "many", cwd=tmp_path)
    assert done.returncode == 2
    assert "Invalid value for '--simulate'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_operators_error_is_its_sentence(tmp_path: Path) -> None:
    """On standard error, with exit status 2 and nothing else."""
    done = tracefleet("migrate", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"TRACEFLEET_DATABASE_URL is not set, and no `tracefleet up` is running in {tmp_path / '.tracefleet'}. "
        "Set it to a PostgreSQL URL, or start the embedded system with `tracefleet up`.\n"
    )


def test_an_operators_error_names_the_command_as_it_was_called(tmp_path: Path) -> None:
    """After `make demo` there is no `tracefleet` on the PATH."""
    script = tmp_path / "tracefleet"
    script.write_text("from deploy.cli import main\nmain()\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(script), "migrate"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith(f"or start the embedded system with `{script} up`.\n")


def test_errors_of_several_tasks_are_a_sentence_each() -> None:
    """However deep the task groups are."""
    inner = ExceptionGroup("inner", [PortTakenError("port 1 is taken")])
    group = ExceptionGroup("outer", [SchemaError("too old"), inner])
    assert list(_sentences(group)) == ["too old", "port 1 is taken"]


def test_migrate_says_what_it_did(tmp_path: Path, empty_database_url: str) -> None:
    """The files it applied, and the second time that there was nothing to do."""
    first = tracefleet("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url)
    second = tracefleet("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url)
    assert first.returncode == second.returncode == 0
    assert first.stdout.startswith("applied 0001_ledger\n")
    assert second.stdout == "nothing to do: the schema is current\n"


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    """One line."""
    assert tracefleet("--version", cwd=tmp_path).stdout.startswith("tracefleet 0.")


def test_a_folder_of_the_operators_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Whoever stands in a project with a package named `store` or `api` still runs tracefleet."""
    for name in ("api", "store"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')\n", encoding="utf-8")
    assert tracefleet("--help", cwd=tmp_path).returncode == 0
