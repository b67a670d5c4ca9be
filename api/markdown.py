"""The Markdown of our own documents as HTML: headings, paragraphs, lists, tables, code. Pure.

Not all of Markdown, and nothing that anybody else wrote: no library is worth that. HTML in a document is shown as text,
comments are left out.
"""

import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Final

# Where a link of a document leads from a page, or None where nothing is served for it: then only its words are shown.
Target = Callable[[str], str | None]

_COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_HEADING: Final = re.compile(r"(#{1,6}) (.+)")
_RULE: Final = re.compile(r"\|?[\s:|-]+\|[\s:|-]*")
_ITEM: Final = re.compile(r"\s*[-*] (.+)")
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_FENCE: Final = "```"


def anchor(heading: str) -> str:
    """Of a heading: lower case, spaces as hyphens, other signs left out."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def render(text: str, target: Target) -> str:
    """The body of a page."""
    lines = _COMMENT.sub("", text).splitlines()
    return "".join(_blocks(lines, target))


def _blocks(lines: list[str], target: Target) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        end = place + 1
        if line.startswith(_FENCE):
            end = next((at for at in range(end, len(lines)) if lines[at].startswith(_FENCE)), len(lines))
            yield f"<pre>{escape(chr(10).join(lines[place + 1 : end]))}</pre>"
            end += 1
        elif heading := _HEADING.fullmatch(line):
            level = len(heading[1])
            yield f'<h{level} id="{escape(anchor(heading[2]))}">{_inline(heading[2], target)}</h{level}>'
        elif line.startswith("|") and end < len(lines) and _RULE.fullmatch(lines[end]):
            end = _end_of(lines, end, lambda each: each.startswith("|"))
            yield _table(lines[place:end], target)
        elif _ITEM.fullmatch(line):
            end = _end_of(lines, end, lambda each: bool(each.strip()))
            yield f"<ul>{''.join(_items(lines[place:end], target))}</ul>"
        elif line.strip():
            end = _end_of(lines, end, lambda each: bool(each.strip()) and not _begins_another(each))
            yield f"<p>{_inline(' '.join(lines[place:end]), target)}</p>"
        place = end


def _end_of(lines: list[str], begin: int, belongs: Callable[[str], bool]) -> int:
    return next((at for at in range(begin, len(lines)) if not belongs(lines[at])), len(lines))


def _begins_another(line: str) -> bool:
    return line.startswith(("|", "#", _FENCE)) or _ITEM.fullmatch(line) is not None


def _items(lines: list[str], target: Target) -> Iterator[str]:
    """A line that begins no item goes on with the one before."""
    items: list[str] = []
    for line in lines:
        if (begun := _ITEM.fullmatch(line)) is not None:
            items.append(begun[1])
        else:
            items[-1] += f" {line.strip()}"
    for item in items:
        yield f"<li>{_inline(item, target)}</li>"


def _table(lines: list[str], target: Target) -> str:
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    top = "".join(f"<th>{_inline(cell.strip('| '), target)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_inline(cell, target)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _inline(text: str, target: Target) -> str:
    """What stands between backquotes is code, whatever it looks like."""
    parts = text.split("`")
    return "".join(
        f"<code>{escape(part)}</code>" if number % 2 else _prose(part, target) for number, part in enumerate(parts)
    )


def _prose(text: str, target: Target) -> str:
    def link(found: re.Match[str]) -> str:
        leads = target(found[2])
        return f'<a href="{escape(leads)}">{found[1]}</a>' if leads is not None else found[1]

    # Links after escaping: neither brackets nor parentheses change by it.
    return _BOLD.sub(r"<b>\1</b>", _LINK.sub(link, escape(text, quote=False)))
