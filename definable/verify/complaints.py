"""What a server says is wrong with a request, read from an error body in whatever envelope it comes.

No envelope is known here. A body is taken apart into clauses, each with the place and the names that stand
beside it as keys or values; `wording.py` reads the texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from definable.verify.names import words
from definable.verify.shape import Json
from definable.verify.wording import NAME, Clause, Parts, Said, apart, parts, speaks, told, word_set

LONGEST = 2000
"""Characters of one text that are read: enough for any complaint."""

_PLACES = word_set(
    "argument attribute datapath field fieldname instancepath key loc location name param parameter "
    "paramname path pointer property propertypath propertyname source"
)
"""Keys under which a place stands, by their letters alone."""
_CODES = word_set("code domain errorcode errortype id keyword kind rule severity status statuscode type")
"""Keys whose value says what kind of error it is, and names nothing."""
_ECHOES = word_set(
    "actual ctxerror docurl found given got helpurl input instance paramvalue received rejectedvalue "
    "requestid schemapath timestamp trace traceid url value"
)
"""Keys under which a server repeats what it was sent, or says where to read more."""
_WRAPPERS = word_set(
    "cause data description detail details error errors fielderrors fields formerrors info innererror "
    "invalidparams issues meta message messages msg problems reasons response result validation "
    "validationerrors violations nonfielderrors"
)
"""Keys that only say that something is told under them."""
_EXTRAS = word_set("context ctx meta params")
"""Keys under which the particulars of one complaint stand."""
_CHOICES = word_set(
    "accepted allowed allowedvalues choices enum expected known options permitted possible "
    "suggestions supported valid validvalues values"
)
"""Keys under which a server lists what it would take."""


def clauses(body: Json, ours: Collection[str] = ()) -> list[Clause]:
    """Return what an error body says, in its order. `body` is the parsed JSON, or the text when it was none.

    `ours` are the names that were sent: a common word is a name when it is one of these.
    """
    return [told(clause, ours) for raw in _Body(ours).walk(body, None) for clause in apart(raw, ours)]


@dataclass(frozen=True, slots=True)
class _Body:
    ours: Collection[str]

    def walk(self, body: Json, at: Parts | None, about: str = "") -> Iterator[Said]:
        """Yield what is said in any part of a body; `at` and `about` are what stands above it."""
        if isinstance(body, str):
            if body.lstrip()[:1] in ("{", "["):
                try:
                    yield from self.walk(json.loads(body), at, about)
                    return
                except ValueError:
                    pass
            yield Said(f"{about} {body[:LONGEST]}".strip(), at)
        elif isinstance(body, list):
            if _is_names(body) and about:
                yield Said(about, at, tuple(parts(each) for each in body))
                return
            for each in body:
                yield from self.walk(each, at, about)
        elif isinstance(body, dict):
            yield from self._map(body) if self._is_map(body) else self._object(body, at)

    def _is_map(self, body: dict[str, Json]) -> bool:
        """Whether each key is a field and each value a list of what is wrong with it."""
        return bool(body) and all(
            _is_texts(value) and (key in self.ours or not (_letters(key) in _WRAPPERS or _says(key)))
            for key, value in body.items()
        )

    def _map(self, body: dict[str, Json]) -> Iterator[Said]:
        for key, value in body.items():
            yield from (Said(text[:LONGEST], parts(key)) for text in value)

    def _object(self, body: dict[str, Json], at: Parts | None) -> Iterator[Said]:
        facts: dict[str, Json] = {}
        inner: dict[str, Json] = {}
        for key, value in body.items():
            simple = isinstance(value, str | int | float | bool) or value is None
            (facts if simple or (_is_place(value) and _letters(key) in _PLACES) else inner)[key] = value
        place = _place(facts, inner)
        here = place if place is not None else at
        names, offers = _listed(inner) if place is not None or _has_code(facts) else ([], [])
        said = list(_facts(facts))
        if names:
            yield Said(_all(said), None, tuple((*(here or ()), *name) for name in names), tuple(offers))
        elif here is not None and (said or offers):
            yield Said(_all(said), here, (), tuple(offers))
        else:
            for each in said:
                yield from self.walk(each, here)
        for key, value in inner.items():
            if _letters(key) not in _ECHOES:
                yield from self._inner(key, value, here)

    def _inner(self, key: str, value: Json, here: Parts | None) -> Iterator[Said]:
        wrapper = _letters(key) in _WRAPPERS or not re.fullmatch(NAME, key)
        if wrapper or (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
            yield from self.walk(value, here)
        elif _says(key):
            yield from self.walk(value, here, " ".join(words(key)))
        else:
            yield from self.walk(value, parts(key))


def _listed(inner: dict[str, Json]) -> tuple[list[Parts], list[Parts]]:
    """Take out of `inner` the names that stand beside a complaint: those it is about, and what is allowed."""
    names: list[Parts] = []
    offers: list[Parts] = []
    for key, value in list(inner.items()):
        if _is_names(value) or (isinstance(value, dict) and _letters(key) in _EXTRAS):
            (offers if _letters(key) in _CHOICES else names).extend(_names(inner.pop(key)))
    return names, offers


def _has_code(facts: dict[str, Json]) -> bool:
    return any(_letters(key) in _CODES for key in facts)


def _says(key: str) -> bool:
    return speaks(" ".join(words(key)))


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _all(said: list[str]) -> str:
    return "; ".join(filter(None, said))


def _place(facts: dict[str, Json], inner: dict[str, Json]) -> Parts | None:
    for key, value in {**facts, **inner}.items():
        if _letters(key) not in _PLACES:
            continue
        if isinstance(value, dict):
            found = next((v for k, v in value.items() if _letters(k) in _PLACES and isinstance(v, str)), None)
            value = found if found is not None else ""
        if _is_place(value):
            return tuple("*" if isinstance(each, int) else each for each in value)
        if isinstance(value, str) and value and not re.search(r"\s", value):
            return parts(value)
    return None


def _facts(facts: dict[str, Json]) -> Iterator[str]:
    for key, value in facts.items():
        letters = _letters(key)
        if letters in _ECHOES:
            if value in (None, "undefined", "missing"):
                yield "undefined"
        elif letters in _CODES and isinstance(value, str):
            yield " ".join(word for word in words(value) if not word.isdigit())
        elif isinstance(value, str) and letters not in _PLACES:
            yield f"{'expected ' if letters == 'expected' else ''}{value[:LONGEST]}"


def _is_names(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_name, value))


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(NAME, value) is not None


def _is_place(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, int) or _is_name(each) for each in value)


def _names(value: Json) -> list[Parts]:
    if isinstance(value, dict):
        return [name for each in value.values() for name in _names(each)]
    if isinstance(value, list):
        return [name for each in value for name in _names(each)]
    return [parts(value)] if _is_name(value) else []


def _letters(key: str) -> str:
    return re.sub(r"[\W_]+", "", key).lower()
