"""Chinese and English from one source: the same in everything but what people read, and all of that in both."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.unit.grafana.files import DASHBOARDS, NAMES

EACH = pytest.mark.parametrize("name", NAMES)
CHINESE: Final = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
# Where people read, by the last keys of the way there.
READ: Final = {"title", "description", "label", "displayName", "noValue", "name of marks", "current text", "mapping"}
# Read as they are in both: names of quantiles, labels of series, a dash for nothing, the other language's name.
BOTH: Final = re.compile(r"p\d+|\{\{\w+\}\}|__auto|–|[0-9.]+|English|中文")


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """Every string: the way to it, what it is (a member of READ, or `query`, `address`, or ``), and itself."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, f"{where}/{key}")
        # An override says what it changes beside the value, and not in a key.
        if isinstance(value.get("value"), str) and value.get("id") in READ:
            yield f"{where}/value", value["id"], value["value"]
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _texts(part, f"{where}/{place}")
    elif isinstance(value, str):
        yield where, _kind(where), value


def _kind(where: str) -> str:
    last = where.rpartition("/")[2]
    if re.search(r"/annotations/list/\d+/name$", where):
        return "name of marks"
    if re.search(r"/current/text/\d+$", where):
        return "current text"
    if re.search(r"/options/[^/]+/text$", where):
        return "mapping"
    if last in {"rawSql", "query", "expr"}:
        return "query"
    if last in {"url", "uid"} or re.search(r"/tags/\d+$", where):
        return "address"
    return last if last in READ else ""


def _same(kind: str, english: str, chinese: str) -> bool:
    """Whether two strings that are no text to read say the same."""
    if kind == "query":
        plain = [re.sub(r"'[^']*'", "''", text.replace("_zh", "_en")) for text in (english, chinese)]
        return plain[0] == plain[1]
    if kind == "address":
        return _without_language(english) == _without_language(chinese)
    return english == chinese


def _without_language(address: str) -> str:
    return re.sub(r"-(en|zh)\b|^(en|zh)$", "", address)


@EACH
def test_languages_differ_in_what_people_read_alone(name: str) -> None:
    """The same panels in the same places with the same limits, that ask the same."""
    english, chinese = (list(_texts(DASHBOARDS[f"{name}.{language}"])) for language in ("en", "zh"))
    assert [where for where, _, _ in english] == [where for where, _, _ in chinese]
    overridden = {where for where, kind, _ in english if where.endswith("/value") and kind in READ}
    for (where, kind, text), (_, _, other) in zip(english, chinese, strict=True):
        if kind in READ or where in overridden or where.endswith("/legendFormat"):
            continue
        assert _same(kind, text, other), where


@EACH
def test_english_has_no_chinese(name: str) -> None:
    """But the word for the other language; codes, names of the ledger and SQL aside there is nothing else."""
    found = [text for _, _, text in _texts(DASHBOARDS[f"{name}.en"]) if CHINESE.search(text)]
    assert found == ["中文"]


@EACH
def test_chinese_is_in_chinese(name: str) -> None:
    """Every title, description, name of a column, word of a value: no text is left in English."""
    for where, kind, text in _texts(DASHBOARDS[f"{name}.zh"]):
        if kind in READ and text and not BOTH.fullmatch(text):
            assert CHINESE.search(text), f"{where}: {text}"


@EACH
def test_no_text_is_missing(name: str) -> None:
    """What is read in one language is read in the other."""
    for language in ("en", "zh"):
        assert all(text.strip() for _, kind, text in _texts(DASHBOARDS[f"{name}.{language}"]) if kind in READ)


def test_the_broker_has_one_chinese_name() -> None:
    """消息代理, as on every page."""
    texts = [text for name in NAMES for _, _, text in _texts(DASHBOARDS[f"{name}.zh"])]
    assert any("消息代理" in text for text in texts)
    assert not any("消息服务" in text for text in texts)
