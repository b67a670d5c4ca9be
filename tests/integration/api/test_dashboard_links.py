"""Where the dashboards' links to the console lead."""

import httpx

from tests.unit.grafana.files import DASHBOARDS, panels, variables


async def test_links_to_the_console_are_answered(client: httpx.AsyncClient) -> None:
    """With the number of a device as Grafana puts it in."""
    links = {
        (link["url"], variables(dashboard)["console"]["query"])
        for dashboard in DASHBOARDS.values()
        for panel in panels(dashboard)
        for override in panel["fieldConfig"]["overrides"]
        for change in override["properties"]
        if change["id"] == "links"
        for link in change["value"]
        if link["url"].startswith("${console}")
    }
    assert links
    for url, console in links:
        address = url.replace("${console}", "").replace("${__data.fields.device_no:percentencode}", "TD-1")
        assert console == "http://127.0.0.1:8000"
        answer = await client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
