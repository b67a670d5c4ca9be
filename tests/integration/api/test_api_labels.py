"""Labels over HTTP and by command, and the page behind their codes."""

from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from deploy.commands import labels
from tests.integration.api.conftest import City

pytestmark = pytest.mark.anyio


@pytest.fixture
def scales(city: City) -> City:
    """Two scales at one market, with a custodian whom no label tells."""
    model, site = city.model("S-1", "trace_scale"), city.site("410100001")
    city.device("D-1", model, site, stall_no="B1", custodian="王强", custodian_phone_masked="138****5678")
    city.device("D-2", model, site, stall_no="<b>")
    return city


@pytest.mark.usefixtures("scales")
async def test_sheet_of_labels_is_drawn(client: httpx.AsyncClient) -> None:
    """PDF or SVG, of the devices that are chosen; nothing personal."""
    pdf = await client.get("/api/v1/labels", params={"site_no": "410100001"})
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    svg = await client.get("/api/v1/labels", params={"format": "svg", "q": "D-1"})
    assert svg.headers["content-type"] == "image/svg+xml"
    assert ("D-1" in svg.text, "D-2" in svg.text, "王强" in svg.text, "138" in svg.text) == (True, False, False, False)
    one = await client.get("/api/v1/devices/D-2/label")
    assert ("&lt;b&gt;" in one.text, "<b>" in one.text) == (True, False)
    assert (await client.get("/api/v1/devices/D-9/label")).status_code == 404


@pytest.mark.usefixtures("scales")
async def test_page_behind_a_code_tells_the_device_and_nobody(client: httpx.AsyncClient) -> None:
    """Number, kind, site, state; the policy allows no script."""
    shown = await client.get("/d/D-1")
    assert shown.status_code == 200
    assert ("追溯秤" in shown.text, "在用" in shown.text, "王强" in shown.text) == (True, True, False)
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    for nobody in ("/d/D-9", "/d/%00", "/d/a%00b"):
        assert (await client.get(nobody)).status_code == 404


@pytest.mark.usefixtures("scales")
def test_command_writes_the_file(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file's name; a sheet of nothing is an error."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(labels.labels)
    run = CliRunner().invoke
    assert run(app, ["--out", "l.pdf"]).exit_code == 0
    assert (tmp_path / "l.pdf").read_bytes().startswith(b"%PDF-")
    assert "1 labels" in run(app, ["--out", "l.svg", "--q", "D-2"]).stdout
    assert "loosen the filters" in str(run(app, ["--out", "l.svg", "--q", "X"]).exception)
    assert "neither .pdf nor .svg" in str(run(app, ["--out", "l.png"]).exception)
