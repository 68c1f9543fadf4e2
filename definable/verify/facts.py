"""Numbers that verified results hold or come to, each with what it is about.

A fact stands there as it is, or is one of the simple derivations that a sentence may name without declaring
them: how many things of a kind there are, how many with which status, what share that is, and the sum, mean,
median, least and most of a number that several things have; over all of them, over those that belong to one
thing, and over those of a time window.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from statistics import fmean, median
from typing import Literal, NamedTuple

from definable.verify.evidence import has_digit
from definable.verify.mentions import read
from definable.verify.names import singular, words
from definable.verify.shape import Json
from definable.verify.things import Thing, leaves
from definable.verify.vocabulary import norm, stem, stems

Op = Literal[
    "there", "text", "given", "count", "share", "sum", "mean", "median", "max", "min", "figure", "point"
]
Unit = Literal["", "s", "%", "points"]

BAD = re.compile(r"ERROR|FAIL|KILL|UNABLE|CRASH|TIMED?_?OUT", re.IGNORECASE)
GOOD = re.compile(r"COMPLET|SUCC|DONE|FINISH|PASS", re.IGNORECASE)

_LENGTHS = {
    "ms": (0.001,), "millis": (0.001,), "milliseconds": (0.001,),
    "seconds": (1.0,), "secs": (1.0,), "sec": (1.0,),
    "minutes": (60.0,), "hours": (3600.0,), "days": (86400.0,),
    "duration": (0.001, 1.0), "elapsed": (0.001, 1.0), "latency": (0.001, 1.0), "runtime": (0.001, 1.0),
    "time": (0.001, 1.0),
}  # fmt: skip
"""What a number may be in seconds, by a word in the name of its field. A bare duration is in ms or s."""

_SPELT = re.compile(r"-?\d+(\.\d+)?")
_SPANS = {"seven": 7, "fourteen": 14, "thirty": 30, "sixty": 60, "ninety": 90}
_PERCENT = frozenset({"percent", "percentage", "pct", "rate", "share", "ratio"})


ALL = -1
"""The window of what is not limited to some days, although it might be."""


class Fact(NamedTuple):
    """A number. Lengths of time are in seconds. `about` are the things that it is about; empty: the whole.

    `topic` are the stems of the words that name it. `only` are those of which one has to be said: the status
    that is counted; `others` are the statuses that it does not count. `says` is how people would put it.
    """

    value: float
    says: str
    topic: frozenset[str] = frozenset()
    about: frozenset[str] = frozenset()
    op: Op = "there"
    unit: Unit = ""
    only: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    negated: bool = False
    window: int = 0
    """The days up to the run's date that it is limited to; ALL for all days, 0 where days say nothing."""


Made = dict[tuple[object, ...], list[Fact]]
"""What was computed already, by the things it was computed from."""


def facts(found: Sequence[Thing], windows: Iterable[int], today: str, made: Made) -> list[Fact]:
    """Return what things come to. `today` is the run's date; `windows` are days that may be asked about."""
    out: list[Fact] = []
    for kind in dict.fromkeys(thing.kind for thing in found):
        group = [thing for thing in found if thing.kind == kind]
        owners = {name for thing in group for name in thing.about if name != norm(thing.name)}
        scopes = [(frozenset[str](), group)]
        scopes += [(frozenset({n}), [t for t in group if n in t.about]) for n in sorted(owners)]
        for about, members in scopes:
            key = (kind, about, *map(id, members))
            if key not in made:
                made[key] = [
                    fact
                    for days in (0, *windows)
                    for since in _since(days, today)
                    for fact in derived(
                        kind, [t for t in members if not days or t.date >= since], about, days, members
                    )
                ]
            out += made[key]
    return out


def _since(days: int, today: str) -> list[str]:
    """Return the first day of a window: with the day that is just so long ago, and without it."""
    if not days:
        return [""]
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", today):
        return []
    return [(date.fromisoformat(today) - timedelta(days=n)).isoformat() for n in (days, days - 1)]


