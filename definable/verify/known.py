"""Everything a text may rest on: results, what the run itself knows, and artifacts grounded before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

from definable.errors import UsageError
from definable.spec.artifacts import Figure
from definable.spec.lookup import parse
from definable.verify.clauses import Reading, window
from definable.verify.evidence import Evidence
from definable.verify.facts import Fact, Made, facts, given, numbers, stated, texts
from definable.verify.mentions import read as mentioned
from definable.verify.prose import Passage, Sentence, passages, sentences
from definable.verify.quantities import Facts
from definable.verify.recipes import Results, plain, result_of, walked
from definable.verify.shape import Json
from definable.verify.things import Thing, things
from definable.verify.vocabulary import Vocabulary, norm, stems, strings

_HOST = re.compile(r"https?://([^/\s\"')>]+)")
_POINTS = ("text", "markdown", "caption", "explanation", "title")


class Known:
    """What a text is held against. What the text does not ask for is not put together."""

    def __init__(self, basis: Basis, calls: frozenset[str], facts: Facts) -> None:
        """Rest on the results of `calls`, and on `facts`."""
        self._basis, self._calls = basis, calls
        self.facts = facts
        self.bound = basis.bound

    @cached_property
    def words(self) -> Vocabulary:
        """What may be named: a name is known from any result."""
        return self._basis.words

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts of known addresses."""
        return self._basis.hosts

    @cached_property
    def of_id(self) -> dict[str, Thing]:
        """The things of all results by their ids."""
        return self._basis.read.of_id

    @cached_property
    def always(self) -> Evidence:
        """What the run itself knows, and may be said of anything."""
        return self._basis.always

    @cached_property
    def whole(self) -> Evidence:
        """What all of it says together."""
        out = Evidence().take(self._basis.always)
        for call in self._calls:
            out.take(self._basis.read.said[call])
        for reading, _ in self._basis.told:
            out.add(reading.text)
        return out

    @cached_property
    def own(self) -> dict[str, Evidence]:
        """What is known of each thing, by its name."""
        out: dict[str, Evidence] = {}
        read = self._basis.read
        for thing, own in zip(read.things, read.own, strict=True):
            for name in thing.about if thing.call in self._calls else ():
                out.setdefault(name, Evidence()).take(own)
        for reading, said in self._basis.told:
            for each in said:
                context = reading.context(each)
                for name in context.names if context.strict else ():
                    out.setdefault(name, Evidence()).add(each.text)
        return out


