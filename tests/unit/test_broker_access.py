"""The broker of each deployment without a whole access.conf: it does not start, rather than let everybody in."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.broker_config import WHOLE, Door, access
from fleet.identity.answers import Issuer

DEPLOY = Path(__file__).parents[2] / "deploy"
DOOR = access(Door(Issuer(bytes(32)).public_key, {"ingest": "p", "fleet": "q"}))
# What the template of the pods gives.
ROUTES = {f"ROUTE_{number}": f"nats://routes:p@n{number}:6222" for number in range(3)}
ENVIRONMENT = {"POD_NAME": "n", "ROUTES_PASSWORD": "p", **ROUTES}
Layout = tuple[Path, Path]


def _compose(folder: Path) -> Layout:
    (folder / "mqtt-tls.conf").write_bytes((DEPLOY / "compose" / "mqtt-plain.conf").read_bytes())
    return DEPLOY / "compose" / "nats.conf", folder / "nats.conf"


def _kubernetes(folder: Path) -> Layout:
    base = DEPLOY / "kubernetes" / "base" / "nats"
    (folder / "mqtt-tls.conf").write_bytes((base / "mqtt-tls.conf").read_bytes())
    return base / "nats.conf", folder / "nats.conf"


def _systemd(folder: Path) -> Layout:
    return DEPLOY / "systemd" / "nats.conf", folder / "etc" / "tracefleet" / "nats.conf"


EVERY_DEPLOYMENT = pytest.mark.parametrize(
    "layout", [_compose, _kubernetes, _systemd], ids=lambda layout: layout.__name__.strip("_")
)


def _laid_out(folder: Path, layout: Callable[[Path], Layout]) -> tuple[Path, Path]:
    """Its nats.conf as it is installed, and where that includes the access file from."""
    source, target = layout(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    (included,) = re.findall(r'^include "(.+)"', source.read_text(encoding="utf-8"), re.MULTILINE)
    file = target.parent / included
    file.resolve().parent.mkdir(parents=True)
    return target, file


def _nats_server(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("nats-server")
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT}
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, timeout=30, env=environment
    )


@EVERY_DEPLOYMENT
def test_broker_takes_what_broker_config_writes(layout: Callable[[Path], Layout], tmp_path: Path) -> None:
    """By nats-server itself."""
    config, file = _laid_out(tmp_path, layout)
    file.write_text(DOOR, encoding="utf-8")
    done = _nats_server("-t", "--config", str(config))
    assert done.returncode == 0, done.stderr


@EVERY_DEPLOYMENT
def test_broker_does_not_start_with_an_empty_access_file(layout: Callable[[Path], Layout], tmp_path: Path) -> None:
    """A command that failed leaves one behind; really started, the server ends at once and says what is missing."""
    config, file = _laid_out(tmp_path, layout)
    file.write_text("", encoding="utf-8")
    done = _nats_server("--config", str(config))
    assert done.returncode == 1
    assert f"variable reference for '{WHOLE}'" in done.stderr
    file.unlink()
    assert _nats_server("--config", str(config)).returncode == 1


def test_broker_does_not_start_with_a_part_of_the_access_file(tmp_path: Path) -> None:
    """Cut off after any line but the last, which says what has been said before."""
    config, file = _laid_out(tmp_path, _systemd)
    lines = DOOR.splitlines(keepends=True)
    assert lines[-2].startswith(WHOLE)
    for count in range(len(lines) - 1):
        file.write_text("".join(lines[:count]), encoding="utf-8")
        assert _nats_server("-t", "--config", str(config)).returncode == 1, count


KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    *" broker-config") printf '%s' "$ANSWER"; exit "$STATUS" ;;
    *"apply "*) cat >> "$CALLS" ;;
    *"create secret "*) cat access.conf ;;
esac
"""


@pytest.mark.parametrize(("answer", "status", "is_made"), [("all of it", 0, True), ("", 0, False), ("half", 1, False)])
def test_commands_for_kubernetes_make_a_secret_of_a_whole_file_alone(
    answer: str, status: int, is_made: bool, tmp_path: Path
) -> None:
    """Those of the page, by a kubectl that answers so; a second time, too, because it is applied. No file stays."""
    page = (DEPLOY / "kubernetes" / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^(\(umask .*?^rm [^\n]+\n)", page, re.MULTILINE | re.DOTALL)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL, encoding="utf-8")
    program.chmod(0o755)
    calls = tmp_path / "calls"
    told = {"CALLS": str(calls), "ANSWER": answer, "STATUS": str(status)}
    path = f"{program.parent}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", commands], cwd=tmp_path, env={"PATH": path, **told}, check=True)  # noqa: S607 - any shell
    seen = calls.read_text(encoding="utf-8")
    assert ("apply --server-side" in seen, "all of it" in seen) == (is_made, is_made)
    assert ("--dry-run=client" in seen) == is_made
    assert not (tmp_path / "access.conf").exists()
