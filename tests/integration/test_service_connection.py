"""The connections of services."""

import pytest

from store.database import connect_service


async def test_server_notices_that_a_service_is_gone(database_url: str) -> None:
    """In about 15 s, so that a machine that vanished keeps no locks; the server asks its kernel for what it shows."""
    async with await connect_service(database_url, application_name="test") as connection:
        if connection.info.host.startswith("/"):
            pytest.skip("the server is reached by a local socket, whose end it sees at once")
        shown = []
        for name in ("idle", "interval", "count"):
            cursor = await connection.execute(f"SHOW tcp_keepalives_{name}".encode())
            shown.append(await cursor.fetchone())
    assert shown == [("5",), ("3",), ("3",)]
