"""Ways in which a product may change its answers, drawn at random: what `benchmarks/drift.py` tries.

Each takes a healthy body and returns it changed, or None where there is nothing to change. Names are drawn
from the letters, not from a list, so that none of them can be known beforehand.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

Json = Any
Objects = list[dict[str, Json]]


@dataclass(frozen=True)
class Drawn:
    """A changed body, and whether every value that is declared is still somewhere in it, told apart."""

    body: Json
    carries: bool


@dataclass(frozen=True)
class Source:
    """What is changed: the body, and the declared properties of its objects, each `(path, name)`."""

    body: Json
    fields: tuple[tuple[tuple[str, ...], str], ...]
    items: str
    next: str


def objects(body: Json, path: tuple[str, ...]) -> Objects:
    """Return the objects at a path."""
    found = [body]
    for part in path:
        if part == "*":
            found = [each for value in found if isinstance(value, list) for each in value]
        else:
            found = [value[part] for value in found if isinstance(value, dict) and part in value]
    return [each for each in found if isinstance(each, dict)]


def word(random: Random) -> str:
    """Return a word that nobody has ever used."""
    return "".join(
        random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(random.randint(2, 4))
    )


def telling(values: list[Json]) -> bool:
    """Whether values say anything by which they could be recognised under another name."""
    flat = [leaf for value in values for leaf in leaves(value)]
    texts = {leaf for leaf in flat if isinstance(leaf, str) and len(leaf) > 5}
    return bool(texts) or len({str(leaf) for leaf in flat}) > 3


def leaves(value: Json) -> Iterator[Json]:
    """Yield the scalars in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for each in inner:
            yield from leaves(each)


def _pick(random: Random, source: Source) -> tuple[Json, Objects, str, bool]:
    body = copy.deepcopy(source.body)
    some = [(path, name) for path, name in source.fields if any(name in o for o in objects(body, path))]
    path, name = random.choice(some)
    return body, objects(body, path), name, _twins(source, path, name)


def _moved(random: Random, source: Source, new: Callable[[str], str]) -> Drawn:
    body, group, name, twins = _pick(random, source)
    values = [each[name] for each in group if name in each]
    for each in group:
        if name in each:
            each[new(name)] = each.pop(name)
    return Drawn(body, telling(values) and not twins)


def _twins(source: Source, path: tuple[str, ...], name: str) -> bool:
    """Whether something else has the same values in all the same entries: then nothing tells them apart."""
    top = path[: path.index("*") + 1] if "*" in path else ()
    if path.count("*") > 1:
        return False
    rows = objects(source.body, top)
    mine = [_in(row, (*path[len(top) :], name)) for row in rows]
    others = {
        (*where, other)
        for where, other in source.fields
        if where[: len(top)] == top and "*" not in where[len(top) :]
    }
    same = [o for o in others if [_in(row, o[len(top) :]) for row in rows] == mine]
    return any(o[: len(path) + 1] != (*path, name) and (*path, name)[: len(o)] != o for o in same)


def _in(row: Json, path: tuple[str, ...]) -> Json:
    for part in path:
        row = row.get(part) if isinstance(row, dict) else None
    return row


def renamed(random: Random, source: Source) -> Drawn:
    """A word for another."""
    new = word(random)
    return _moved(random, source, lambda _: new)


def affixed(random: Random, source: Source) -> Drawn:
    """A word before or behind the name."""
    extra, front = word(random), random.random() < 0.5
    return _moved(random, source, lambda n: extra + n[0].upper() + n[1:] if front else f"{n}_{extra}")


def nested(random: Random, source: Source) -> Drawn:
    """Properties put into a new object."""
    body = copy.deepcopy(source.body)
    path = random.choice(sorted({path for path, _ in source.fields}))
    group, key = objects(body, path), word(random)
    names = sorted({name for at, name in source.fields if at == path})
    chosen = random.sample(names, random.randint(1, min(4, len(names))))
    values = {name: [each[name] for each in group if name in each] for name in chosen}
    carries = (
        bool(group)
        and all(telling(v) for v in values.values())
        and not any(_twins(source, path, name) for name in chosen)
    )
    for each in group:
        each[key] = {name: each.pop(name) for name in chosen if name in each}
    return Drawn(body, carries)


def flattened(random: Random, source: Source) -> Drawn | None:
    """The properties of an inner object put beside it, with or without its name."""
    body = copy.deepcopy(source.body)
    inner = [
        (path, name)
        for path, name in source.fields
        if (group := objects(body, path)) and all(isinstance(each.get(name), dict) for each in group)
    ]
    if not inner:
        return None
    path, name = random.choice(inner)
    group, prefixed = objects(body, path), random.random() < 0.5
    if not prefixed and any(each[name].keys() & each.keys() for each in group):
        prefixed = True
    values = [value for each in group for value in each[name].values()]
    carries = all(telling([each[name].get(k) for each in group]) for k in group[0][name]) and bool(values)
    carries = carries and not _twins(source, path, name)
    for each in group:
        for key, value in each.pop(name).items():
            each[f"{name}{key[0].upper()}{key[1:]}" if prefixed else key] = value
    return Drawn(body, carries)


