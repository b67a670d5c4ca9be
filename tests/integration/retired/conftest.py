"""The API's fixtures, for what is asked over it."""

from tests.integration.api.conftest import anyio_backend, as_role, client, walk

__all__ = ["anyio_backend", "as_role", "client", "walk"]
