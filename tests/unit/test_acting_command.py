"""Tests of who a command runs as, and of the time that it prints."""

import os
import pwd
from datetime import UTC, datetime

import pytest

from deploy.commands.acting import actor
from deploy.commands.clock import clock


def test_actor_is_whom_the_system_knows_when_variables_say_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another LOGNAME makes no second person who might approve."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert actor().who == pwd.getpwuid(os.getuid()).pw_name


def test_sudo_user_is_believed_of_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root can set the variable without being that person."""
    monkeypatch.setenv("SUDO_USER", "li")
    own = pwd.getpwuid(os.getuid()).pw_name
    assert actor().who == ("li" if os.geteuid() == 0 else own)


def test_clock_is_of_china_wherever_the_machine_is() -> None:
    """The evening in UTC is the next day there."""
    instant = datetime(2026, 11, 24, 20, 5, 9, tzinfo=UTC)
    assert (clock(instant), clock(instant, seconds=True), clock(None)) == (
        "2026-11-25 04:05",
        "2026-11-25 04:05:09",
        "",
    )