def wrapped(random: Random, source: Source) -> Drawn:
    """The whole answer in an envelope of any name."""
    return Drawn({word(random): copy.deepcopy(source.body)}, True)


def boxed(random: Random, source: Source) -> Drawn:
    """Each value of a property in an object of its own."""
    body, group, name, _ = _pick(random, source)
    key = random.choice(["value", "data", word(random)])
    values = [each[name] for each in group if name in each]
    for each in group:
        if name in each:
            each[name] = {key: each[name]}
    return Drawn(body, telling(values))


def entries_wrapped(random: Random, source: Source) -> Drawn | None:
    """Each entry of the list in an envelope."""
    body = copy.deepcopy(source.body)
    if not source.items or not body[source.items]:
        return None
    key = random.choice(["item", "node", word(random)])
    body[source.items] = [{key: each} for each in body[source.items]]
    return Drawn(body, True)


def list_renamed(random: Random, source: Source) -> Drawn | None:
    """The list itself under another name."""
    if not source.items or not source.body[source.items]:
        return None
    body = copy.deepcopy(source.body)
    body[word(random)] = body.pop(source.items)
    return Drawn(body, True)


def keyed(random: Random, source: Source) -> Drawn | None:
    """The list as a map by the ids of its entries, which keep them or not."""
    if not source.items or not source.body[source.items]:
        return None
    body = copy.deepcopy(source.body)
    entries = body[source.items]
    if not all("id" in each for each in entries):
        return None
    kept = random.random() < 0.5
    body[source.items] = {
        each["id"]: each if kept else {k: v for k, v in each.items() if k != "id"} for each in entries
    }
    return Drawn(body, True)