def derived(
    kind: str, inside: Sequence[Thing], about: frozenset[str], days: int, whole: Sequence[Thing]
) -> Iterator[Fact]:
    """Yield what the things of one kind come to. `whole` are those of all days, which show what there is."""
    there = [thing for thing in inside if thing.there]
    if days and not any(thing.date for thing in whole):
        return
    calls = ", ".join(dict.fromkeys(thing.call for thing in inside or whole))
    when = f" in the last {days} days" if days else ""
    base = Fact(
        len(there), f"{_many(len(there), kind)}{when} in {calls}", frozenset({stem(kind)}), about, "count"
    )
    events = any(thing.date and not thing.name for thing in whole)
    base = base._replace(window=days or (ALL if events else 0))
    yield base
    strings = {(k, v) for t in whole for k, v in t.fields.items() if isinstance(v, str)}
    names = {name for name, value in strings if _is_enum(name, value)}
    for name in sorted(names):
        yield from _by_value(base, name, there, whole, kind, f"{when} in {calls}")
    yield from _by_number(base, there, kind, f"{when} in {calls}")


@lru_cache(maxsize=4096)
def _is_enum(name: str, value: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][A-Z_]+", value)) or singular(words(name)[-1]) in ("status", "state")


def _by_value(
    base: Fact, name: str, there: Sequence[Thing], whole: Sequence[Thing], kind: str, where: str
) -> Iterator[Fact]:
    """Yield how many have each value of a field, how many have another, and which share that is."""
    counts = Counter(str(thing.fields.get(name)) for thing in there)
    values = sorted({str(t.fields[name]) for t in whole if isinstance(t.fields.get(name), str)})
    groups = [(value, frozenset({value})) for value in values]
    if singular(words(name)[-1]) in ("status", "state"):
        groups += [
            ("failed", frozenset(v for v in values if BAD.search(v))),
            ("completed", frozenset(v for v in values if GOOD.search(v))),
        ]
    for label, group in groups:
        n = sum(counts[value] for value in group)
        only = frozenset(each for value in (label, *group) for each in said_of(value))
        others = frozenset(e for v in values if v not in group for e in said_of(v)) - only
        topic = base.topic | stems(name) | only
        says = (
            f"{_many(n, kind)} with {name} {label}{where}"
            if label in group
            else f"{_many(n, f'{label} {kind}')}{where}"
        )
        left, rest = len(there) - n, (only, others)
        not_so = f"{_many(left, kind)} not {label}{where}"
        yield Fact(n, says, topic, base.about, base.op, base.unit, *rest, False, base.window)
        yield Fact(left, not_so, topic, base.about, base.op, base.unit, *rest, True, base.window)
        if there:
            share = 100 * n / len(there)
            says = f"{share:.4g} % of the {kind}s {label}{where}"
            yield Fact(share, says, topic, base.about, "share", "%", *rest, False, base.window)
            yield Fact(100 - share, f"not {says}", topic, base.about, "share", "%", *rest, True, base.window)


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def said_of(status: str) -> frozenset[str]:
    """Return the stems by which a status is named: ERRORED → error, fail."""
    named = stems(status.lower().replace("_", " "))
    return (
        named | ({"fail"} if BAD.search(status) else set()) | ({"complet"} if GOOD.search(status) else set())
    )


def _by_number(base: Fact, there: Sequence[Thing], kind: str, where: str) -> Iterator[Fact]:
    """Yield sum, mean, median, least and most of each number that two things or more have."""
    columns: dict[tuple[str, ...], list[tuple[float, Thing]]] = {}
    for thing in there:
        for path, value in thing.leaves:
            if isinstance(value, int | float) and not isinstance(value, bool):
                columns.setdefault(path, []).append((float(value), thing))
    for path, pairs in columns.items():
        values = [value for value, _ in pairs]
        if len(there) < 2:
            continue
        sample = next(iter(numbers(path, values[0], pairs[0][1], base.about, base.topic)))
        factor = dict(_units(path, pairs[0][1]))
        window = sample.window or base.window
        made = {"sum": sum(values), "mean": fmean(values), "median": median(values)}
        made |= {"max": max(values), "min": min(values)}
        for op, number in made.items():
            says = f"{number:.6g} as the {op} of {'.'.join(path)} of the {kind}s{where}"
            for unit, each in factor.items():
                yield Fact(number * each, says, sample.topic, base.about, op, unit, window=window)  # type: ignore[arg-type]


