"""Every operation asked what its OpenAPI allows, by a program that made nothing of it up: no 500, nothing undocumented.

``TRACEFLEET_SCHEMA_EXAMPLES`` asks each more often than the suite has time for.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.keys import Keys
from store.settings import Settings
from tests.conftest import free_port, fresh_database, with_rights_of
from tests.integration.api.conftest import running_api

EXAMPLES = int(os.environ.get("TRACEFLEET_SCHEMA_EXAMPLES", "2"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WHO = Actor("schema", "test")
# Answered for as long as somebody listens.
ENDLESS = "/api/v1/events"
# Says with 503, as it documents, that no broker and no ingest are here.
READINESS = "/readyz"


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    """What is drawn for a body of lines: as it is when it is text, else a line for each."""
    if isinstance(value, str | bytes):
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return b"\n".join(json.dumps(line).encode() for line in (value if isinstance(value, list) else [value]))


@pytest.fixture(scope="module")
def api(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The operations of a running API, and the headers of an administrator."""
    folder = Path(tmp_path_factory.mktemp("schema"))
    for url in fresh_database(server_url, template=template_database):
        own = Settings(
            database_url=with_rights_of("tracefleet_api", url),
            data_dir=folder,
            api_port=free_port(),
            api_reads_per_minute=0,
            api_writes_per_minute=0,
        )
        with psycopg.connect(url, autocommit=True) as connection, acting(connection, WHO, keys=Keys.of(own)):
            _, key = api_keys.make(connection, "schema", ["admin"])
        with running_api(own):
            schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{own.api_port}/api/v1/openapi.json")
            yield schema, {"Authorization": f"Bearer {key}"}


def test_every_operation_answers_as_it_says(api: Any) -> None:
    """By status, media type and shape."""
    schema, headers = api
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 130
    wrong = []
    for operation in operations:
        if operation.path == ENDLESS:
            continue
        try:
            _ask(operation, headers)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all that is wrong is told at once
            wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)


def _ask(operation: Any, headers: dict[str, str]) -> None:
    @seed(20260711)
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def answers(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS[operation.path == READINESS :], timeout=30)

    answers()
