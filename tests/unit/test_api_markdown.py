"""Our documents as HTML."""

from pathlib import Path

import pytest

from api.markdown import anchor, render

DOCUMENTS = sorted((Path(__file__).parents[2] / "deploy").glob("*.md"))


def _rendered(text: str) -> str:
    return render(text, lambda link: None if link == "nowhere" else f"/at/{link}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A `b` & c", '<h1 id="a-b--c">A <code>b</code> &amp; c</h1>'),
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        ("**bold** <b>no</b>", "<p><b>bold</b> &lt;b&gt;no&lt;/b&gt;</p>"),
        ("- one\n  goes on\n- two", "<ul><li>one goes on</li><li>two</li></ul>"),
        ("text\n- item", "<p>text</p><ul><li>item</li></ul>"),
        ("```sh\na < b  # **c**\n```\nafter", "<pre>a &lt; b  # **c**</pre><p>after</p>"),
        ("```sh\nnever closed", "<pre>never closed</pre>"),
        (
            "| a | b |\n|---|---|\n| 1 | `x` |",
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><code>x</code></td></tr></table>",
        ),
        ("| a |\nnot a table", "<p>| a | not a table</p>"),
        ("[words](X.md#y) [words](nowhere)", '<p><a href="/at/X.md#y">words</a> words</p>'),
        ("`[no](link)`", "<p><code>[no](link)</code></p>"),
        ("a <!-- left\nout --> b", "<p>a  b</p>"),
        ("", ""),
    ],
)
def test_markdown_becomes_html(text: str, expected: str) -> None:
    """What documents of ours hold; anything else is text."""
    assert _rendered(text) == expected


def test_anchor_is_that_of_the_common_places() -> None:
    """Links of documents lead to headings there and here."""
    assert anchor("Settings · 设置") == "settings--设置"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_document_is_rendered_whole(document: Path) -> None:
    """No sign of Markdown is left in the prose, and every table has as many cells in a row as in its head."""
    body = _rendered(document.read_text(encoding="utf-8"))
    assert "```" not in body
    assert "](" not in body
    for table in body.split("<table>")[1:]:
        head, *rows = table.partition("</table>")[0].split("</tr>")[:-1]
        assert {row.count("<td>") for row in rows} <= {head.count("<th>")}