def stated(thing: Thing) -> Iterator[Fact]:
    """Yield the numbers that stand in a thing: its fields', and those in its texts."""
    kind = frozenset({stem(thing.kind)})
    for path, value in thing.leaves:
        spelt = isinstance(value, str) and _SPELT.fullmatch(value)
        if spelt or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield from numbers(path, float(value), thing, thing.about, kind)
        elif isinstance(value, str) and has_digit(value):
            yield from texts(value, thing.about, stems(" ".join(path)), f"{'.'.join(path)} in {thing.call}")
    if (lasted := thing.lasted) is not None:
        says = f"{lasted:g} s from its start to its end in {thing.call}"
        yield Fact(lasted, says, frozenset({stem(thing.kind), "elaps"}), thing.about, unit="s")


def numbers(
    path: tuple[str, ...], value: float, thing: Thing, about: frozenset[str], topic: frozenset[str]
) -> Iterator[Fact]:
    """Yield what one number of a field may be: as it is, and as a length of time."""
    said, window, percent = _named(path, topic)
    says = f"{value:.10g} as {'.'.join(path)} in {thing.call}"
    for unit, factor in _units(path, thing):
        yield Fact(value * factor, says, said, about, unit=unit, window=window)
    if percent or 0 < abs(value) < 1:
        yield Fact(100 * value if abs(value) <= 1 else value, says, said, about, unit="%", window=window)


@lru_cache(maxsize=8192)
def _named(path: tuple[str, ...], topic: frozenset[str]) -> tuple[frozenset[str], int, bool]:
    """Return what the names of a field say: stems, its window, and whether it is a share."""
    said = [word for name in path for word in words(name)]
    window = next((_SPANS[word] for word in said if word in _SPANS), 0)
    if path and words(path[-1]) in (("all", "time"), ("lifetime",), ("total",)):
        window = ALL
    return topic | stems(" ".join(path)), window, bool(_PERCENT.intersection(said))


def _units(path: tuple[str, ...], thing: Thing) -> list[tuple[Unit, float]]:
    """Return the units that a number may be in, with the factor to seconds; a thing's own times decide."""
    factors = _factors(path[-1]) if path else ()
    if len(factors) > 1 and path in thing.scale:
        factors = (thing.scale[path],)
    return [("", 1.0), *(("s", factor) for factor in factors)]


@lru_cache(maxsize=8192)
def _factors(name: str) -> tuple[float, ...]:
    """Return what a number under this name may be in seconds; nothing when it is no length of time."""
    # `lastRunTimeMs` is in ms: the last word that says anything wins.
    return next((_LENGTHS[word] for word in reversed(words(name)) if word in _LENGTHS), ())


def texts(text: str, about: frozenset[str], topic: frozenset[str], where: str) -> Iterator[Fact]:
    """Yield the numbers that stand in a text."""
    said = topic | stems(text)
    for each in (each for each in read(text) if not each.weak):
        says = f"“{each.text}” in {where}"
        if each.kind in ("number", "scaled"):
            yield Fact(each.value * each.unit, says, said, about, "text")
        elif each.kind == "percent":
            yield Fact(each.value, says, said, about, "text", "%")
        elif each.kind == "points":
            yield Fact(each.value, says, said, about, "text", "points")
        elif each.kind == "duration":
            yield Fact(each.value * each.unit, says, said, about, "text", "s")


def given(value: Json, path: tuple[str, ...] = ()) -> Iterator[Fact]:
    """Yield the numbers of what the run itself knows: its inputs, its date, the step's words."""
    for names, each in leaves(value, path):
        if isinstance(each, int | float) and not isinstance(each, bool):
            bare = Thing("", "", "", {}, "the inputs", ())
            yield from (
                f._replace(op="given") for f in numbers(names, float(each), bare, frozenset(), frozenset())
            )
        elif isinstance(each, str) and names[:1] != ("run",):
            yield from (
                f._replace(op="given") for f in texts(each, frozenset(), stems(" ".join(names)), "the inputs")
            )
