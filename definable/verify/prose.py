"""Markdown as people read it: passages of plain text, in which quotations, links and code are marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["prose", "heading", "fence"]
Mark = Literal["quote", "code", "bold", "link"]


@dataclass(frozen=True, slots=True)
class Span:
    """A marked part of a passage; `url` is where a link leads."""

    mark: Mark
    start: int
    end: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph, a bullet, a row of a table, a heading or a fenced block, without the marks of Markdown."""

    text: str
    kind: Kind = "prose"
    spans: tuple[Span, ...] = ()

    def inside(self, start: int, *marks: Mark) -> bool:
        """Whether a place is inside a span of one of these marks."""
        return any(s.start <= start < s.end and s.mark in marks for s in self.spans)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a passage, by its place in it."""

    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        """Its words."""
        return self.passage.text[self.start : self.end]

    @property
    def shown(self) -> str:
        """Its words as a reason quotes them."""
        said = " ".join(self.text[:4000].split()).strip("|#-> ")
        return said if len(said) <= 160 else said[:159] + "…"


_FENCE = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:>\s*)*(?:[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,3}[.)]\s+)")
_HEADING = re.compile(r"^\s*(?:>\s*)*#{1,6}\s+(?:\d{1,3}[.)]\s+)?")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$|^\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*$")
_INLINE = re.compile(
    r"(?P<tick>`+)(?P<code>.+?)(?P=tick)"
    r"|!?\[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<url>[^()\s]*(?:\([^()\s]*\))?[^()\s]*)[^)]*\)"
    r"|<(?P<auto>https?://[^>\s]+)>"
    r"|\*\*(?P<bold>(?=\S).+?)\*\*|(?<!\w)__(?P<strong>(?=\S).+?)__(?!\w)"
)
_MARKUP = re.compile(r"\[\^[^\]]*\]:?|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|\*+")
_LONGEST = 3000
"""Characters of a passage at most."""
_QUOTED = 1000
"""Characters of a quotation at most; what is not closed by then is none."""
_WIDEST = 100
"""Columns of a table that are read as one row."""
_PAIRS = {"“": "”", "«": "»", "„": "“"}
_END = re.compile(r"[.!?…]+[\"”\u2019)\]]*(?=\s|$)|\n")
_ABBREVIATED = re.compile(r"(?:\b(?:e\.g|i\.e|vs|approx|ca|no|cf|etc|dr|mr|mrs|ms|incl)|\b[A-Z])\.$", re.I)


def passages(markdown: str) -> Iterator[Passage]:
    """Yield the passages of a Markdown text, in order."""
    return iter(_read(markdown))


@lru_cache(maxsize=64)
def _read(markdown: str) -> tuple[Passage, ...]:
    """Read a text once, for all artifacts that come after it are held against it as well."""
    return tuple(_found(markdown))


def _found(markdown: str) -> Iterator[Passage]:
    at = 0
    for fence in _FENCE.finditer(markdown):
        yield from _blocks(markdown[at : fence.start()])
        yield Passage(fence[2], "fence")
        at = fence.end()
    yield from _blocks(markdown[at:])


def _blocks(text: str) -> Iterator[Passage]:
    held: list[str] = []
    heads: list[str] = []
    for line in [*text.splitlines(), ""]:
        row, opens = line.strip().startswith("|"), bool(_BULLET.match(line) or _HEADING.match(line))
        if held and (not line.strip() or row or opens or _RULE.match(line)):
            yield from _passages(" ".join(held), "prose")
            held = []
        if row and not _RULE.match(line):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            parts = range(0, len(cells), _WIDEST)
            yield from (_row(cells[n : n + _WIDEST], heads[n : n + _WIDEST]) for n in parts)
            heads = heads or cells
            continue
        heads = heads if row else []
        if _HEADING.match(line):
            yield from _passages(_HEADING.sub("", line), "heading")
        elif line.strip() and not _RULE.match(line):
            held.append(re.sub(r"^\s*(?:>\s*)+", "", _BULLET.sub("", line) if opens else line).strip())


def _passages(markdown: str, kind: Kind) -> Iterator[Passage]:
    """Yield one passage; several of what is too long for anybody to read as one."""
    while len(markdown) > _LONGEST:
        at = markdown.rfind(" ", 1, _LONGEST)
        at = at if at > 0 else _LONGEST
        yield _passage(markdown[:at], kind)
        markdown = markdown[at:]
    yield _passage(markdown, kind)


def _row(cells: list[str], heads: list[str]) -> Passage:
    """Return a row of a table as a sentence: `“A”; 3 failed runs`. The first row is a heading."""
    if not heads:
        return _passage("; ".join(cells), "heading")
    said = [
        f"{cell} {head.lower()}" if re.fullmatch(r"[\W\d_]*\d[\W\d_]*", cell) and n else cell
        for n, (cell, head) in enumerate(zip(cells, [*heads, *[""] * len(cells)], strict=False))
    ]
    return _passage("; ".join(filter(None, said)), "prose")


def _passage(markdown: str, kind: Kind) -> Passage:
    text, spans = _inline(markdown)
    spans += _quotes(text, spans)
    return Passage(text, kind, tuple(sorted(spans, key=lambda span: span.start)))


def _inline(markdown: str, at: int = 0) -> tuple[str, list[Span]]:
    """Return the text without its marks, and where they were, counted from `at`."""
    parts: list[str] = []
    spans: list[Span] = []
    size, last = at, 0
    for found in _INLINE.finditer(markdown):
        plain = _MARKUP.sub("", markdown[last : found.start()])
        size += len(plain)
        inner: list[Span] = []
        if (code := found["code"]) is not None:
            text, mark = code.strip() or code, "code"
        elif found["auto"]:
            text, mark = found["auto"], "link"
        else:
            label = next(t for t in (found["label"], found["bold"], found["strong"]) if t is not None)
            text, inner = _inline(label, size)
            mark = "link" if found["label"] is not None else "bold"
        url = found["url"] or found["auto"] or ""
        spans += [Span(mark, size, size + len(text), url), *inner]  # type: ignore[arg-type]
        parts += [plain, text]
        size, last = size + len(text), found.end()
    return "".join([*parts, _MARKUP.sub("", markdown[last:])]), spans


def _quotes(text: str, spans: list[Span]) -> list[Span]:
    """Return what stands in quotation marks, the outermost only; the marks themselves are inside."""
    code = [span for span in spans if span.mark == "code"]
    out: list[Span] = []
    at = 0
    while at < len(text):
        skip = next((span for span in code if span.start <= at < span.end), None)
        end = skip.end if skip else _closed(text, at)
        if end and not skip:
            out.append(Span("quote", at, end))
        at = end or at + 1
    return out


def _closed(text: str, at: int) -> int:
    """Return where the quotation that opens at `at` ends; 0 when none opens there."""
    if (close := _PAIRS.get(text[at])) is not None:
        depth = 0
        for n in range(at, min(len(text), at + _QUOTED)):
            depth += (text[n] == text[at]) - (text[n] == close)
            if not depth:
                return n + 1
        return 0
    if text[at] in "\"'\u2018" and not (at and text[at - 1].isalnum()):
        close = "\u2019" if text[at] == "\u2018" else text[at]
        for n in range(at + 2, min(len(text), at + _QUOTED)):
            after = text[n + 1 : n + 2]
            if text[n] == close and not after.isalnum() and not text[n - 1].isspace():
                return n + 1
    return 0


def sentences(passage: Passage) -> Iterator[Sentence]:
    """Yield the sentences of a passage; a quotation or a piece of code is never cut."""
    start = 0
    for end in _END.finditer(passage.text):
        stop = end.end()
        if passage.kind != "fence" and (
            (passage.inside(max(end.start() - 1, 0), "code") and passage.inside(stop, "code"))
            or any(s.mark == "quote" and s.start <= end.start() and stop < s.end for s in passage.spans)
            or _ABBREVIATED.search(passage.text[start : end.start() + 1])
            or passage.text[stop:].lstrip()[:1].islower()
        ):
            continue
        if passage.text[start:stop].strip():
            yield Sentence(passage, start, stop)
        start = stop
    if passage.text[start:].strip():
        yield Sentence(passage, start, len(passage.text))
