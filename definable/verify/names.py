"""What two names of a field say about each other. Names are evidence only together with a value that fits.

Two names are the *same* when they differ in casing and separators (`createdAt`, `created_at`), and *alike*
when they differ in words that add no meaning: the name of the thing they belong to (`title`, `projectTitle`),
marks of a version (`titleV2`), words that repeat the format (`createdAt`, `createdTimestamp`). Any other word
makes another thing of it (`id` and `ownerId`, `createdAt` and `createdBy`, `status` and `statusMessage`), so
words in common prove nothing by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

Tokens = tuple[str, ...]

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_MARK = re.compile(r"v\d+|new|renamed|current")
_FORMATS = {
    "date-time": {"at": "", "on": "", "time": "", "timestamp": "", "datetime": ""},
    "uri": {"url": "url", "uri": "url", "link": "url", "href": "url"},
}
_SYNONYMS = {"identifier": "id"}

CARRIERS = frozenset(
    re.split(
        r"\s+",
        "attributes body content data details edges entities entity entries entry fields info item items "
        "list meta metadata node nodes object page pagination paging payload properties record records "
        "resource response result results rows value values",
    )
)
"""Words that say that something is carried, and nothing of what it is; passing through changes no meaning."""

_OTHER_THINGS = frozenset(
    re.split(
        r"\s+",
        "args default error errors example exception fault input last old original params previous prior "
        "problem problems request schema warning warnings",
    )
)


@lru_cache(maxsize=8192)
def words(name: str) -> Tokens:
    """Return the words of a name in lower case: `createdAtUTC`, `created_at-utc` → created, at, utc."""
    parts = [part.lower() for part in _WORD.findall(name)]
    joined: list[str] = []
    for part in parts:
        if part.isdigit() and joined and joined[-1] == "v":
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def canonical(name: str) -> str:
    """Return the name without casing and separators; empty when nothing else is in it."""
    return re.sub(r"[\W_]+", "", name).lower()


def same(one: str, other: str) -> bool:
    """Whether two names differ in casing and separators only."""
    return bool(canonical(one)) and canonical(one) == canonical(other)


def singular(word: str) -> str:
    """Return the singular of a regular English plural, and any other word as it is."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def carries(name: str, entity: Collection[str] = ()) -> bool:
    """Whether a name only says that something is carried: `data`, `result`, or the thing's own name."""
    found = words(name)
    return bool(found) and all(w in CARRIERS or singular(w) in entity for w in found)


def speaks_of_another(name: str) -> bool:
    """Whether a name says that it holds not the thing itself: an error, a request, an earlier value."""
    return any(word in _OTHER_THINGS for word in words(name))


def core(name: str, entity: Collection[str] = (), fmt: str = "", many: bool = False) -> Tokens:
    """Return the words that carry the meaning of a name. `entity` is the singular name of what it belongs to;
    `fmt` is the JSON Schema format of its value; `many` says that a plural adds nothing, as for lists.
    """
    alike_words = {**_SYNONYMS, **_FORMATS.get(fmt, {})}
    found = [alike_words.get(word, word) for word in words(name) if not _MARK.fullmatch(word)]
    kept = [word for word in found if word and singular(word) not in entity]
    return tuple(singular(word) if many else word for word in kept or found)


def alike(one: str, other: str, entity: Collection[str] = (), fmt: str = "", many: bool = False) -> bool:
    """Whether two names mean the same by their words; with `many` two words for "contents" do as well."""
    left, right = (core(name, entity, fmt, many) for name in (one, other))
    if left == right and any(left):
        return True
    return many and carries(one, entity) and carries(other, entity)
