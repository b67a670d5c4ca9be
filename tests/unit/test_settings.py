"""Settings: where they come from, and what is said of bad ones."""

import json
import os
from pathlib import Path

import pytest

from store.errors import SettingsError
from store.settings import Settings, as_variable, load


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


def test_defaults_stand_when_nothing_is_set() -> None:
    """An empty environment gives loopback, the usual ports and no database."""
    settings = load()
    assert settings.database_url is None
    assert settings.broker_url.get_secret_value() == "mqtt://127.0.0.1:1883"
    assert (settings.api_host, settings.api_port, settings.data_dir) == ("127.0.0.1", 8000, Path(".tracefleet"))
    assert (settings.ingest_metrics_port, settings.fleet_metrics_port) == (9101, 9102)


def test_every_setting_survives_being_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is handed to the processes of `tracefleet up`."""
    given = Settings(database_url="postgresql://u:secret@db/x", ingest_group="g", ingest_streams=("scan", "other"))
    for name in Settings.model_fields:
        if (value := getattr(given, name)) is not None:
            monkeypatch.setenv(f"TRACEFLEET_{name.upper()}", as_variable(value))
    assert load() == given


def test_every_complaint_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bad values and an unknown name are four lines, each with its variable and what was expected."""
    monkeypatch.setenv("TRACEFLEET_API_PORT", "eighty")
    monkeypatch.setenv("TRACEFLEET_RETENTION_DAYS", "1")
    monkeypatch.setenv("TRACEFLEET_LOG_FORMAT", "xml")
    monkeypatch.setenv("TRACEFLEET_APIPORT", "8000")
    complaints = _complaints()
    assert len(complaints) == 4
    assert complaints[0] == "TRACEFLEET_APIPORT: no such setting; did you mean TRACEFLEET_API_PORT?"
    assert complaints[1].startswith("TRACEFLEET_API_PORT='eighty': Input should be a valid integer")
    assert complaints[2] == "TRACEFLEET_RETENTION_DAYS='1': Input should be greater than or equal to 7"
    assert complaints[3] == "TRACEFLEET_LOG_FORMAT='xml': Input should be 'console' or 'json'"


def test_unknown_variable_without_a_near_name_lists_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no name is near, all are shown."""
    monkeypatch.setenv("TRACEFLEET_ZZZ", "1")
    (complaint,) = _complaints()
    assert complaint.startswith("TRACEFLEET_ZZZ: no such setting; known names: TRACEFLEET_DATABASE_PASSWORD, ")
    assert "TRACEFLEET_LOG_FORMAT" in complaint


def test_variables_of_the_suite_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRACEFLEET_TEST_… belongs to the tests."""
    monkeypatch.setenv("TRACEFLEET_TEST_DATABASE_URL", "postgresql://somewhere/else")
    assert load().database_url is None


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TRACEFLEET_DATABASE_URL", "mysql://root:hunter2@db/x", "postgresql:// or postgres://"),
        ("TRACEFLEET_BROKER_URL", "amqp://u:hunter2@mq", "mqtt:// or mqtts://"),
        ("TRACEFLEET_BROKER_URL", "hunter2", "mqtt:// or mqtts://"),
    ],
)
def test_a_bad_url_is_explained_without_showing_it(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The complaint names what was expected, never the value: it may hold a password."""
    monkeypatch.setenv(variable, value)
    (complaint,) = _complaints()
    assert complaint.startswith(f"{variable}: expected a URL that starts with {expected}")
    assert "hunter2" not in complaint


def test_secrets_stay_hidden_when_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither str, repr nor JSON shows a password."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", "postgresql://u:hunter2@db/x")
    monkeypatch.setenv("TRACEFLEET_BROKER_URL", "mqtt://u:hunter2@mq")
    settings = load()
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.require_database_url() == "postgresql://u:hunter2@db/x"


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tracefleet.toml sets what the environment does not."""
    (folder / "tracefleet.toml").write_text('api_port = 8100\napi_host = "0.0.0.0"\n', encoding="utf-8")
    monkeypatch.setenv("TRACEFLEET_API_PORT", "8200")
    settings = load()
    assert (settings.api_port, settings.api_host) == (8200, "0.0.0.0")  # noqa: S104 - read, not bound


def test_a_bad_value_in_the_file_names_the_file(folder: Path) -> None:
    """So does a name that is no setting; both are complained of at once."""
    (folder / "tracefleet.toml").write_text("api_port = 0\napi_prot = 8000\n", encoding="utf-8")
    complaints = _complaints()
    assert len(complaints) == 2
    assert any(line.startswith("TRACEFLEET_API_PORT (as api_port in tracefleet.toml)=0:") for line in complaints)
    assert any("api_prot in tracefleet.toml" in line for line in complaints)


def test_a_file_that_is_no_toml_is_a_complaint(folder: Path) -> None:
    """With the file's name and what to do."""
    (folder / "tracefleet.toml").write_text("api_port: 8000\n", encoding="utf-8")
    (complaint,) = _complaints()
    assert complaint.startswith("tracefleet.toml: ")
    assert complaint.endswith("Mend the file or remove it.")


def _write_runtime(folder: Path, **content: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "runtime.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_running_system_fills_in_what_nobody_set(folder: Path) -> None:
    """A command beside a running `tracefleet up` finds its database and its broker."""
    _write_runtime(folder / ".tracefleet", database_url="postgresql://up/x", broker_url="mqtt://up", pid=1)
    settings = load()
    assert settings.require_database_url() == "postgresql://up/x"
    assert settings.broker_url.get_secret_value() == "mqtt://up"


def test_file_and_environment_win_over_a_running_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime file is the last resort before the defaults, in whatever data folder is set."""
    _write_runtime(folder / "data", database_url="postgresql://up/x", broker_url="mqtt://up")
    monkeypatch.setenv("TRACEFLEET_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", "postgresql://environment/x")
    (folder / "tracefleet.toml").write_text('broker_url = "mqtt://file"\n', encoding="utf-8")
    settings = load()
    assert settings.require_database_url() == "postgresql://environment/x"
    assert settings.broker_url.get_secret_value() == "mqtt://file"


def test_an_unreadable_runtime_file_is_nothing(folder: Path) -> None:
    """A half-written one, as a crash of another program may leave, does not stop a command."""
    (folder / ".tracefleet").mkdir()
    (folder / ".tracefleet" / "runtime.json").write_text('{"database_url": "postgr', encoding="utf-8")
    assert load().database_url is None


def test_a_missing_database_url_says_what_to_do() -> None:
    """Set it, or start the embedded system."""
    with pytest.raises(SettingsError, match=r"TRACEFLEET_DATABASE_URL is not set.*`tracefleet up`"):
        Settings().require_database_url()


def test_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As files of variables write it."""
    monkeypatch.setenv("TRACEFLEET_INGEST_GROUP", "")
    monkeypatch.setenv("TRACEFLEET_API_PORT", "")
    settings = load()
    assert (settings.ingest_group, settings.api_port) == (None, 8000)
