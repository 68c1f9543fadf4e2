"""Whether what was seen is what was wanted: the conditions that a tool's file states, evaluated."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from definable.redaction import MARK, Redactor
from definable.spec.paths import MISSING, lookup, render
from definable.spec.toolkit import Expect, Named

PLAIN = Redactor()


class Ambiguous(Exception):
    """What is shown does not say which subject it is: its name is shared, or not known."""


def unmet(conditions: tuple[Expect, ...], scope: Mapping[str, Any]) -> list[str]:
    """Return what does not hold, in words; empty when all is as wanted. Raises Ambiguous."""
    return [problem for c in conditions for problem in _check(c, scope)]


def about_result_only(condition: Expect) -> bool:
    """Whether a condition judges the response itself, so that no look is needed to evaluate it."""
    return condition.at is not None and (condition.at == "result" or condition.at.startswith("result."))


def report(conditions: tuple[Expect, ...], scope: Mapping[str, Any]) -> bool:
    """Whether any condition speaks of these arguments; where none does, that all hold proves nothing."""
    return any(_tells(c, scope) for c in conditions)


def _tells(c: Expect, scope: Mapping[str, Any]) -> bool:
    if c.entries is not None:
        return bool(_none(lookup(scope, _path(c.entries))))
    if c.in_ is not None:
        shown = lookup(scope, c.in_)
        return shown is not MISSING and matching(shown, c.where or {}, scope) is not None
    return c.empty or c.one_of is not None or render(c.is_, scope, missing="drop") is not MISSING


def same(wanted: Any, shown: Any) -> bool:
    """Return whether `shown` has all that `wanted` says: objects by their given keys, lists item by item."""
    if isinstance(wanted, dict):
        return isinstance(shown, dict) and all(k in shown and same(v, shown[k]) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(shown, list) and len(wanted) == len(shown) and all(map(same, wanted, shown))
    if isinstance(shown, str) and MARK in shown and isinstance(wanted, str):
        return shown in (wanted, PLAIN.text(wanted))  # what looks like a secret was taken out on its way in
    return (type(wanted) is type(shown) and bool(wanted == shown)) or _same_number(wanted, shown)


def resembles(wanted: Any, shown: Any) -> bool:
    """Return whether they are the same but for spelling: blanks, ends of lines, casing, forms of Unicode.

    An empty text may be written as null, or left out.
    """
    return same(_folded(wanted), _folded(shown))


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) or None
    if isinstance(value, dict):
        return {key: _folded(each) for key, each in value.items()}
    return [_folded(each) for each in value] if isinstance(value, list) else value


def respelled(conditions: tuple[Expect, ...], scope: Mapping[str, Any]) -> bool:
    """Whether spelling is all that is not as wanted: it was done, and is shown in another form."""
    wrong = [c for c in conditions if _check(c, scope)]
    pairs = [(render(c.is_, scope, missing="drop"), _none(lookup(scope, c.at or ""))) for c in wrong]
    return bool(wrong) and all(c.at is not None for c in wrong) and all(resembles(*pair) for pair in pairs)


def _same_number(a: Any, b: Any) -> bool:
    numbers = (int, float)
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    return isinstance(a, numbers) and isinstance(b, numbers) and a == b


def matching(
    items: Any,
    where: Mapping[str, Any],
    scope: Mapping[str, Any],
    alike: Callable[[Any, Any], bool] = same,
) -> list[Any] | None:
    """Return the items whose paths have the wanted values; None when nothing given says what to match."""
    wanted = {
        path: v for path, raw in where.items() if (v := render(raw, scope, missing="drop")) is not MISSING
    }
    if not wanted:
        return None
    return [i for i in items or [] if all(alike(v, _none(lookup(i, path))) for path, v in wanted.items())]


def _none(value: Any) -> Any:
    return None if value is MISSING else value


def _check(c: Expect, scope: Mapping[str, Any]) -> list[str]:
    if c.entries is not None:
        return _entries(c, scope)
    if c.in_ is not None:
        return _count(c, scope)
    return _at(c, scope)


def _at(c: Expect, scope: Mapping[str, Any]) -> list[str]:
    shown = _none(lookup(scope, c.at or ""))
    if c.empty:
        return [] if not shown else [f"{c.says or f'{c.at} is not empty'}: {_short(shown)}"]
    if c.one_of is not None:
        return [] if shown in c.one_of else [f"{c.says or c.at}: {shown!r} is none of {list(c.one_of)}"]
    wanted = render(c.is_, scope, missing="drop")
    is_gone = c.gone is not None and wanted == c.gone and not shown
    if wanted is MISSING or is_gone or same(wanted, shown):
        return []
    return [f"{c.says or c.at}: wanted {_short(wanted)}, found {_short(shown)}"]


def _count(c: Expect, scope: Mapping[str, Any]) -> list[str]:
    shown = lookup(scope, c.in_ or "")
    if shown is MISSING:
        return []  # the look was not made, by its own `when`
    found = matching(shown, c.where or {}, scope)
    wanted = 1 if c.count is None else c.count
    if found is None or len(found) == wanted:
        return []
    return [f"{c.says or f'{c.in_}'}: wanted {wanted} that match, found {len(found)}"]


def _entries(c: Expect, scope: Mapping[str, Any]) -> list[str]:
    wanted = lookup(scope, _path(c.entries or ""))
    if wanted is MISSING or not wanted:
        return []
    shown = _none(lookup(scope, c.shown or "")) or []
    problems = []
    for entry in wanted:
        subject = _subject(lookup(entry, c.id or ""), c.named, scope)
        hits = [s for s in shown if lookup(s, c.name or "") == subject]
        problems += _entry(c, entry, subject, hits)
    return problems


def _path(place: str) -> str:
    return place.removeprefix("${{").removesuffix("}}").strip()


def _entry(c: Expect, entry: Any, subject: Any, hits: list[Any]) -> list[str]:
    value = _none(lookup(entry, c.value)) if c.value else None
    if c.absent or (c.gone is not None and value == c.gone):
        still = [h for h in hits if not c.value or lookup(h, c.value) != c.gone]
        return [f"{c.says or c.shown}: {subject} is still there"] if still else []
    if not hits:
        return [f"{c.says or c.shown}: {subject} is not there"]
    if c.value and not any(lookup(h, c.value) == value for h in hits):
        return [f"{c.says or c.shown}: {subject} has {lookup(hits[0], c.value)!r}, wanted {value!r}"]
    return []


def _subject(identifier: Any, named: Named | None, scope: Mapping[str, Any]) -> Any:
    """Translate an id into the name it is shown under. Raises Ambiguous unless that name is its alone."""
    if named is None:
        return identifier
    rows = _none(lookup(scope, named.in_)) or []
    rows = rows if isinstance(rows, list) else [rows]
    names = {lookup(row, named.id): lookup(row, named.name) for row in rows}
    name = names.get(identifier, MISSING)
    if name is MISSING:
        raise Ambiguous(f"{identifier!r} is not in {named.in_}, so under which name it is shown is not known")
    if Counter(names.values())[name] > 1:
        raise Ambiguous(
            f"{name!r} is the name of more than one, so what is shown does not say which one it is"
        )
    return name


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}…"
