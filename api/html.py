"""The frame of the few pages the API shows: one style, nothing from elsewhere, a script only where a page needs one."""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, Consolas, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8886; }
h2 { margin-top: 2rem; } h3 { margin-top: 2rem; border-top: 1px solid #8886; padding-top: 1rem; }
.ok { color: #1a7f37; } .bad { color: #cf222e; }
.figures { display: flex; flex-wrap: wrap; gap: 2rem; } .figures b { display: block; font-size: 2rem; }
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# The one style by its hash; a page that were ever made to carry another, or a script, would not run it.
POLICY: Final = (
    f"default-src 'none'; style-src {_hash(STYLE)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(title: str, body: str, *, refresh_seconds: int | None = None, script: str = "") -> HTMLResponse:
    """A page of *body*, which is HTML; *title* is text. Its *script*, a constant, talks to this server alone."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    policy = f"{POLICY}; script-src {_hash(script)}; connect-src 'self'" if script else POLICY
    tail = f"<script>{script}</script>" if script else ""
    return HTMLResponse(
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">{refresh}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}{tail}</body></html>",
        headers={"Content-Security-Policy": policy},
    )


def prose(text: str) -> str:
    """Plain text as HTML, with what stands between backquotes set as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table; *head* is text, the cells are HTML."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"
