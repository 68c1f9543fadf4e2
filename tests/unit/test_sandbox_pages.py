"""How the sandbox's pages draw Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.sandbox.pages import markdown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A & B\n## C", "<h2>A &amp; B</h2>\n<h3>C</h3>"),
        ("one\ntwo\n\nthree", "<p>one<br>two</p>\n<p>three</p>"),
        ("- a **b**\n- `c`", "<ul><li>a <strong>b</strong></li><li><code>c</code></li></ul>"),
        ("see\n```sql\n1 < 2\n```\nend", "<p>see</p>\n<pre><code>1 &lt; 2</code></pre>\n<p>end</p>"),
        ("[q](http://q?a=1&b=2)", '<p><a href="http://q?a=1&amp;b=2" rel="noreferrer">q</a></p>'),
        ("[no](javascript:alert)", "<p>[no](javascript:alert)</p>"),
        ("snake_case 2*3*4", "<p>snake_case 2*3*4</p>"),
    ],
)
def test_markdown_is_drawn_simply(text: str, html: str) -> None:
    """Headings, paragraphs, lists, code and web links are drawn; everything else stays text."""
    assert markdown(text) == html


@given(st.text(alphabet="<>\"'&#`*[]() \nax-", max_size=60))
def test_markdown_lets_no_html_through(text: str) -> None:
    """Whatever is written, no tag comes out but those that Markdown draws."""
    html = markdown(text)
    for tag in ("p", "br", "h2", "h3", "h4", "h5", "h6", "ul", "li", "code", "strong", "em", "pre"):
        html = html.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in html
    assert ">" not in html
