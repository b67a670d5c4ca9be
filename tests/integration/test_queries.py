"""Every query constant of the code is understood by the migrated schema."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Final

import psycopg
from psycopg import sql

# Not grafana: its queries hold macros of Grafana and are run, not prepared, by its own tests.
PACKAGES: Final = ("api", "deploy", "fleet", "ingest", "store")
QUERY = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sbt]|%[sbt]")


def constants() -> Iterator[tuple[str, sql.Composable | str]]:
    """The name and the text of each upper-case module constant that is a query, alone or in a mapping."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages([package], f"{package}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if not name.isupper() or name.startswith("_"):  # templates are private, what is made of them is not
                    continue
                for key, query in value.items() if isinstance(value, Mapping) else [("", value)]:
                    if isinstance(query, sql.Composed) or (isinstance(query, str) and QUERY.match(query)):
                        yield f"{module.name}.{name}{key and f'[{key}]'}", query


def numbered(text: str) -> str:
    """The query with $1, $2 … for its placeholders, the same name the same number."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1] or match[0] + str(match.start()), len(numbers) + 1)}"

    return PLACEHOLDER.sub(number, text).replace("%%", "%")


def test_every_query_is_understood(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """PREPARE parses and analyses each without running it."""
    failures: list[str] = []
    checked = 0
    for name, query in constants():
        text = query if isinstance(query, str) else query.as_string(connection)
        if not QUERY.match(text):
            continue
        checked += 1
        try:
            connection.execute(f"PREPARE checked AS {numbered(text)}".encode())
            connection.execute("DEALLOCATE checked")
        except psycopg.Error as error:
            failures.append(f"{name}: {error}")
    assert failures == []
    assert checked > 20
