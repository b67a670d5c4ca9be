"""The runbook over HTTP: where the links of alerts lead."""

import re
from pathlib import Path

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.anyio


async def test_links_of_grafana_lead_to_a_section(client: httpx.AsyncClient) -> None:
    """Every rule's, on the page that is served under the path it names."""
    groups = yaml.safe_load((ROOT / "grafana/provisioning/alerting/tracefleet.yaml").read_text(encoding="utf-8"))[
        "groups"
    ]
    links = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]
    answer = await client.get("/runbook")
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert {link.removeprefix("${TRACEFLEET_PUBLIC_URL}/runbook#") for link in links} <= anchors


async def test_documents_it_links_to_are_served(client: httpx.AsyncClient) -> None:
    """With the headings that are asked for."""
    page = (await client.get("/runbook")).text
    links = set(re.findall(r'href="(/runbook/[^"]+)"', page))
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        answer = await client.get(path)
        assert answer.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in answer.text


@pytest.mark.parametrize("name", ["NOWHERE.md", "compose.yaml", "..%2FREADME.md", "readme.md"])
async def test_nothing_else_is_served(name: str, client: httpx.AsyncClient) -> None:
    """No other file of the installation, whatever it is called."""
    assert (await client.get(f"/runbook/{name}")).status_code in (404, 422)
