"""``python -m grafana.demo``: files with which a Grafana of this machine shows what ``make demo`` runs.

Two containers of the versions of deploy/compose.yaml, on the host's own network and its loopback, with a role of their
own in the demo's database that reads the dashboards' views. JSON is YAML, so everything is written as that.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from grafana.generate import render
from grafana.sources import PROMETHEUS, TIMESCALE

RUNTIME: Final = Path(".tracefleet/runtime.json")
ROLE: Final = "tracefleet_demo_dashboards"
GRAFANA_IMAGE: Final = "grafana/grafana:12.4.11"
PROMETHEUS_IMAGE: Final = "prom/prometheus:v3.13.1"
VIEWS: Final = """
SELECT table_name FROM information_schema.views WHERE table_schema = 'public' AND starts_with(table_name, 'grafana_')
"""
# Where the files are in the containers.
_MOUNT: Final = "/etc/tracefleet"
# Read by docker compose as whoever runs it. The users of the containers have to read the other files, so no password is
# in those; Grafana takes it from its environment.
_ENV_FILE: Final = "password.env"
_VARIABLE: Final = "DASHBOARDS_PASSWORD"


def files(runtime: Mapping[str, Any]) -> dict[str, str]:
    """The text of each file by its name but the one with the password, for the system that *runtime* describes."""
    database = urlsplit(runtime["database_url"])
    sources = [
        {
            "name": "Tracefleet metrics",
            "uid": PROMETHEUS.uid,
            "type": PROMETHEUS.type_val,
            "access": "proxy",
            "url": "http://127.0.0.1:9090",
            "isDefault": True,
            "jsonData": {"timeInterval": "5s"},
        },
        {
            "name": "Tracefleet database",
            "uid": TIMESCALE.uid,
            "type": TIMESCALE.type_val,
            "access": "proxy",
            "url": f"{database.hostname}:{database.port}",
            "user": ROLE,
            "secureJsonData": {"password": f"${_VARIABLE}"},
            "jsonData": {"database": database.path.lstrip("/"), "sslmode": "disable", "postgresVersion": 1700},
        },
    ]
    folder = {"options": {"path": f"{_MOUNT}/dashboards"}}
    providers = [{"name": "tracefleet", "folder": "Tracefleet", "type": "file"} | folder]
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [urlsplit(url).netloc]}]}
        for job, url in runtime["metrics_urls"].items()
    ]
    written = {
        "provisioning/datasources/tracefleet.yaml": {"apiVersion": 1, "datasources": sources},
        "provisioning/dashboards/tracefleet.yaml": {"apiVersion": 1, "providers": providers},
        "prometheus.yml": {"global": {"scrape_interval": "5s"}, "scrape_configs": jobs},
        "compose.yaml": {"services": _services()},
    }
    texts = {name: json.dumps(content, indent=2) + "\n" for name, content in written.items()}
    return texts | {f"dashboards/{name}": text for name, text in render(runtime["api_url"]).items()}


def _services() -> dict[str, Any]:
    on_the_host = {"network_mode": "host", "volumes": [f".:{_MOUNT}:ro"]}
    return {
        "prometheus": on_the_host
        | {
            "image": PROMETHEUS_IMAGE,
            "command": [f"--config.file={_MOUNT}/prometheus.yml", "--web.listen-address=127.0.0.1:9090"],
        },
        "grafana": on_the_host
        | {
            "image": GRAFANA_IMAGE,
            "env_file": [_ENV_FILE],
            # Whoever is on this machine may look; nobody can log in, so nobody can change anything.
            "environment": {
                "GF_SERVER_HTTP_ADDR": "127.0.0.1",
                "GF_AUTH_ANONYMOUS_ENABLED": "true",
                "GF_AUTH_DISABLE_LOGIN_FORM": "true",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
                "GF_PATHS_PROVISIONING": f"{_MOUNT}/provisioning",
                "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_MOUNT}/dashboards/city-overview.zh.json",
            },
        },
    }


def make_reader(connection: psycopg.Connection[Any], password: str) -> None:
    """Have the role with that password, which reads the dashboards' views and nothing else."""
    role = Identifier(ROLE)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone() is None:
        connection.execute(SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 10").format(role))
    connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(role, Literal(password)))
    connection.execute(SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    connection.execute(SQL("ALTER ROLE {} SET statement_timeout = '20s'").format(role))
    for (view,) in connection.execute(VIEWS).fetchall():
        connection.execute(SQL("GRANT SELECT ON {} TO {}").format(Identifier(view), role))


def _write_private(path: Path, text: str) -> None:
    """*text* as a new file, its owner's alone from the first byte."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: list[str] | None = None) -> int:
    """Write the files beside the runtime file; 1 with a sentence when nothing runs."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.demo",
        description=__doc__,
        epilog="Example: python -m grafana.demo && docker compose -f .tracefleet/grafana/compose.yaml up",
    )
    parser.add_argument("--runtime", type=Path, default=RUNTIME, help="what `make demo` wrote (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        runtime = json.loads(given.runtime.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.stderr.write(
            f"{given.runtime}: not there, so nothing runs here: start `make demo`, leave it running, and try again. "
            "没有正在运行的系统：请先运行 make demo 并保持运行。\n"
        )
        return 1
    password = secrets.token_urlsafe(24)
    with psycopg.connect(runtime["database_url"], autocommit=True) as connection:
        make_reader(connection, password)
    folder = given.runtime.parent / "grafana"
    for name, text in files(runtime).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    _write_private(folder / _ENV_FILE, f"{_VARIABLE}={password}\n")
    sys.stdout.write(
        f"docker compose -f {folder / 'compose.yaml'} up\n"
        "http://127.0.0.1:3000 (Linux; ports 3000 and 9090 must be free · 需要 Linux，3000 与 9090 端口须空闲)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
