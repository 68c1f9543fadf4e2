"""Everything a text may rest on: results, what the run itself knows, and artifacts grounded before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from definable.errors import UsageError
from definable.spec.artifacts import Figure
from definable.spec.lookup import parse
from definable.verify.clauses import Reading, window
from definable.verify.evidence import Evidence
from definable.verify.facts import Fact, Made, facts, given, numbers, stated, texts
from definable.verify.mentions import mentions
from definable.verify.prose import Passage, Sentence, passages, sentences
from definable.verify.quantities import Facts
from definable.verify.recipes import Results, plain, result_of, walked
from definable.verify.shape import Json
from definable.verify.things import Thing, things
from definable.verify.vocabulary import Vocabulary, norm, stems, strings

_HOST = re.compile(r"https?://([^/\s\"')>]+)")
_POINTS = ("text", "markdown", "caption", "explanation", "title")


@dataclass
class Known:
    """What a text is held against. `own` is what is known of each thing, by its name."""

    words: Vocabulary = field(default_factory=Vocabulary)
    whole: Evidence = field(default_factory=Evidence)
    always: Evidence = field(default_factory=Evidence)
    """What the run itself knows, and may be said of anything."""
    own: dict[str, Evidence] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)
    """Names of things that have numbers or dates, normalised → as written."""
    facts: Facts = field(default_factory=lambda: Facts(()))
    of_id: dict[str, Thing] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()


class Read:
    """Verified results, read once for all artifacts that rest on them."""

    def __init__(self, results: Results) -> None:
        """Read them: each call's `{"tool": …, "result": …, "arguments": …}`."""
        self.results = results
        self.things = things(results)
        self.names = {norm(t.name): t.name for t in self.things if t.name}
        self.entries = {id(t.fields): t for t in self.things}
        self.words = Vocabulary()
        for entry in results.values():
            self.words.add(result_of(entry)).add(
                str(entry.get("tool", "")) if isinstance(entry, dict) else ""
            )
        self.stated = [list(stated(thing)) for thing in self.things]
        self.bound = self._bound()
        self.hosts = _hosts(result_of(entry) for entry in results.values())
        self.said = {call: Evidence().add(result_of(entry)) for call, entry in results.items()}
        self.own = [Evidence().add(dict(thing.fields)) for thing in self.things]
        self.made: dict[tuple[object, ...], tuple[dict[frozenset[str], list[Fact]], Made]] = {}
        """Windows and day → the facts of calls, and what was derived of things, as far as they were asked."""

    def _bound(self) -> dict[str, str]:
        """Return the names of things that have numbers or days, which bind the numbers near them."""
        owners = {name for thing in self.things for name in thing.about}
        telling = {n for t in self.things if _tells(t) for n in t.about}
        return {name: self.names[name] for name in owners & telling if name in self.names}


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
        # A name is known from any result, a number from those cited.
        self.words = Vocabulary().add(constants).add(list(words)).add(list(sources)).take(read.words)
        self.hosts = _hosts([constants]) | read.hosts
        self.handed = [fact for source in sources for fact in self._of_source(source)]
        self._made, self._derived = read.made.setdefault((*self.windows, self.today), ({}, {}))
        self._always = Evidence().add(constants)
        self._always.ids.update(call.lower() for call in self.results)

    def known(self, cited: Iterable[str] | None = None, declared: Iterable[Fact] = ()) -> Known:
        """Return what is known from the cited results, or from all; `declared` are figures that hold."""
        calls = frozenset(self.results if cited is None else cited)
        out = Known(self.words, bound=self.bound, hosts=self.hosts)
        out.facts = Facts.of([*self.given, *self.handed, *declared, *self._facts(calls)])
        out.always.take(self._always)
        out.whole.take(self._always)
        for call in calls:
            out.whole.take(self.read.said[call])
        for thing, own in zip(self.things, self.read.own, strict=True):
            out.of_id.setdefault(thing.id, thing)
            for name in thing.about if thing.call in calls else ():
                out.own.setdefault(name, Evidence()).take(own)
        for source in self.sources:
            self._take(out, source)
        return out

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
        return replace(base, op="figure", says=says, window=0, unit="%" if how in ("share", "change") else "")

    def lengths(self, fact: Fact, figure: Figure) -> Iterator[Fact]:
        """Yield a figure, and what else its number may be: a length of time, percentage points."""
        yield fact
        path = tuple(part for part in parse(figure.path) if part != "*" and not part.lstrip("-").isdigit())
        thing = Thing("", "", "", {}, "", ())
        if figure.op not in ("count", "distinct") and fact.unit == "":
            for each in numbers(path, figure.value, thing, fact.about, fact.topic):
                if each.unit:
                    yield replace(each, op="figure", says=fact.says, window=0)
        if figure.against and figure.against.how == "difference":
            yield replace(fact, unit="points")

    def _facts(self, calls: frozenset[str]) -> list[Fact]:
        if calls not in self._made:
            told = [(t, own) for t, own in zip(self.things, self.read.stated, strict=True) if t.call in calls]
            held = [thing for thing, _ in told]
            made = [fact for _, own in told for fact in own]
            self._made[calls] = [*made, *facts(held, self.windows, self.today, self._derived)]
            for call in calls:  # numbers that stand beside the things of a result
                result = result_of(self.results[call])
                rest = (
                    {k: v for k, v in result.items() if not isinstance(v, list | dict)}
                    if isinstance(result, dict)
                    else result
                )
                if not any(t.fields is result for t in held):
                    self._made[calls] += (replace(f, op="there") for f in given(rest))
        return self._made[calls]

    def _of_source(self, source: Json) -> Iterator[Fact]:
        for point in source.get("points", ()) if isinstance(source, dict) else ():
            for raw in point.get("figures", ()):
                figure = Figure.model_validate(raw)
                yield from self.lengths(self.of_figure(figure), figure)
        for reading in self._readings(source):
            for each in mentions(reading.text):
                if each.weak:
                    continue
                context = reading.context(each)
                names = context.names if context.strict else frozenset[str]()
                said = "an earlier artifact"
                for fact in texts(each.text, names, context.clause | context.words, said):
                    yield replace(fact, op="point", window=context.window)

    def _take(self, out: Known, source: Json) -> None:
        """Take in the words, dates and ids of an artifact that was grounded before."""
        for reading in self._readings(source):
            held = Evidence().add(reading.text)
            out.whole |= held
            for each in mentions(reading.text):
                context = reading.context(each)
                for name in context.names if context.strict else ():
                    out.own.setdefault(name, Evidence()).add(each.text)
        for point in source.get("points", ()) if isinstance(source, dict) else ():
            for receipt in point.get("receipts", ()):
                out.always.ids.add(receipt.lower())

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
