"""Every page of the API in a real browser: its own policy stops nothing of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import permissions
from api.app import create_app
from store.settings import Settings
from tests.integration.api.test_login_page import CHROMIUM, _browser, _drive

# Not pages, though not in the OpenAPI document either.
NO_PAGES = {"/livez", "/readyz", "/metrics", "/api/v1/openapi.json", "/favicon.ico"}


def pages_of(settings: Settings) -> list[str]:
    """The address of each page, of a device or of a document where it wants one."""
    declared = permissions.all_of(create_app(settings))
    paths = {one.path for one in declared if "GET" in one.methods and not one.in_schema} - NO_PAGES
    return sorted(path.replace("{device_no}", "D-1").replace("{name}", "BACKUP.md") for path in paths)


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here: apt-get install chromium")
def test_no_page_breaks_its_own_policy(
    settings: Settings, running: Callable[..., Any], one_device: int, tmp_path: Path
) -> None:
    """The console of the browser has nothing to complain of, and the style is applied."""
    assert one_device
    pages = pages_of(settings)
    assert {"/", "/login", "/api/v1/docs", "/api/v1/problems"} <= set(pages)
    with running(settings), _browser(tmp_path / "profile") as debugger:
        told = {
            page: _drive(
                debugger,
                f"http://127.0.0.1:{settings.api_port}{page}",
                ("0", "getComputedStyle(document.body).maxWidth === '960px'"),
            )["complaints"]
            for page in pages
        }
    assert told == {page: [] for page in pages}
