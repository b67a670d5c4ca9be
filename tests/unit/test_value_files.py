"""Settings whose values stand in files, and passwords that stand apart from their URLs."""

import os
from pathlib import Path

import pytest

from store.errors import SettingsError
from store.settings import Settings, load
from store.url_password import with_password
from store.value_files import VALUE_BYTES_MAX, variables

USER = "postgresql://tracefleet_ingest@timescale:5432/tracefleet"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("TRACEFLEET_"):
            monkeypatch.delenv(name)
    return tmp_path


def _complaints() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load()
    return str(caught.value).splitlines()


def _in_file(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> Path:
    path = folder / name.lower()
    path.write_bytes(content)
    monkeypatch.setenv(f"TRACEFLEET_{name}_FILE", str(path))
    return path


def test_every_setting_may_stand_in_a_file_but_those_that_name_files() -> None:
    """KEY_FILE and AUDIT_ANCHOR_FILE are settings, no files of settings `key` and `audit_anchor`."""
    named = dict(variables(Settings))
    assert named.keys() == Settings.model_fields.keys()
    assert named["key_file"] == "TRACEFLEET_KEY_FILE_FILE"
    assert not set(named.values()) & {f"TRACEFLEET_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_value_is_the_text_of_its_file(ending: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line end that editors leave, whatever kind it is; a list and a number are read as in a variable."""
    _in_file(folder, monkeypatch, "INGEST_STREAMS", b"scan,other" + ending)
    _in_file(folder, monkeypatch, "API_PORT", b"8100" + ending)
    settings = load()
    assert settings.ingest_streams == ("scan", "other")
    assert settings.api_port == 8100


def test_a_file_wins_over_the_toml_and_loses_to_nobody_silently(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable and a file for one setting are refused."""
    (folder / "tracefleet.toml").write_text("api_port = 8200\n", encoding="utf-8")
    path = _in_file(folder, monkeypatch, "API_PORT", b"8100")
    assert load().api_port == 8100
    monkeypatch.setenv("TRACEFLEET_API_PORT", "8300")
    assert _complaints() == [
        f"TRACEFLEET_API_PORT_FILE={str(path)!r}: TRACEFLEET_API_PORT is set, too. Set one of the two."
    ]


def test_every_bad_file_is_complained_of_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, empty, no text, too long: each with its variable, its path and what to do."""
    _in_file(folder, monkeypatch, "DATABASE_PASSWORD", b"\n")
    _in_file(folder, monkeypatch, "BROKER_PASSWORD", b"\xff\xfe")
    _in_file(folder, monkeypatch, "NATS_PASSWORD", b"x" * (VALUE_BYTES_MAX + 1))
    monkeypatch.setenv("TRACEFLEET_API_PORT_FILE", str(folder / "nowhere"))
    said = _complaints()
    assert len(said) == 4
    assert f"TRACEFLEET_DATABASE_PASSWORD_FILE={str(folder / 'database_password')!r}: the file is empty" in said[0]
    assert "TRACEFLEET_BROKER_PASSWORD_FILE" in said[1]
    assert "no text in UTF-8" in said[1]
    assert "far too long" in said[2]
    assert said[3].startswith("TRACEFLEET_API_PORT_FILE=")
    assert "No such file or directory" in said[3]


def test_a_bad_value_in_a_file_is_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a secret that was put into the wrong file."""
    _in_file(folder, monkeypatch, "API_PORT", b"hunter2")
    (complaint,) = _complaints()
    assert complaint.startswith("TRACEFLEET_API_PORT_FILE: Input should be a valid integer")
    assert "hunter2" not in complaint


def test_a_file_of_no_setting_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name must not pass for a file."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_PASWORD_FILE", "somewhere")
    (complaint,) = _complaints()
    assert complaint.startswith("TRACEFLEET_DATABASE_PASWORD_FILE: no such setting")


def test_a_password_joins_its_url(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each to its own, whatever is in it, and neither is shown."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", USER)
    monkeypatch.setenv("TRACEFLEET_BROKER_URL", "mqtts://tracefleet.ingest@nats")
    monkeypatch.setenv("TRACEFLEET_NATS_URL", "nats://tracefleet.fleet@[::1]:4222")
    _in_file(folder, monkeypatch, "DATABASE_PASSWORD", b"a/b@c:d?e #%\n")
    monkeypatch.setenv("TRACEFLEET_BROKER_PASSWORD", "one")
    monkeypatch.setenv("TRACEFLEET_NATS_PASSWORD", "two")
    settings = load()
    assert settings.require_database_url() == (
        "postgresql://tracefleet_ingest:a%2Fb%40c%3Ad%3Fe%20%23%25@timescale:5432/tracefleet"
    )
    assert settings.broker_url.get_secret_value() == "mqtts://tracefleet.ingest:one@nats"
    assert settings.nats_url is not None
    assert settings.nats_url.get_secret_value() == "nats://tracefleet.fleet:two@[::1]:4222"
    assert "a/b@c" not in f"{settings!r}"


def test_a_password_with_nobody_to_belong_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL names no user, its default included, or has another password."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", "postgresql://u:other@timescale/x")
    monkeypatch.setenv("TRACEFLEET_DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("TRACEFLEET_BROKER_PASSWORD", "hunter2")
    said = _complaints()
    assert [line.partition(":")[0] for line in said] == [
        "TRACEFLEET_DATABASE_URL",
        "TRACEFLEET_BROKER_URL (as broker_url in tracefleet.toml)",
    ]
    assert "another is set apart" in said[0]
    assert "expected a user before the host" in said[1]
    assert "hunter2" not in "".join(said)


def test_the_same_password_twice_is_no_trouble() -> None:
    """As settings are handed on with the URL complete."""
    whole = with_password(USER, "p@ss")
    assert with_password(whole, "p@ss") == whole
