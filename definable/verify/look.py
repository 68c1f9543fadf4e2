"""Reads: a list to its last page, and the looks by which a write is confirmed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from definable.calls import Failure
from definable.spec.paths import MISSING, lookup, render, truth
from definable.spec.toolkit import Look, Paging
from definable.verify.case import Case, Flow, Scope
from definable.verify.deliver import Delivered, deliver
from definable.verify.plan import Move

MOST_PAGES = 1000


class Unseen(Exception):
    """A look was refused, so that what was to be confirmed cannot be."""


def read(
    case: Case,
    slug: str,
    arguments: dict[str, Any],
    role: Any,
    *,
    one_page: bool = False,
    delay: float = 0.0,
    why: str = "",
) -> Flow[Delivered]:
    """Read `slug`; a list whose page size was left open is read to its end: a part never is the whole."""
    paging = case.catalog[slug][1].paging
    if paging is None or one_page or paging.size in arguments or paging.into in arguments:
        return (yield from deliver(case, slug, arguments, role, delay=delay, why=why))
    arguments = {**arguments, paging.size: paging.largest}
    first = yield from deliver(case, slug, arguments, role, delay=delay, why=why)
    if first.move is not Move.ACCEPT:
        return first
    return (yield from _rest(case, slug, arguments, paging, first))


def _rest(
    case: Case, slug: str, arguments: dict[str, Any], paging: Paging, page: Delivered
) -> Flow[Delivered]:
    whole = page.body
    items = list(lookup(whole, paging.items))
    seen: set[str] = set()
    while (following := lookup(page.body, paging.next)) not in (None, MISSING):
        into = len(items) if paging.kind == "offset" else following
        if str(into) in seen or len(seen) >= MOST_PAGES:
            words = f"the list does not end: {paging.next} came back as {following!r} again"
            raise case.ended("failed", Failure.DRIFT, words)
        seen.add(str(into))
        page = yield from deliver(case, slug, {**arguments, paging.into: into}, "page")
        if page.move is not Move.ACCEPT:
            return page
        items += lookup(page.body, paging.items)
    if not seen:
        return page
    whole = _with(_with(whole, paging.items, items), paging.next, None)
    return Delivered(Move.ACCEPT, page.verdict, whole)


def _with(body: Any, path: str, value: Any) -> Any:
    """Return a copy of `body` with `value` at `path` (object keys only)."""
    out = copy.copy(body)
    here = out
    *way, last = path.split(".")
    for key in way:
        here[key] = copy.copy(here[key])
        here = here[key]
    here[last] = value
    return out


def see(
    case: Case,
    looks: Mapping[str, Look],
    scope: Scope,
    role: Any = "look",
    *,
    delay: float = 0.0,
    why: str = "",
) -> Flow[Scope]:
    """Make the looks one after the other and return `scope` with what each saw; what is not there is None.

    The first is made after `delay` seconds. Raises Unseen when the product refuses to show it.
    """
    scope = dict(scope)
    for name, look in looks.items():
        if look.when is not None and not truth(look.when, scope):
            continue
        arguments = render(look.arguments, scope, missing="drop")
        seen = yield from read(case, look.call, arguments, role, one_page=look.one_page, delay=delay, why=why)
        delay = 0.0
        if seen.move is Move.ACCEPT:
            scope[name] = seen.body
        elif seen.verdict.failure is Failure.NOT_FOUND:
            scope[name] = None
        else:
            raise Unseen(f"{look.call}: {seen.verdict.message}")
    return scope
