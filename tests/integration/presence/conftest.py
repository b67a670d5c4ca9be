"""The world of the days is that of presence as well."""

from tests.integration.days.conftest import days_database_url, world

__all__ = ["days_database_url", "world"]
