"""How people are told to type a command."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from deploy.embedded.trial import Trial
from deploy.embedded.welcome import Addresses, welcome
from deploy.invocation import as_typed, program

ADDRESSES = Addresses(
    "postgresql://tracefleet:secret@127.0.0.1:5433/tracefleet",
    "mqtt://me:hush@127.0.0.1:1883",
    "nats://me:hush@127.0.0.1:4222",
    "http://127.0.0.1:8000",
    {},
)


def _script(folder: Path) -> Path:
    folder.mkdir()
    script = folder / "tracefleet"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("called", [".venv/bin/tracefleet", "./tracefleet", "/opt/x y/tracefleet"])
def test_command_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str) -> None:
    """Ready for a shell, where no shell finds it by its name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called, "up"])
    assert shlex.split(program()) == [called]
    assert as_typed("Start it with `tracefleet up`.") == f"Start it with `{program()} up`."


def test_command_is_named_by_its_name_when_a_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell hands on the whole path, which nobody typed. Another one on the PATH is another one."""
    script, other = _script(tmp_path / "bin"), _script(tmp_path / "other")
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert program() == "tracefleet"
    monkeypatch.setattr(sys, "argv", [str(other)])
    assert program() == str(other)


def test_command_is_named_by_its_name_when_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever called it so knows."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/deploy/cli.py"])
    assert program() == "tracefleet"


def test_welcome_waits_between_publishing_and_reading(tmp_path: Path) -> None:
    """The three lines can be pasted at once; both languages say why."""
    told = welcome(ADDRESSES, data_dir=tmp_path, trial=Trial("D-1", "its-secret"), first_password=None)
    commands = re.findall(r"^ {4}(mosquitto_pub|sleep|KEY=|curl)", told, re.MULTILINE)
    assert commands == ["mosquitto_pub", "sleep", "KEY=", "curl"]
    assert "the row follows within a second" in told
    assert "一秒内入库" in told
    assert "-i D-1 -u D-1 -P its-secret " in told
    assert "hush" not in told


def test_welcome_says_how_to_get_a_secret_when_none_was_made(tmp_path: Path) -> None:
    """A real device's is its own; one more is issued on purpose."""
    told = welcome(ADDRESSES, data_dir=tmp_path, trial=Trial("D-1", None), first_password=None)
    assert f"\n    {program()} devices credential D-1\n" in told
    assert "-P SECRET " in told


def test_welcome_names_the_command_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make demo` puts nothing on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [".venv/bin/tracefleet", "up"])
    told = welcome(ADDRESSES, data_dir=tmp_path, trial=None, first_password="ONE-TIME")
    assert "\n    .venv/bin/tracefleet up --simulate 200\n" in told
    assert "=$(.venv/bin/tracefleet keys create " in told


def test_welcome_tells_the_first_login_once(tmp_path: Path) -> None:
    """With its one-time password when this start made it; afterwards what to do when it is forgotten."""
    first = welcome(ADDRESSES, data_dir=tmp_path, trial=None, first_password="ONE-TIME")
    assert f"{ADDRESSES.api_url}/login\n" in first
    assert "admin   one-time password · 一次性密码: ONE-TIME\n" in first
    later = welcome(ADDRESSES, data_dir=tmp_path, trial=None, first_password=None)
    assert "password · 一次性密码" not in later
    assert f"{program()} users reset admin" in later