class Read:
    """Verified results, read once for all artifacts that rest on them, as far as these ask."""

    def __init__(self, results: Results) -> None:
        """Read them: each call's `{"tool": …, "result": …, "arguments": …}`."""
        self.results = results
        self.things = things(results)
        self.names = {norm(t.name): t.name for t in self.things if t.name}
        self.entries = {id(t.fields): t for t in self.things}
        self.stated = [list(stated(thing)) for thing in self.things]
        self.made: dict[tuple[object, ...], tuple[dict[frozenset[str], Facts], Made]] = {}
        """Windows and day → the facts of calls, and what was derived of things, as far as they were asked."""

    @cached_property
    def words(self) -> Vocabulary:
        """What they name, and with which words."""
        out = Vocabulary()
        for entry in self.results.values():
            out.add(result_of(entry)).add(str(entry.get("tool", "")) if isinstance(entry, dict) else "")
        return out

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts of the addresses in them."""
        return _hosts(result_of(entry) for entry in self.results.values())

    @cached_property
    def said(self) -> dict[str, Evidence]:
        """Call → what its result says."""
        return {call: Evidence().add(result_of(entry)) for call, entry in self.results.items()}

    @cached_property
    def own(self) -> list[Evidence]:
        """What each of the things says."""
        return [Evidence().add(dict(thing.fields)) for thing in self.things]

    @cached_property
    def of_id(self) -> dict[str, Thing]:
        """The first thing of each id."""
        return {thing.id: thing for thing in reversed(self.things)}

    @cached_property
    def bound(self) -> dict[str, str]:
        """The names of things that have numbers or days, which bind the numbers near them, as written."""
        owners = {name for thing in self.things for name in thing.about}
        report = {n for t in self.things if _tells(t) for n in t.about}
        return {name: self.names[name] for name in owners & report if name in self.names}


class Basis:
    """What one step's artifact may rest on; makes `Known` of all of it, or of the results that are cited."""

    def __init__(
        self, read: Read, constants: Json, sources: Sequence[Json], words: Iterable[str], text: str
    ) -> None:
        """Read everything else once. `text` is what will be checked, whose time windows are counted."""
        self.read, self.constants, self.sources = read, constants, sources
        self.results, self.things, self.entries = read.results, read.things, read.entries
        self.bound = read.bound
        self.windows = sorted({*_days(constants), *(window(line) for line in re.split(r"[.\n]", text))} - {0})
        self.today = _today(constants)
        self.given = list(given(constants))
        self.own_words = tuple(words)
        self.told = [(r, mentioned(r.text)) for source in sources for r in self._readings(source)]
        self.handed = [*self._figures(), *self._points()]
        self._made, self._derived = read.made.setdefault((*self.windows, self.today), ({}, {}))

    @cached_property
    def words(self) -> Vocabulary:
        """What is named in all of it."""
        own = Vocabulary().add(self.constants).take(_vocabulary(self.own_words))
        return own.add(list(self.sources)).take(self.read.words)

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts of the addresses in it."""
        return _hosts([self.constants]) | self.read.hosts

    @cached_property
    def always(self) -> Evidence:
        """What the run itself knows: its inputs, its calls, and the calls that earlier artifacts cite."""
        out = Evidence().add(self.constants)
        out.ids.update(call.lower() for call in self.results)
        for source in self.sources:
            for point in source.get("points", ()) if isinstance(source, dict) else ():
                out.ids.update(receipt.lower() for receipt in point.get("receipts", ()))
        return out

    def known(self, cited: Iterable[str] | None = None, declared: Iterable[Fact] = ()) -> Known:
        """Return what is known from the cited results, or from all; `declared` are figures that hold."""
        calls = frozenset(self.results if cited is None else cited)
        beside = Facts.of([*self.given, *self.handed, *declared])
        return Known(self, calls, beside.and_(self._facts(calls)))

    def of_figure(self, figure: Figure) -> Fact:
        """Return a figure that holds as a fact about the things that its recipe walks."""
        about: set[str] = set()
        try:
            for entry, _ in walked(figure, self.results):
                thing = self.entries.get(id(entry))
                about |= thing.about if thing else set()
        except (UsageError, KeyError):
            about = set()
        path = tuple(part for part in parse(figure.path) if part != "*" and not part.lstrip("-").isdigit())
        said = [*path, *(w.to for w in figure.where), figure.equals or ""]
        bare = Thing("", "", "", {}, ", ".join(figure.receipts), ())
        how = figure.against.how if figure.against else ""
        base = next(iter(numbers(path, figure.value, bare, frozenset(about), stems(" ".join(said)))))
        says = f"{plain(figure.value)} as the {figure.op} of {figure.path} in {', '.join(figure.receipts)}"
        return base._replace(op="figure", says=says, window=0, unit="%" if how in ("share", "change") else "")

    def lengths(self, fact: Fact, figure: Figure) -> Iterator[Fact]:
        """Yield a figure, and what else its number may be: a length of time, percentage points."""
        yield fact
        path = tuple(part for part in parse(figure.path) if part != "*" and not part.lstrip("-").isdigit())
        thing = Thing("", "", "", {}, "", ())
        if figure.op not in ("count", "distinct") and fact.unit == "":
            for each in numbers(path, figure.value, thing, fact.about, fact.topic):
                if each.unit:
                    yield each._replace(op="figure", says=fact.says, window=0)
        if figure.against and figure.against.how == "difference":
            yield fact._replace(unit="points")

    def _facts(self, calls: frozenset[str]) -> Facts:
        """Return what the results of calls say and come to; a number is known from those that are cited."""
        if calls not in self._made:
            told = [(t, own) for t, own in zip(self.things, self.read.stated, strict=True) if t.call in calls]
            held = [thing for thing, _ in told]
            made = [fact for _, own in told for fact in own]
            made += facts(held, self.windows, self.today, self._derived)
            for call in calls:  # numbers that stand beside the things of a result
                result = result_of(self.results[call])
                rest = (
                    {k: v for k, v in result.items() if not isinstance(v, list | dict)}
                    if isinstance(result, dict)
                    else result
                )
                if not any(t.fields is result for t in held):
                    made += (f._replace(op="there") for f in given(rest))
            self._made[calls] = Facts.of(made)
        return self._made[calls]

    def _figures(self) -> Iterator[Fact]:
        """Yield the figures of artifacts that were grounded before."""
        for source in self.sources:
            for point in source.get("points", ()) if isinstance(source, dict) else ():
                for raw in point.get("figures", ()):
                    figure = Figure.model_validate(raw)
                    yield from self.lengths(self.of_figure(figure), figure)

    def _points(self) -> Iterator[Fact]:
        """Yield the numbers that their texts say."""
        for reading, said in self.told:
            for each in said:
                if each.weak:
                    continue
                context = reading.context(each)
                names = context.names if context.strict else frozenset[str]()
                where = "an earlier artifact"
                for fact in texts(each.text, names, context.clause | context.words, where):
                    yield fact._replace(op="point", window=context.window)

    def _readings(self, source: Json) -> Iterator[Reading]:
        if not isinstance(source, dict):
            return
        points = source.get("points", ())
        said = [p.get("text", "") for p in points] or [v for k, v in source.items() if k in _POINTS]
        for text in [*said, source.get("title", "")]:
            for passage in passages(text if isinstance(text, str) else ""):
                yield from readings(passage, self.bound, frozenset())


def readings(passage: Passage, bound: Mapping[str, str], head: frozenset[str]) -> Iterator[Reading]:
    """Yield the sentences of a passage as readings, each with the names of the one before."""
    before: frozenset[str] = frozenset()
    for sentence in sentences(passage):
        reading = Reading(sentence, bound, before, head)
        before = reading.names or before
        yield reading


@lru_cache(maxsize=64)
def _vocabulary(texts: tuple[str, ...]) -> Vocabulary:
    """Return the words of a workflow's own texts: many artifacts are held against them."""
    return Vocabulary().add(list(texts))


def sentence_of(text: str) -> Sentence:
    """Return a text as one sentence."""
    return Sentence(Passage(text), 0, len(text))


def _hosts(held: Iterable[Json]) -> frozenset[str]:
    """Return the hosts of the addresses in these values."""
    texts = (text for value in held for text in strings(value) if "://" in text)
    return frozenset(host.lower() for text in texts for host in _HOST.findall(text))


def _tells(thing: Thing) -> bool:
    return any(isinstance(v, int | float) and not isinstance(v, bool) for v in _plain(thing.fields)) or bool(
        thing.date
    )


def _plain(value: Json) -> Iterator[Json]:
    if isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _plain(each)
    else:
        yield value


def _days(constants: Json) -> Iterator[int]:
    inputs = constants.get("inputs") if isinstance(constants, dict) else None
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, int) and not isinstance(value, bool) and "day" in name.lower():
            yield value


def _today(constants: Json) -> str:
    run = constants.get("run") if isinstance(constants, dict) else None
    return str(run.get("date", "")) if isinstance(run, dict) else ""
