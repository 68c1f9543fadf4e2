"""A list of objects that stands elsewhere, or became a map: recognised by the things that are in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from definable.calls import Change
from definable.spec.paths import MISSING
from definable.verify.matching import Found, Matching
from definable.verify.readings import read_as
from definable.verify.record import Known
from definable.verify.rows import Path, Place, Pool, canon
from definable.verify.shape import Json


def moved_list(known: Known, arguments: Mapping[str, Any], body: Json) -> list[Found]:
    """Return where the lists of the whole answer went; nothing where it is not certain, or not all of it.

    Half of the entries must be things that are known. When the same question was asked before, the list must
    not be shorter than four fifths of what it was: a list of some of the things is not the list.
    """
    top = next((place for place in known.places if not place.path), None)
    if top is None or not isinstance(body, dict):
        return []
    search = Matching(known.contract, top, known.pool(top), body)
    inner = {place.path[:-1]: place for place in known.places if place.path and place.path.count("*") == 1}
    gone = [path for path in inner if path in search.declared and not _stands(search, path)]
    found = [each for path in gone if (each := _one(known, search, arguments, path, inner[path]))]
    if len({each.change.source for each in found}) != len(found):
        return []
    taken = {each.change.target for each in found}
    beside = {each.change.target: each for one in found for each in search.beside(one)}
    return [*found, *(each for target, each in beside.items() if target not in taken)]


def _stands(search: Matching, path: Path) -> bool:
    return any(search.stands(path, search.declared[path], row) for row in search.flat)


def _one(
    known: Known, search: Matching, arguments: Mapping[str, Any], path: Path, place: Place
) -> Found | None:
    pool = known.pool(place)
    before = known.size(arguments, path)
    if not pool.rows or before is None:
        return None
    row = search.flat[0]
    found: list[tuple[Path, str, int, int]] = []
    for source in [*search.new, *([path] if path in row else [])]:
        for how in _ways(row[source], pool):
            entries = read_as(how, row[source])
            linked = len(pool.links(entries))
            if linked and linked * 2 >= len(entries) and len(entries) * 5 >= before * 4:
                found.append((source, how, linked, len(entries)))
    if len(found) != 1:
        return None
    source, how, linked, count = found[0]
    change = Change(source=source, target=path, how=how)
    return Found(change, f"{linked} of its {count} entries are known", row[source])


def _ways(value: Json, pool: Pool) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return ["same"]
    if isinstance(value, dict) and read_as("table", value) is not MISSING:
        return ["table"]
    if not isinstance(value, dict) or not value or not all(isinstance(e, dict) for e in value.values()):
        return []
    if all(any(canon(inner) == key for inner in each.values()) for key, each in value.items()):
        return ["values"]
    links = {key: pool.link({"": key, **each}) for key, each in value.items()}
    held = [
        {path for path, old in link.old.items() if canon(old) == key and len(path) == 1}
        for key, link in links.items()
        if link
    ]
    names = set.intersection(*held) if held else set()
    return [f"values:{name}" for (name,) in names if all(name not in each for each in value.values())]