def _recased(change: Callable[[str], str]) -> Callable[[Random, Source], Drawn]:
    def walk(value: Json) -> Json:
        if isinstance(value, dict):
            return {change(key): walk(each) for key, each in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    return lambda random, source: Drawn(walk(source.body), True)


def snake(name: str) -> str:
    """Return a name in snake_case."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def stringified(random: Random, source: Source) -> Drawn | None:
    """Numbers and booleans as texts."""

    def walk(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int) else value

    changed = walk(source.body)
    return Drawn(changed, True) if changed != source.body else None


def epochs(random: Random, source: Source) -> Drawn | None:
    """A moment as a number of seconds or milliseconds."""
    body, group, name, twins = _pick(random, source)
    scale = random.choice([1, 1000])
    values = [each.get(name) for each in group]
    if not any(isinstance(v, str) and re.match(r"\d{4}-\d\d-\d\dT", v) for v in values):
        return None
    exact = True
    for each in group:
        if isinstance(each.get(name), str):
            stamp = datetime.fromisoformat(each[name]).timestamp()
            exact = exact and round(int(stamp * scale + 0.5e-6) / scale, 3) == round(stamp, 3)
            each[name] = int(stamp * scale + 0.5e-6)
    return Drawn(body, exact and not twins)


def listed(random: Random, source: Source) -> Drawn | None:
    """A value in a list of one."""
    body, group, name, _ = _pick(random, source)
    if any(isinstance(each.get(name), list) or each.get(name) is None for each in group):
        return None
    for each in group:
        each[name] = [each[name]]
    return Drawn(body, True)


def deprecated(random: Random, source: Source) -> Drawn | None:
    """The old name kept with null, the value under a new one."""
    body, group, name, twins = _pick(random, source)
    values = [each.get(name) for each in group]
    if all(value is None for value in values):
        return None
    new = word(random)
    for each in group:
        if name in each:
            each[new], each[name] = each[name], None
    return Drawn(body, telling(values) and not twins)


def dropped(random: Random, source: Source) -> Drawn | None:
    """A property gone; what it held is nowhere."""
    body, group, name, _ = _pick(random, source)
    for each in group:
        each.pop(name, None)
    return Drawn(body, False)


def nulled(random: Random, source: Source) -> Drawn | None:
    """Null in the place of every value of a property."""
    body, group, name, _ = _pick(random, source)
    if all(each.get(name) is None for each in group):
        return None
    for each in group:
        each[name] = None
    return Drawn(body, False)


def replaced(random: Random, source: Source) -> Drawn | None:
    """A property gone, and one that has nothing to do with it new, with values of the same kind."""
    body, group, name, _ = _pick(random, source)
    values = [each.pop(name) for each in group if name in each]
    if not telling(values):
        return None
    new = word(random)
    for each in group:
        each[new] = _other(random, values[0])
    return Drawn(body, False)


def _other(random: Random, value: Json) -> Json:
    if isinstance(value, bool):
        return random.random() < 0.5
    if isinstance(value, int):
        return random.randint(0, 10_000)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return f"20{random.randint(20, 26)}-0{random.randint(1, 9)}-1{random.randint(0, 9)}T08:00:00.000Z"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f-]{36}", value):
        return f"{random.getrandbits(32):08x}-0000-4000-8000-{random.getrandbits(48):012x}"
    if isinstance(value, dict):
        return {key: _other(random, each) for key, each in value.items()}
    return [] if isinstance(value, list) else f"{word(random)} {word(random)}"


def exchanged(random: Random, source: Source) -> Drawn | None:
    """A property gone, and its neighbour's value under a new name: what a careless reader would take."""
    body, group, name, _ = _pick(random, source)
    shared = sorted(set.intersection(*(set(each) for each in group)) - {name})
    others = [o for o in shared if isinstance(group[0][o], str)]
    if not others or not isinstance(group[0].get(name), str):
        return None
    other, new = random.choice(others), word(random)
    if all(each[other] == each[name] for each in group):
        return None
    for each in group:
        each[new] = each[other]
        del each[name]
    return Drawn(body, False)


def cursor_renamed(random: Random, source: Source) -> Drawn | None:
    """The cursor under another name, beside where it was."""
    return _cursor(source, lambda body, holder, name, value: holder.__setitem__(word(random), value))


def cursor_moved(random: Random, source: Source) -> Drawn | None:
    """The cursor at the top, or in an object of its own."""
    name = random.choice(["next", "nextCursor", "next_page_token", "continuation"])
    deep = random.random() < 0.5

    def put(body: Json, holder: Json, old: str, value: Json) -> None:
        if deep:
            body[word(random)] = {name: value}
        else:
            body[name] = value

    return _cursor(source, put)


def cursor_linked(random: Random, source: Source) -> Drawn | None:
    """The cursor inside of the next page's address."""

    def put(body: Json, holder: Json, old: str, value: Json) -> None:
        holder[word(random)] = f"https://example.com/v2/{word(random)}?limit=100&after={value}"

    return _cursor(source, put)


def cursor_dropped(random: Random, source: Source) -> Drawn | None:
    """No way to the next page at all."""
    found = _cursor(source, lambda body, holder, name, value: None)
    return Drawn(found.body, False) if found else None


def _cursor(source: Source, put: Callable[[Json, Json, str, Json], object]) -> Drawn | None:
    if not source.next:
        return None
    *way, name = source.next.split(".")
    body = copy.deepcopy(source.body)
    holder = body
    for part in way:
        holder = holder[part]
    if holder.get(name) is None:
        return None
    put(body, holder, name, holder.pop(name))
    return Drawn(body, True)


def added(random: Random, source: Source) -> Drawn:
    """New properties, of any kind, anywhere: nothing of it breaks anybody."""
    body = copy.deepcopy(source.body)
    values = [None, True, 7, "text here", "2026-03-04T05:06:07.000Z", [], ["a"], {"id": "x9"}, 1.5]
    for path in sorted({path for path, _ in source.fields}):
        if random.random() < 0.6:
            for each in objects(body, path):
                each[word(random) if random.random() < 0.2 else "zusatz"] = copy.deepcopy(
                    random.choice(values)
                )
    return Drawn(body, True)


BREAKING: dict[str, Callable[[Random, Source], Drawn | None]] = {
    "renamed to any word": renamed,
    "renamed, a word added": affixed,
    "nested": nested,
    "flattened": flattened,
    "answer wrapped": wrapped,
    "value boxed": boxed,
    "entries wrapped": entries_wrapped,
    "list renamed": list_renamed,
    "list made a map": keyed,
    "snake_case": _recased(snake),
    "kebab-case": _recased(lambda name: snake(name).replace("_", "-")),
    "PascalCase": _recased(lambda name: name[0].upper() + name[1:]),
    "numbers as texts": stringified,
    "moments as epochs": epochs,
    "value in a list": listed,
    "old name null, new name": deprecated,
    "dropped": dropped,
    "nulled": nulled,
    "dropped, another added": replaced,
    "dropped, a neighbour's copy added": exchanged,
    "cursor renamed": cursor_renamed,
    "cursor moved": cursor_moved,
    "cursor in an address": cursor_linked,
    "cursor dropped": cursor_dropped,
}
"""Class → how it is drawn."""

FORM = ["renamed to any word", "nested", "snake_case", "numbers as texts", "answer wrapped", "list renamed"]
"""Classes of which two are also tried at once."""


def both(random: Random, source: Source) -> Drawn | None:
    """Two changes of form, one after the other."""
    one, other = random.sample(FORM, 2)
    first = BREAKING[one](random, source)
    if first is None:
        return None
    fields = tuple(
        (path, name) for path, name in source.fields if any(name in o for o in objects(first.body, path))
    )
    if not fields:
        return None
    items = source.items if isinstance(first.body.get(source.items), list) else ""
    second = BREAKING[other](random, Source(first.body, fields, items, ""))
    if second is None:
        return None
    return Drawn(second.body, first.carries and second.carries)


BREAKING["two at once"] = both
