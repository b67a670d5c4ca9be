"""Settings: the environment first, then ``tracefleet.toml``, then what ``tracefleet up`` wrote, then defaults.

A variable holds the value, or with ``_FILE`` behind its name, a file that does (:mod:`store.value_files`). Every
complaint is made at once: the variable, the value (never a secret) and what was expected.
"""

import difflib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from store import value_files
from store.errors import SettingsError
from store.records import READABLE
from store.url_password import with_password

PREFIX = "TRACEFLEET_"
# Names that belong to the test suite, not to the product.
RESERVED = "TRACEFLEET_TEST_"
CONFIG_FILE = Path("tracefleet.toml")
RUNTIME_FILE = "runtime.json"
# What of it is a setting.
WRITTEN = ("database_url", "broker_url", "nats_url")

Port = Annotated[int, Field(ge=1, le=65535)]


def _is_url_of(schemes: tuple[str, ...], value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in schemes:
        raise ValueError(f"expected a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return value


def _with_its_password(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """The URL of ``…_url`` with ``…_password``, which stands above it among the fields."""
    password = info.data.get(f"{(info.field_name or '').removesuffix('_url')}_password")
    if not isinstance(password, SecretStr):
        return value
    return SecretStr(with_password(value.get_secret_value(), password.get_secret_value()))


def _listed(value: object) -> object:
    """The words of a comma list, each once; whatever else it is, it passes."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))


def _are_readable(value: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [word for word in value if word not in READABLE]
    for word in unknown:
        nearest = difflib.get_close_matches(word, READABLE, n=1)
        meant = f"did you mean {nearest[0]}? " if nearest else ""
        raise ValueError(f"there is no stream {word!r}; {meant}known: {', '.join(READABLE)}")
    if not value:
        raise ValueError(f"expected some of: {', '.join(READABLE)}")
    return value


# NoDecode: a comma list, not JSON.
Streams = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_are_readable)]

# A URL may hold a password, so it never shows itself.
DatabaseUrl = Annotated[
    SecretStr, AfterValidator(partial(_is_url_of, ("postgresql", "postgres"))), AfterValidator(_with_its_password)
]
BrokerUrl = Annotated[
    SecretStr, AfterValidator(partial(_is_url_of, ("mqtt", "mqtts"))), AfterValidator(_with_its_password)
]
NatsUrl = Annotated[SecretStr, AfterValidator(partial(_is_url_of, ("nats", "tls"))), AfterValidator(_with_its_password)]


class RuntimeSource(PydanticBaseSettingsSource):
    """What a running ``tracefleet up`` in this folder wrote, so that a command beside it finds its database."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002, ANN401 - the base's signature
        """Nothing: the whole file is read in ``__call__``."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The URLs of the runtime file, or nothing where there is none."""
        folder = self.current_state.get("data_dir", ".tracefleet")
        try:
            written = json.loads((Path(folder) / RUNTIME_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {name: written[name] for name in WRITTEN if written.get(name)}


class Settings(BaseSettings):
    """Everything an operator may set. Read with :func:`load`, which explains what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, toml_file=CONFIG_FILE, env_ignore_empty=True
    )

    # A password stands above its URL, which takes it in.
    database_password: SecretStr | None = Field(
        None, description="password of the user in `TRACEFLEET_DATABASE_URL`, where it is not in the URL"
    )
    database_url: DatabaseUrl | None = Field(None, description="PostgreSQL ≥ 16 or TimescaleDB: `postgresql://…`")
    broker_password: SecretStr | None = Field(
        None, description="password of the user in `TRACEFLEET_BROKER_URL`, where it is not in the URL"
    )
    broker_url: BrokerUrl = Field(
        SecretStr("mqtt://127.0.0.1:1883"), validate_default=True, description="MQTT broker: `mqtt://` or `mqtts://`"
    )
    broker_protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="version of MQTT that ingest speaks; auto asks for 5 and falls back to 3.1.1"
    )
    data_dir: Path = Field(
        Path(".tracefleet"), description="where the embedded runtime keeps its data, and ingest its journal"
    )
    key_file: Path | None = Field(
        None,
        description="the key that seals the audit and personal data, the same for every process; "
        "made where there is none; unset, it is `tracefleet.key` in the data folder",
    )
    audit_anchor_file: Path | None = Field(
        None,
        description="where fleet notes the head of the audit, best on another machine's disk; "
        "unset, it is `audit-anchors.jsonl` in the data folder",
    )
    backup_dir: Path | None = Field(
        None,
        description="where `tracefleet up` streams its database's log and `tracefleet backup create` puts backups, "
        "best on another machine's disk; unset, there are none",
    )
    nats_password: SecretStr | None = Field(
        None, description="password of the user in `TRACEFLEET_NATS_URL`, where it is not in the URL"
    )
    nats_url: NatsUrl | None = Field(
        None,
        description="nats-server as the user that fleet answers its auth callout as: `nats://user:password@host:4222`",
    )
    nats_system_password: SecretStr | None = Field(
        None, description="password of the user in `TRACEFLEET_NATS_SYSTEM_URL`, where it is not in the URL"
    )
    nats_system_url: NatsUrl | None = Field(
        None, description="the same server as a user of its system account, to close connections of revoked devices"
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        # Longer, and a telephone cannot read the code any more.
        max_length=200,
        description="where people reach this installation; labels of devices lead there",
    )
    api_host: str = Field("127.0.0.1", description="address the API binds to")
    api_port: Port = Field(8000, description="port of the API")
    api_loopback_role: Literal["viewer", "operator"] | None = Field(
        None,
        description="what whoever calls the API from this machine with neither key nor session may do: `viewer` or "
        "`operator`; unset, nothing. Not behind a proxy on this machine: all its callers come from here",
    )
    api_trusted_proxies: str = Field(
        "",
        pattern=r"^([0-9a-fA-F.:/]+(, *[0-9a-fA-F.:/]+)*)?$",
        description="comma list of the addresses or networks of proxies of ours: what they say in `X-Forwarded-For` "
        "and `X-Forwarded-Proto` is believed; unset, nobody is",
    )
    api_tls_certificate: Path | None = Field(
        None, description="certificate (chain) of the API, PEM: with it the API speaks TLS alone"
    )
    api_tls_key: Path | None = Field(None, description="its private key, PEM, without a passphrase")
    api_reads_per_minute: int = Field(
        6000, ge=0, description="requests that one caller may make in a minute to read; 0: no limit"
    )
    api_writes_per_minute: int = Field(
        1200, ge=0, description="requests that one caller may make in a minute to change something; 0: no limit"
    )
    session_idle_minutes: int = Field(60, ge=5, le=1440, description="a session ends when it was not used for so long")
    session_hours: int = Field(12, ge=1, le=168, description="a session ends so long after its log-in, used or not")
    metrics_host: str = Field("127.0.0.1", description="address that `/metrics` of ingest and fleet bind to")
    ingest_metrics_port: Port = Field(9101, description="port of the ingest metrics")
    fleet_metrics_port: Port = Field(9102, description="port of the fleet metrics")
    postgres_port: int = Field(
        0, ge=0, le=65535, description="port of the embedded PostgreSQL; 0 takes a free one and keeps it"
    )
    embedded_sync: Literal["always", "2m"] = Field(
        "always",
        description="when the embedded broker flushes to disk: before each acknowledgement, or every 2 minutes",
    )
    ingest_worker: str = Field(
        "ingest-1", pattern=r"^[A-Za-z0-9_-]{1,23}$", description="stable MQTT client id of this ingest process"
    )
    ingest_group: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="workers of one group share the load; needs a broker with shared subscriptions of MQTT 5",
    )
    ingest_streams: Streams = Field(
        READABLE,
        description="comma list of what this worker reads; `other` is whatever no other worker of the broker reads",
    )
    ingest_window: int = Field(
        4096,
        ge=1,
        le=65535,
        description="messages the broker sends ahead of their acknowledgement (MQTT 5 and the embedded broker)",
    )
    ingest_batch_records: int = Field(20_000, ge=1, description="a batch is written when it holds this many records")
    ingest_batch_seconds: float = Field(
        0.05,
        gt=0,
        le=10,
        description="a message waits no longer than this for others to share its commit, a fifth of it when none come",
    )
    compress_after_days: int = Field(8, ge=1, description="TimescaleDB: age at which telemetry is compressed")
    retention_days: int = Field(
        750, ge=7, description="age at which telemetry is dropped (GB/T 36088 asks for 2 years)"
    )
    log_format: Literal["console", "json"] = Field("console", description="how log lines are written")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic calls by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic calls by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file over the running system; dotenv and secret folders are not read."""
        return (
            init_settings,
            env_settings,
            value_files.ValueFiles(settings_cls),
            TomlConfigSettingsSource(settings_cls),
            RuntimeSource(settings_cls),
        )

    def require_database_url(self) -> str:
        """The database URL.

        Raises SettingsError when none is set and no ``tracefleet up`` runs in this folder.
        """
        if self.database_url is None:
            raise SettingsError(
                f"{PREFIX}DATABASE_URL is not set, and no `tracefleet up` is running in {self.data_dir.absolute()}. "
                f"Set it to a PostgreSQL URL, or start the embedded system with `tracefleet up`."
            )
        return self.database_url.get_secret_value()


def as_variable(value: object) -> str:
    """The value of a setting as its variable holds it, a secret included."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def load() -> Settings:
    """The settings of this process.

    Raises SettingsError with every complaint, a line each.
    """
    complaints = [*_unknown_variables(), *value_files.complaints(Settings)]
    try:
        settings = Settings()
    except ValidationError as error:
        complaints += [_complaint(detail) for detail in error.errors()]
    except ValueError as error:  # a tracefleet.toml that is no TOML
        complaints.append(f"{CONFIG_FILE}: {error}. Mend the file or remove it.")
    if complaints:
        raise SettingsError("\n".join(complaints))
    return settings


def _unknown_variables() -> Iterator[str]:
    in_files = {variable for _, variable in value_files.variables(Settings)}
    for name in sorted(os.environ):
        field = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or name.startswith(RESERVED) or name in in_files:
            continue
        if field not in Settings.model_fields:
            yield f"{name}: no such setting; {_hint(field, lambda known: PREFIX + known.upper())}"


def _complaint(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, read by key
    field = str(detail["loc"][0]) if detail["loc"] else "settings"
    if detail["type"] == "extra_forbidden":
        return f"{field} in {CONFIG_FILE}: no such setting; {_hint(field, str)}"
    expected = detail["msg"].removeprefix("Value error, ")
    variable = PREFIX + field.upper()
    in_file = value_files.named_file(Settings, field)
    where = variable if os.environ.get(variable) else in_file or f"{variable} (as {field} in {CONFIG_FILE})"
    if where == in_file or field.endswith(("_url", "_password")):
        return f"{where}: {expected} (the value is not shown: it may hold a password)"
    return f"{where}={detail['input']!r}: {expected}"


def _hint(field: str, shown: Callable[[str], str]) -> str:
    """What may be meant by a setting that does not exist, else all there are."""
    nearest = difflib.get_close_matches(field, Settings.model_fields, n=1)
    if nearest:
        return f"did you mean {shown(nearest[0])}?"
    return f"known names: {', '.join(map(shown, Settings.model_fields))}"
