"""Problems in both languages, and who gets which."""

import re

import httpx
import pytest
from fastapi import FastAPI

from api import problems, refusals
from api.problems_zh import CHINESE, is_asked_for

IS_CHINESE = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"`[^`]+`|TRACEFLEET_[A-Z_]+")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("zh", True),
        ("ZH-Hans", True),
        ("en-US,en;q=0.9,zh-CN;q=0.8", False),
        ("en;q=0.2, zh;q=0.7", True),
        ("de,fr;q=0.5", False),
        ("*", False),
        ("zh;q=0", False),
        ("zh;q=much", False),
        (";;,,zh;", True),
    ],
)
def test_language_that_is_asked_for(header: str | None, expected: bool) -> None:
    """Chinese where it is rated above English, English otherwise; nonsense says nothing."""
    assert is_asked_for(header) == expected


def test_every_problem_is_told_in_chinese() -> None:
    """With the same addresses, members and settings in it."""
    assert set(CHINESE) == {kind.slug for kind in problems.CATALOGUE}
    for kind in problems.CATALOGUE:
        title, remedy = CHINESE[kind.slug]
        assert IS_CHINESE.search(title), kind.slug
        assert IS_CHINESE.search(remedy), kind.slug
        assert sorted(CODE.findall(remedy)) == sorted(CODE.findall(kind.remedy)), kind.slug


@pytest.mark.anyio
async def test_problem_comes_in_the_language_of_its_caller() -> None:
    """Its type, status and sentence about the occurrence are the same."""
    app = FastAPI()
    refusals.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        english, chinese = [
            await client.get("/nowhere", headers={"Accept-Language": language}) for language in ("en", "zh-CN")
        ]
    assert english.json() | {"title": "", "detail": ""} == chinese.json() | {"title": "", "detail": ""}
    assert english.json()["title"] == "No such address"
    assert chinese.json()["title"] == "没有该地址"
    assert chinese.json()["detail"] == "Nothing is here. `/api/v1/docs` 列出本服务的全部地址。"
    for answer, language in ((english, "en"), (chinese, "zh")):
        assert answer.headers["content-language"] == language
        assert answer.headers["vary"] == "Accept-Language"
        assert int(answer.headers["content-length"]) == len(answer.content)
