"""Reads: a list to its last page, and the looks by which a write is confirmed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from definable.calls import Failure, Phase, Verdict
from definable.spec.paths import MISSING, lookup, render, truth
from definable.spec.toolkit import Look, Paging
from definable.verify.case import Case, Flow, Scope
from definable.verify.deliver import Delivered, deliver
from definable.verify.names import canonical
from definable.verify.plan import Move

MOST_PAGES = 1000
_MORE = frozenset({"hasmore", "more", "hasnext", "hasnextpage", "istruncated", "truncated"})
"""Names of flags that say that a list goes on, without casing and separators."""

_ALL = frozenset({"total", "totalcount", "totalentries", "totalitems", "totalrecords", "totalresults"})
"""Names of numbers that say how many entries there are on all pages."""


class Unseen(Exception):
    """A look was refused, so that what was to be confirmed cannot be; `failure` is its class."""

    def __init__(self, call: str, verdict: Verdict) -> None:
        """Say which look it was, and why."""
        super().__init__(f"{call}: {verdict.message}")
        self.failure = verdict.failure


def read(
    case: Case,
    slug: str,
    arguments: dict[str, Any],
    role: Any,
    *,
    one_page: bool = False,
    delay: float = 0.0,
    fresh: bool = False,
    why: str = "",
) -> Flow[Delivered]:
    """Read `slug`; a list whose page size was left open is read to its end: a part never is the whole."""
    paging = case.catalog[slug][1].paging
    if paging is None or one_page or paging.size in arguments or paging.into in arguments:
        return (yield from deliver(case, slug, arguments, role, delay=delay, fresh=fresh, why=why))
    case.follows = True
    try:
        return (yield from _pages(case, slug, arguments, paging, role, delay=delay, fresh=fresh, why=why))
    finally:
        case.follows = False


def _pages(
    case: Case, slug: str, given: dict[str, Any], paging: Paging, role: Any, **first: Any
) -> Flow[Delivered]:
    """Read page after page; `first` is how the request for the first one is made."""
    size, at = paging.largest, dict[str, Any]()
    items: list[Any] = []
    whole: Any = None
    seen: set[str] = set()
    last: Any = None
    probed = False
    readings: set[frozenset[str]] = set()
    while True:
        arguments = {**given, paging.size: size, **at}
        page = yield from deliver(case, slug, arguments, role, **first)
        if page.move is not Move.ACCEPT:
            return page
        whole = page.body if role != "page" else whole
        role, first = "page", {}
        found, following = lookup(page.body, paging.items), lookup(page.body, paging.next)
        following = None if following == "" else following
        readings |= {case.reading} if found else set()
        if len(readings) > 1:
            return _refused(f"only on some pages {' and '.join(sorted(frozenset.union(*readings)))}")
        if last is not None and not _advanced(case, slug, found, last):
            return _refused(f"{paging.next} did not lead to another page")
        if following not in (None, MISSING):
            items += _new(found, items, paging)
            into = len(items) if paging.kind == "offset" else following
            if str(into) in seen or len(seen) >= MOST_PAGES:
                return _refused(f"the list does not end: {paging.next} is {following!r} once more")
            seen.add(str(into))
            last = found
            size, at = paging.largest, {paging.into: into}
        elif more := _more(page.body, paging.next):
            return _refused(f"{more} is true, and there is no {paging.next}")
        elif following is MISSING and len(found) in range(2, size) and not seen and not probed:
            # What always is left out at an end, or is gone: asked for less, it must show.
            size, probed = len(found) - 1, True
        elif len(found) != size:
            items += _new(found, items, paging)
            if not given and (told := _told(page.body, paging.next)) > len(items):
                return _refused(f"the product says that there are {told} entries, and shows {len(items)}")
            return Delivered(Move.ACCEPT, page.verdict, _as_one(whole, paging, items))
        elif size < paging.largest:
            return _refused(f"{len(found)} entries and no {paging.next}, however many were asked for")
        else:
            # A full last page may be one whose way on was lost: asked for one less, the rest must show.
            size -= 1


def _more(body: Any, following: str) -> str:
    """Name what says, beside the way on to the next page or at the top, that there is one."""
    said = _said(body, following)
    return next((name for name, value in said if value is True and canonical(name) in _MORE), "")


def _told(body: Any, following: str) -> int:
    """How many entries a product says that there are, without a filter; 0 when it does not say."""
    return max(
        (v for name, v in _said(body, following) if type(v) is int and canonical(name) in _ALL), default=0
    )


def _said(body: Any, following: str) -> list[tuple[str, Any]]:
    """Return what stands beside the way on to the next page, and at the top."""
    beside = lookup(body, following.rpartition(".")[0]) if "." in following else body
    return [(str(k), v) for part in (beside, body) if isinstance(part, dict) for k, v in part.items()]


def _new(found: list[Any], items: list[Any], paging: Paging) -> list[Any]:
    """Leave out what a page before had: what was added meanwhile moves a list that goes by offset."""
    if paging.kind == "offset":
        return [each for each in found if each not in items]
    ids = {each["id"]: each for each in items if isinstance(each, dict) and isinstance(each.get("id"), str)}
    return [each for each in found if not isinstance(each, dict) or ids.get(each.get("id")) != each]


def _advanced(case: Case, slug: str, found: list[Any], last: list[Any]) -> bool:
    """Whether a page is another one; where its cursor was inferred, that takes entries to see it by."""
    inferred = any(h.tool == slug and h.drift == "paging_moved" and h.rule == "evidence" for h in case.heals)
    return found != last if found else not inferred


def _refused(words: str) -> Delivered:
    verdict = Verdict(failure=Failure.DRIFT, phase=Phase.COMMITTED, message=words)
    return Delivered(Move.FAIL, verdict)


def _as_one(first: Any, paging: Paging, items: list[Any]) -> Any:
    """Return the first page with the entries of all."""
    return _with(_with(first, paging.items, items), paging.next, None)


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
    fresh: bool = False,
    why: str = "",
) -> Flow[Scope]:
    """Make the looks one after the other and return `scope` with what each saw.

    The first is made after `delay` seconds, with `fresh` by another key than the last one. Raises Unseen when
    the product refuses to show it. A 404 is such a refusal, for it proves nothing: what is looked at may be
    there and hidden.
    """
    scope = dict(scope)
    for name, look in looks.items():
        if look.when is not None and not truth(look.when, scope):
            continue
        arguments = render(look.arguments, scope, missing="drop")
        first: dict[str, Any] = {"delay": delay, "fresh": fresh, "why": why}
        seen = yield from read(case, look.call, arguments, role, one_page=look.one_page, **first)
        delay, fresh = 0.0, False
        if seen.move is not Move.ACCEPT:
            raise Unseen(look.call, seen.verdict)
        scope[name] = seen.body
    return scope
