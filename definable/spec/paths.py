"""The path `${{ }}`, typed and never code: what it leads to, texts filled in, and which paths they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from definable.errors import UsageError
from definable.spec.expression import compile_expression, paths_in, same, truth
from definable.spec.lookup import MISSING, Json, follow, join, lookup, parse, show
from definable.spec.nearest import suggest

__all__ = [
    "MISSING",
    "Json",
    "follow",
    "has_template",
    "join",
    "lookup",
    "parse",
    "references",
    "render",
    "same",
    "show",
    "templates",
    "texts",
    "truth",
]

_TEMPLATE: Final = re.compile(r"\$\{\{((?:(?!\$\{\{).)*?)\}\}", re.DOTALL)
_NO_TEXT: Final = {dict: "an object", list: "a list", type(None): "null"}


def has_template(value: Json) -> bool:
    """Whether any text in `value` holds a `${{`."""
    return any("${{" in text for _, text in texts(value))


def templates(text: str) -> list[str]:
    """Return what stands between each `${{` and `}}` of a text. UsageError when one is not closed."""
    found = [m[1].strip() for m in _TEMPLATE.finditer(text)]
    if "${{" in _TEMPLATE.sub("", text):
        raise UsageError(f"'${{{{' without '}}}}' in {_shorten(text)!r}")
    if "" in found:
        raise UsageError(f"'${{{{ }}}}' without a path in {_shorten(text)!r}")
    return found


def render(value: Json, scope: Json, missing: Literal["error", "drop"] = "error") -> Json:
    """Return `value` with every `${{ path }}` in its texts replaced by what the path leads to in `scope`.

    A path alone keeps the type of what it leads to; inside a text it is inserted as text, and an object, a
    list or null there is a UsageError. What leads nowhere is a UsageError, or with `missing="drop"` left out:
    the key of an object (also when its value is an object that lost all of its keys), the entry of a list; a
    lone missing value gives MISSING. What was inserted is not rendered again.
    """
    if isinstance(value, str):
        return _render_text(value, scope, missing) if "${{" in value else value
    if isinstance(value, dict):
        filled = {key: render(each, scope, missing) for key, each in value.items()}
        return {key: each for key, each in filled.items() if not _is_lost(value[key], each)}
    if isinstance(value, list | tuple):
        return [each for item in value if (each := render(item, scope, missing)) is not MISSING]
    return value


def _is_lost(template: Json, filled: Json) -> bool:
    return filled is MISSING or (filled == {} and isinstance(template, dict) and bool(template))


def _render_text(text: str, scope: Json, missing: str) -> Json:
    paths = templates(text)
    found = [_find(path, scope, missing) for path in paths]
    if any(each is MISSING for each in found):
        return MISSING
    if _TEMPLATE.fullmatch(text.strip()) and len(paths) == 1:
        return found[0]
    pieces = iter([_as_text(path, each) for path, each in zip(paths, found, strict=True)])
    return _TEMPLATE.sub(lambda _: next(pieces), text)


def _find(path: str, scope: Json, missing: str) -> Json:
    parts = parse(path)
    found = follow(scope, parts)
    if found is not MISSING or missing == "drop":
        return found
    for end in range(1, len(parts) + 1):
        if follow(scope, parts[:end]) is MISSING:
            before = follow(scope, parts[: end - 1])
            known = [str(k) for k in before] if isinstance(before, dict) else []
            where = f" in {show(parts[: end - 1])}" if end > 1 else ""
            raise UsageError(
                f"${{{{ {path} }}}}: there is no {parts[end - 1]!r}{where}{suggest(parts[end - 1], known)}"
            )
    raise UsageError(f"${{{{ {path} }}}} leads nowhere")


def _as_text(path: str, value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    kind = _NO_TEXT.get(type(value), type(value).__name__)
    raise UsageError(
        f"${{{{ {path} }}}} is {kind} and cannot stand inside a text",
        hint="Let the path stand alone, or go on to a text or number in it.",
    )


def texts(value: Json, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every text in `value` with its place, as keys and indices."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, (*at, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from texts(each, (*at, index))


def references(value: Json, *, expression: bool = False) -> list[tuple[str, ...]]:
    """Return the parts of every path in the `${{ }}` of `value`; with `expression`, of a whole `when` text.

    UsageError when a template or an expression cannot be read.
    """
    if expression:
        return list(paths_in(compile_expression(value)))
    return [parse(path) for _, text in texts(value) if "${{" in text for path in templates(text)]


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
