"""Pages for people: what a link in a run's output opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from definable.sandbox.answers import Json
from definable.sandbox.cells import cells_of
from definable.sandbox.clock import iso
from definable.sandbox.runs import runs_of, status_of
from definable.sandbox.world import World

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --ink: #6a6a75 }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: .2rem } .facts, .kind, footer { color: var(--ink); font-size: .85rem }
section { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0 }
section:target { outline: 3px solid #6b8afd }
pre { background: var(--soft); padding: .7rem; overflow-x: auto }
code { font: 13px/1.5 ui-monospace, monospace }
.status { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem 1rem .15rem 0 }
"""
MARKS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\((https?://[^\s)\x22]+)\)"), r'<a href="\2" rel="noreferrer">\1</a>'),
)
ITEM = re.compile(r"^\s*[-*]\s")
POLICY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}


class Pages:
    """The pages of one world. They need no token: this is a sandbox."""

    def __init__(self, world: World) -> None:
        """Show a world."""
        self.world = world

    async def index(self, request: Request) -> Response:
        """List the projects."""
        with self.world.lock:
            self.world.settle()
            projects = sorted(self.world.state["projects"].values(), key=lambda p: p["title"])
            rows = [
                f'<tr><td><a href="/hex/{p["id"]}">{escape(p["title"])}</a><td>{escape(p["status"] or "")}'
                for p in projects
            ]
        name = self.world.state["org"]["name"]
        return _page(name, f"<h1>{escape(name)}</h1><table>{''.join(rows)}</table>")

    async def project(self, request: Request) -> Response:
        """Show one project: what it is, its draft's cells, its last runs."""
        with self.world.lock:
            self.world.settle()
            project = self.world.state["projects"].get(request.path_params["project"])
            if project is None:
                return _page(
                    "Not found", "<h1>Not found</h1><p>There is no such project in this sandbox.</p>", 404
                )
            body = "".join(self._project(project))
        return _page(project["title"], body)

    def _project(self, project: dict[str, Json]) -> Iterator[str]:
        state = self.world.state
        status = f'<span class="status">{escape(project["status"])}</span> · ' if project["status"] else ""
        version = f"published version {project['version']}" if project["version"] else "never published"
        owner = state["users"][project["owner"]]["name"]
        yield f"<h1>{escape(project['title'])}</h1><p class=facts>{status}{escape(owner)} · {version}</p>"
        yield f"<p>{escape(project['description'] or '')}</p>"
        for cell in cells_of(state, project["id"]):
            yield _cell(cell)
        runs = runs_of(state, project["id"])[:10]
        if runs:
            rows = "".join(_run(run, status_of(run, self.world.now())) for run in runs)
            yield f"<h2>Last runs</h2><table><tr><th>asked<th>by<th>status{rows}</table>"


def markdown(text: str) -> str:
    """Return simple Markdown as HTML: escaped, with headings, lists, code and emphasis."""
    return "\n".join(_block(block) for block in _blocks(text))


def _blocks(text: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in text.splitlines():
        if block and block[0].startswith("```"):
            block.append(line)
            if line.startswith("```"):
                yield block
                block = []
            continue
        heading = line.startswith("#")
        if block and (heading or not line.strip() or line.startswith("```")):
            yield block
            block = []
        if heading:
            yield [line]
        elif line.strip():
            block.append(line)
    if block:
        yield block


def _block(lines: list[str]) -> str:
    first = lines[0]
    if first.startswith("```"):
        code = [line for line in lines[1:] if not line.startswith("```")]
        return f"<pre><code>{escape(chr(10).join(code))}</code></pre>"
    if found := re.match(r"(#{1,6})\s+(.*)", first):
        level = min(len(found[1]) + 1, 6)
        return f"<h{level}>{_inline(found[2])}</h{level}>"
    if all(re.match(r"\s*[-*]\s|\s{2,}\S", line) for line in lines):
        items = "".join(f"<li>{_inline(ITEM.sub('', line))}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return f"<p>{'<br>'.join(_inline(line) for line in lines)}</p>"


def _inline(text: str) -> str:
    out = escape(text)
    for pattern, html in MARKS:
        out = pattern.sub(html, out)
    return out


def _cell(cell: dict[str, Json]) -> str:
    drawn = (
        markdown(cell["source"])
        if cell["cellType"] == "MARKDOWN"
        else f"<pre><code>{escape(cell['source'] or '')}</code></pre>"
    )
    label = f" · {escape(cell['label'])}" if cell["label"] else ""
    return (
        f'<section id="{cell["id"]}"><div class=kind>{escape(cell["cellType"])}{label}</div>{drawn}</section>'
    )


def _run(run: dict[str, Json], status: str) -> str:
    asked = escape((iso(run["asked"]) or "")[:16].replace("T", " "))
    return f'<tr id="{run["id"]}"><td>{asked}<td>{escape(run["trigger"])}<td>{escape(status)}'


def _page(title: str, body: str, status: int = 200) -> Response:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><body>{body}'
        "<footer>Hex sandbox: a simulation, not hex.tech</footer></body></html>"
    )
    return HTMLResponse(html, status, headers=POLICY)
