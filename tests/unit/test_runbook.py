"""The runbook: a section for each alert that says what the alert says, commands that exist, links that lead on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_group

from deploy.cli import app
from deploy.symptoms import COVERED
from grafana.alert import RUNBOOK, Alert
from grafana.alerts import ALERTS, GRAFANA_FILE, PROMETHEUS_FILE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
TEXT = (ROOT / RUNBOOK).read_text(encoding="utf-8")
EVERY_ALERT = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
DOCUMENTS = sorted(FOLDER.glob("*.md"))


def _anchors(text: str) -> list[str]:
    """Of the headings, as GitHub and the API's page make them: lower case, spaces as hyphens, other signs left out."""
    headings = re.findall(r"^#{1,6} (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def _section(alert: Alert) -> list[str]:
    found = re.findall(rf"^### {alert.name}\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return [line for line in found[0].splitlines() if line]


def _typed() -> Iterator[str]:
    """Every command of ours that the runbook tells to type."""
    yield from re.findall(r"`(tracefleet [^`]+)`", TEXT)
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        yield from re.findall(r"(?:^|\$\()(tracefleet [^|#\n]+)", block, re.MULTILINE)


@EVERY_ALERT
def test_alert_has_a_section_with_its_own_words(alert: Alert) -> None:
    """Title, severity, duration, doctor's check; and what it means, in both languages, as the alert itself says."""
    line, _, _, meaning, look, remedy = _section(alert)
    titles = f"{alert.title.zh} · {alert.title.en}"
    doctor = COVERED[alert.name]
    assert line == f"{titles} · `{alert.severity}` · {alert.for_minutes} min · doctor: `{doctor}`"
    assert meaning == f"| meaning 含义 | {alert.description.en} | {alert.description.zh} |"
    for row, name in ((look, "first look 先看"), (remedy, "remedy 处置")):
        first, english, chinese = (cell.strip() for cell in row.strip("|").split(" | "))
        assert first == name
        assert english.endswith((".", "?"))
        assert chinese.endswith(("。", "？"))
        codes = set(re.findall(r"`([^`]+)`", english))
        assert codes == set(re.findall(r"`([^`]+)`", chinese))


def test_no_section_is_of_an_alert_that_is_gone() -> None:
    """In the order in which the rules stand."""
    assert re.findall(r"^### (Tracefleet\w+)$", TEXT, re.MULTILINE) == [alert.name for alert in ALERTS]


def test_links_of_the_rules_lead_to_sections() -> None:
    """Of Prometheus and of Grafana."""
    anchors = _anchors(TEXT)
    assert len(set(anchors)) == len(anchors)
    for path in (PROMETHEUS_FILE, GRAFANA_FILE):
        groups = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["groups"]
        links = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]]
        assert links
        assert {link.partition("#")[2] for link in links} <= set(anchors)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_the_documents_lead_somewhere(document: Path) -> None:
    """To a file that is there, and to a heading of it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), link


def test_index_names_every_document() -> None:
    """Of this folder."""
    index = set(re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", TEXT, re.MULTILINE))
    assert {path.name for path in DOCUMENTS} - index == {"README.md"}


@pytest.mark.parametrize("typed", sorted(set(_typed())))
def test_command_exists_with_its_options(typed: str) -> None:
    """As far as names go: what stands in capitals is to be filled in."""
    # Typer has a click of its own: by what it has, and not by what it is.
    found: Any = get_group(app)
    words = re.sub(r'"[^"]*"', "x", typed).split()[1:]
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, typed
        found = found.commands[words.pop(0)]
    known = {option for parameter in found.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word in known, f"{typed}: no {word}"


def test_runbook_and_alerts_speak_as_the_dashboards_do() -> None:
    """A site is 节点 and the broker 消息代理, in the rows and in the alerts that they are of."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    told = [text.zh for alert in ALERTS for text in (alert.title, alert.summary, alert.description)]
    assert any("节点" in text for text in told)
    for text in (*rows, *told):
        assert "场所" not in text
        assert not re.search("(?<!消息)代理", text)
