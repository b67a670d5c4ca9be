"""How a service runs as a process of its own: on a database that fits, until it is told to stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from deploy.notify import notify
from deploy.ports import Service, service_port
from store import log
from store.migrations import require_current_schema
from store.settings import Settings, load


def run_service(service: Service, run: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run *service*, which ends by itself at SIGINT or SIGTERM.

    Raises TracefleetError: bad settings, no database, another schema, and whatever *run* raises of the kind.
    """
    settings = load()
    log.configure(settings.log_format)
    require_current_schema(settings, application_name=f"tracefleet {service}")
    asyncio.run(_run(service, run, settings))


async def _run(service: Service, run: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings) -> None:
    telling = asyncio.create_task(notify(service_port(settings, service)), name="notify")
    try:
        await run(settings)
    finally:
        telling.cancel()
