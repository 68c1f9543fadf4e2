"""Data that was typed into a source: numbers in lists and dicts of Python, in VALUES of SQL, in tables.

Numbers that steer the code (sizes, limits, indices) are no data. What is looked at is a matter of form: in
Python the numbers inside list, dict and set literals, except under names of layout, and texts of several
lines; in SQL what follows VALUES and rows of bare SELECTs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from definable.verify.mentions import Mention, mentions
from definable.verify.names import words

_LAYOUT = frozenset(
    {"alpha", "angle", "aspect", "bins", "color", "colors", "colour", "dpi", "figsize", "font", "fontsize"}
    | {
        "gap",
        "height",
        "index",
        "lim",
        "linewidth",
        "loc",
        "margin",
        "opacity",
        "order",
        "pad",
        "padding",
        "radius",
    }
    | {
        "ratio",
        "ratios",
        "rotation",
        "scale",
        "size",
        "spacing",
        "step",
        "ticks",
        "width",
        "xlim",
        "ylim",
        "zorder",
    }
)
_LITERALS = (ast.List, ast.Dict, ast.Set)


def embedded(kind: str, source: str) -> list[Mention] | str:
    """Return the numbers that were typed into `source` as data; or, for its writer, why it cannot be read."""
    if kind != "python":
        return _in_sql(source)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"The source is not valid Python: {error.msg} in line {error.lineno}. Correct it."
    lines = source.splitlines()
    return [each for node in _data(tree, False) for each in _numbers(node, lines)]


def _data(node: ast.AST, inside: bool) -> Iterator[ast.Constant]:
    """Yield the constants that are data: those inside a literal, and texts of several lines anywhere."""
    if isinstance(node, ast.keyword) and _is_layout(node.arg or ""):
        return
    if isinstance(node, ast.Constant):
        if (inside and not isinstance(node.value, bool)) or _is_table(node.value):
            yield node
        return
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else ""
            if not (isinstance(name, str) and _is_layout(name)):
                yield from (each for part in (key, value) if part for each in _data(part, True))
        return
    # An index or a condition inside a literal steers, and is no data.
    inside = (inside or isinstance(node, _LITERALS)) and not isinstance(
        node, ast.Subscript | ast.Compare | ast.Call
    )
    for child in _children(node):
        yield from _data(child, inside)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    for child in ast.iter_child_nodes(node):
        docstring = child is first and isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not docstring:
            yield child


def _numbers(node: ast.Constant, lines: list[str]) -> Iterator[Mention]:
    line = lines[node.lineno - 1].strip()
    if isinstance(node.value, int | float):
        value = float(node.value)
        digits = len(repr(node.value).partition(".")[2]) if isinstance(node.value, float) else 0
        yield Mention("number", repr(node.value), line, value=abs(value), digits=digits)
    elif isinstance(node.value, str) and ("\n" in node.value or re.fullmatch(r"[\d\s.,:%TZ+-]+", node.value)):
        yield from mentions(node.value)


def _in_sql(source: str) -> list[Mention]:
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)
    rows = re.findall(r"\bvalues\b\s*(\(.*?\))\s*(?=\)|;|\Z|[a-z])", text, re.IGNORECASE | re.DOTALL)
    rows += re.findall(r"\bselect\s+((?:'[^']*'|[\d.]+)(?:\s+as\s+\w+)?\s*,[^;()]*?)"
                       r"(?=\bfrom\b|\bunion\b|;|\)|\Z)",
                       text, re.IGNORECASE | re.DOTALL)  # fmt: skip
    return [each for row in rows for each in mentions(row) if each.kind != "id"]


def _is_layout(name: str) -> bool:
    return any(word in _LAYOUT for word in words(name))


def _is_table(value: object) -> bool:
    """Whether a constant is text of several lines that is not itself code."""
    if not isinstance(value, str) or "\n" not in value.strip():
        return False
    return not re.match(r"\s*(select|with|create|insert|import|from|<|\{)", value, re.IGNORECASE)
