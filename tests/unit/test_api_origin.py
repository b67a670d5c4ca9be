"""Which requests are a page's of another site."""

import pytest
from starlette.datastructures import Headers

from api.origin import is_foreign

PUBLIC = "https://trace.example.cn/fleet"


def _foreign(method: str = "POST", **headers: str) -> bool:
    given = {name.replace("_", "-"): value for name, value in ({"host": "127.0.0.1:8000"} | headers).items()}
    return is_foreign(method, Headers(given), scheme="http", public_url=PUBLIC)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_page_of_another_site_changes_nothing(method: str, site: str) -> None:
    """A neighbour of the same domain included, whatever it says of its origin."""
    assert _foreign(method, sec_fetch_site=site, origin="http://127.0.0.1:8000")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_pages_may(site: str) -> None:
    """And what somebody typed."""
    assert not _foreign(sec_fetch_site=site)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8000", "https://trace.example.cn", "https://trace.example.cn:443"]
)
def test_older_browser_says_its_origin(origin: str) -> None:
    """The address that was asked, or the one where people reach us by a proxy."""
    assert not _foreign(origin=origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://trace.example.cn", "https://trace.example.cn.evil.example", "http://127.0.0.1:8001",
        "https://127.0.0.1:8000", "file://", "http://[", "http://127.0.0.1:99999",
    ],
)  # fmt: skip
def test_other_origin_is_foreign(origin: str) -> None:
    """By scheme, host and port, and what is no origin at all."""
    assert _foreign(origin=origin)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_not_asked_for_its_origin(method: str) -> None:
    """A link may lead here from anywhere; no script of another site is given the answer."""
    assert not _foreign(method, sec_fetch_site="cross-site", origin="https://evil.example")


def test_program_says_nothing_and_may() -> None:
    """It shows a key, which no browser adds by itself."""
    assert not _foreign()
