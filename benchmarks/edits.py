"""What people do with their own data between two reads, drawn at random: none of it is drift.

Each takes a healthy body and returns one as healthy, after somebody renamed, edited, copied, deleted or
handed over something. People may call their things what they like: a date, an address, a number, HTML.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from benchmarks.mutations import Objects, Source, objects, word

Json = Any
Edit = Callable[[Random, Source], Json]

FREE = {"title", "name", "label", "description", "source"}
"""Fields that people write."""

CHOSEN = {"role", "access", "members", "cadence"}
"""Fields in which people choose a word that others have."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")

ODD = [
    *("2026", "42", "0", "true", "null", "Q3", "2026-03-04", "2026-03-04T05:06:07.000Z", "1803672917"),
    *("priya.raman@harrowlane.example", "https://app.hex.tech/x", "a &amp; b", "<b>bold</b>", "50%20off"),
    *('{"a": 1}', "[1, 2]", "aGVsbG8gd29ybGQ=", "5b281f2c-9ac5-5660-b6cb-09750742b6cc", "DRAFT", "  x  "),
    *("Überblick", "日本", "x" * 500, "two\nlines", '"quoted"', "PROJECT", "values", "1,5", "1e5", "-"),
]
"""What somebody somewhere calls a thing."""


def _group(random: Random, source: Source, names: set[str]) -> tuple[Json, Objects, str] | None:
    """A copy of the body, the objects that have a field with one of these names, and the field."""
    fields = [(path, name) for path, name in source.fields if name in names]
    if not fields:
        return None
    body, (path, name) = copy.deepcopy(source.body), random.choice(fields)
    return body, [each for each in objects(body, path) if name in each], name


def renamed(random: Random, source: Source) -> Json:
    """Somebody gives one thing another name, or text."""
    if not (found := _group(random, source, FREE)):
        return None
    body, group, name = found
    each = random.choice(group)
    old = each[name] if isinstance(each[name], str) else ""
    choices = [*(f"{word(random)} {word(random)}" for _ in range(8)), *random.sample(ODD, 8)]
    choices += [f"{word(random).title()}: {old}", old.upper(), old[: len(old) // 2] or "x", old.strip() + "!"]
    each[name] = random.choice(choices)
    return body


def reworded(random: Random, source: Source) -> Json:
    """Somebody goes through the list and gives several things other names."""
    if not (found := _group(random, source, FREE)):
        return None
    body, group, name = found
    for each in random.sample(group, random.randint(1, len(group))):
        each[name] = f"{word(random)} {word(random)}".capitalize()
    return body


def later(random: Random, source: Source) -> Json:
    """Things were looked at, edited or published since, or archived, or not any more."""
    names = {
        n for path, n in source.fields for o in objects(source.body, path) if MOMENT.match(str(o.get(n)))
    }
    if not (found := _group(random, source, names)):
        return None
    body, group, name = found
    for each in random.sample(group, random.randint(1, len(group))):
        if isinstance(each[name], str):
            each[name] = _later(random, each[name])
    return body


def counted(random: Random, source: Source) -> Json:
    """Counts have grown, or begun."""
    names = {
        n
        for path, n in source.fields
        for o in objects(source.body, path)
        if type(o.get(n)) is int and n != "exp"
    }
    if not (found := _group(random, source, names)):
        return None
    body, group, name = found
    for each in random.sample(group, random.randint(1, len(group))):
        each[name] += random.choice([1, 3, 40, 900, 25_000])
    return body


def chosen(random: Random, source: Source) -> Json:
    """One thing gets what another has: a role, an access, an owner, a status."""
    names = CHOSEN | {"owner", "creator", "status", "categories", "reviews"}
    if not (found := _group(random, source, names)):
        return None
    body, group, name = found
    random.choice(group)[name] = copy.deepcopy(random.choice(group)[name])
    return body


def handed_over(random: Random, source: Source) -> Json:
    """Somebody leaves, and all that was theirs is another's."""
    if not (found := _group(random, source, {"owner"})):
        return None
    body, group, name = found
    heir = f"{word(random)}.{word(random)}@harrowlane.example"
    leaver = random.choice(group)[name]
    for each in group:
        if each[name] == leaver:
            each[name] = {**leaver, "email": heir} if isinstance(leaver, dict) else heir
    return body


def _entries(source: Source) -> tuple[Json, list[Json]] | None:
    body = copy.deepcopy(source.body)
    entries = body.get(source.items) if source.items and isinstance(body, dict) else None
    return (body, entries) if entries else None


def _new(random: Random, entry: Json, words: bool) -> Json:
    """An entry like another, with ids of its own and, if so wanted, words of its own."""
    out = copy.deepcopy(entry)
    for name in ("id", "staticId"):
        if name in out:
            out[name] = str(uuid.UUID(int=random.getrandbits(128), version=4))
    if "email" in out:
        out["email"] = f"{word(random)}.{word(random)}@harrowlane.example"
    for name in FREE:
        if out.get(name):
            out[name] = f"{word(random)} {word(random)}" if words else f"{out[name]} (copy)"
    _move_on(random, out)
    return out


def _move_on(random: Random, value: Json) -> None:
    for key, inner in value.items():
        if isinstance(inner, dict):
            _move_on(random, inner)
        elif isinstance(inner, str) and MOMENT.match(inner):
            value[key] = _later(random, inner)


def made_anew(random: Random, source: Source) -> Json:
    """Somebody deletes a thing and makes the same again."""
    if not (found := _entries(source)):
        return None
    body, entries = found
    chosen = random.randrange(len(entries))
    entries[chosen] = {**_new(random, entries[chosen], False), **_words(entries[chosen])}
    return body


def _words(entry: Json) -> Json:
    return {name: entry[name] for name in FREE if name in entry}


def _later(random: Random, text: str) -> str:
    at = datetime.fromisoformat(text) + timedelta(hours=random.randint(1, 200))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{random.randint(0, 999):03}Z"


def made(random: Random, source: Source) -> Json:
    """Somebody makes something new, or a copy."""
    if not (found := _entries(source)):
        return None
    body, entries = found
    entries.insert(
        random.randint(0, len(entries)), _new(random, random.choice(entries), random.random() < 0.5)
    )
    return body


def gone(random: Random, source: Source) -> Json:
    """Somebody deletes something, or most of it."""
    if not (found := _entries(source)):
        return None
    body, entries = found
    entries[:] = random.sample(entries, random.randint(0, len(entries) - 1))
    return body


def ordered(random: Random, source: Source) -> Json:
    """The list is in another order."""
    if not (found := _entries(source)):
        return None
    random.shuffle(found[1])
    return found[0]


def another_page(random: Random, source: Source) -> Json:
    """The list has other things in it altogether."""
    if not (found := _entries(source)):
        return None
    body, entries = found
    entries[:] = [_new(random, random.choice(entries), True) for _ in entries]
    return body


EDITS: dict[str, Edit] = {
    "one renamed": renamed,
    "several reworded": reworded,
    "moments later": later,
    "counts grown": counted,
    "chosen anew": chosen,
    "handed over": handed_over,
    "something made": made,
    "the same made anew": made_anew,
    "things deleted": gone,
    "another order": ordered,
    "another page": another_page,
}
"""Kind → how it is drawn."""
