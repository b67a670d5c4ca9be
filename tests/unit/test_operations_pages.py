"""The pages on backups, upgrades and sizes name what there is, and say it in both languages."""

import re
from pathlib import Path
from typing import Final

import pytest
import typer

from deploy.cli import app
from store.settings import PREFIX, Settings

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PAGES: Final = ("BACKUP.md", "UPGRADE.md", "SIZING.md")
LINK: Final = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
COMMAND: Final = re.compile(r"tracefleet ((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)?)")
VARIABLE: Final = re.compile(rf"{PREFIX}[A-Z_]+")


def _commands() -> set[str]:
    """Every command, with its group's word before it; groups that do something themselves, too."""
    group = typer.main.get_command(app)
    told: set[str] = set()
    for name, command in getattr(group, "commands", {}).items():
        told.add(name)
        told |= {f"{name} {inner}" for inner in getattr(command, "commands", {})}
    return told


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    """Its text."""
    return (DEPLOY / str(request.param)).read_text(encoding="utf-8")


def test_every_link_leads_somewhere(page: str) -> None:
    """Files beside it, in this repository."""
    links = LINK.findall(page)
    assert [link for link in links if not (DEPLOY / link).exists()] == []
    assert links


def test_every_command_exists(page: str) -> None:
    """By its words up to the first that is no command's."""
    known = _commands()
    found = COMMAND.findall(page)
    assert [words for words in found if words not in known and words.split()[0] not in known] == []
    # Of groups, the second word is a command of theirs.
    groups = {name.split()[0] for name in known if " " in name} - {"fleet"}
    assert [words for words in found if words.split()[0] in groups and " " in words and words not in known] == []
    assert found


def test_every_variable_is_a_setting(page: str) -> None:
    """Of the product; compose has the same name for the same folder."""
    names = {name.removeprefix(PREFIX).lower() for name in VARIABLE.findall(page)}
    assert names - set(Settings.model_fields) == set()


def test_both_languages_say_as_much(page: str) -> None:
    """As many numbered steps and rows of tables, where they follow one another; else both are on the page."""
    english, found, chinese = page.partition("\n## 中文\n")
    if not found:
        assert re.search("[一-鿿]", english)
        return
    for what in (r"^\d\. ", r"^\| "):
        assert len(re.findall(what, english, re.MULTILINE)) == len(re.findall(what, chinese, re.MULTILINE)), what
