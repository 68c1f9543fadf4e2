"""Grounding: what an agent hands in traces to verified results, or goes back with reasons. No model judges.

Checked are numbers (with unit, rounding and direction, and what they are about), names, dates, times, ids and
addresses. A figure is computed again from the results that it cites. A number in a text must be such a
figure, stand in a result, or come of a simple derivation that the words name; what is known of one thing may
not be said of another. docs/grounding.md tells it for people, with what is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from definable.spec.artifacts import Artifact, Asset, Change, Draft, Findings, Point
from definable.verify.clauses import Context, Reading
from definable.verify.embedded import embedded
from definable.verify.evidence import Evidence
from definable.verify.facts import Fact
from definable.verify.known import Basis, Known, Read, readings
from definable.verify.links import URL, links_in, misled, wrong_url
from definable.verify.mentions import Mention, mentions
from definable.verify.mentions import read as mentioned
from definable.verify.naming import names, unknown
from definable.verify.prose import Passage, passages
from definable.verify.ranking import misranked
from definable.verify.recipes import Results, check, citations, plain
from definable.verify.shape import Json
from definable.verify.vocabulary import norm, strings


def ground(
    artifact: Artifact,
    results: Results,
    constants: Json = None,
    sources: Sequence[Json] = (),
    words: Iterable[str] = (),
    read: Read | None = None,
) -> list[str]:
    """Return why `artifact` may not pass, in sentences for whoever wrote it; empty when it is grounded.

    `results` maps the id of a call to `{"tool": …, "result": …, "arguments": …}`, verified results only.
    `constants` is what the run itself knows: inputs, its date. `sources` are artifacts of earlier steps,
    grounded already. `words` are the workflow's own texts, whose names may be used. `read` are the results
    as they were read for an artifact before, if there was one.
    """
    texts = list(strings(artifact.model_dump(mode="json")))
    basis = Basis(read or Read(results), constants, sources, words, "\n".join(texts))
    return _Check(basis, _offer(sources)).reasons(artifact)


class _Check:
    """One artifact under examination."""

    def __init__(self, basis: Basis, offer: str) -> None:
        self.basis, self.offer = basis, offer

    def reasons(self, artifact: Artifact) -> list[str]:
        match artifact:
            case Findings():
                found = self.findings(artifact)
            case Draft():
                found = self.text("The draft", artifact.markdown, self.basis.known(), self.offer)
            case Asset():
                known = self.basis.known()
                found = [
                    *self.source(artifact, known),
                    *self.text("The caption", artifact.caption, known, self.offer),
                ]
            case Change():
                found = self.text(
                    "The explanation", artifact.explanation, self.with_source(artifact), self.offer
                )
            case _:
                found = []
        return list(dict.fromkeys(found))

    def findings(self, artifact: Findings) -> list[str]:
        reasons: list[str] = []
        declared: list[Fact] = []
        cited: set[str] = set()
        for n, point in enumerate(artifact.points, 1):
            facts, calls, wrong = self.point(f"Point {n}", point)
            declared += facts
            cited |= calls
            reasons += wrong
        known = self.basis.known(cited, declared)
        accepted = "a figure or a cited result of one of the points"
        reasons += self.text("The title", f"# {artifact.title}", known, accepted)
        told = {norm(point.text) for point in artifact.points}
        return reasons + self.text("The Markdown", artifact.markdown, known, accepted, told)

    def point(self, where: str, point: Point) -> tuple[list[Fact], set[str], list[str]]:
        """Return the figures of a point that hold, the calls it cites, and why it may not pass."""
        results = self.basis.results
        reasons = citations(where, point.receipts, results)
        if not point.receipts:
            reasons.append(f"{where} cites no call: name the ids of the calls whose results show it.")
        cited = [each for each in point.receipts if each in results]
        facts: list[Fact] = []
        for figure in point.figures:
            cited += [each for each in figure.receipts if each in results]
            if wrong := check(where, figure, results):
                reasons += wrong
            else:
                facts += self.basis.lengths(self.basis.of_figure(figure), figure)
        calls = ", ".join(dict.fromkeys(cited)) or "the calls it should cite"
        accepted = f"a figure of this point that computes it, or what stands in the result of {calls}"
        known = self.basis.known(cited, facts)
        return facts, set(cited), reasons + self.text(where, point.text, known, accepted)

    def text(
        self, where: str, markdown: str, known: Known, accepted: str, told: Iterable[str] = ()
    ) -> list[str]:
        """Return why a Markdown text may not pass. Passages that were `told` are judged elsewhere."""
        reasons: list[str] = []
        head: frozenset[str] = frozenset()
        for passage in passages(markdown):
            if norm(passage.text) in told:
                continue
            if passage.kind == "fence":
                reasons += self.fence(where, passage, known, accepted)
                continue
            for reading in readings(passage, known.bound, head):
                reasons += self.sentence(where, reading, known, accepted)
                if passage.kind == "heading":
                    head = reading.names
            reasons += self.names(where, passage, known)
        return reasons

    def sentence(self, where: str, reading: Reading, known: Known, accepted: str) -> Iterator[str]:
        shown = reading.sentence.shown
        for url, text in links_in(reading):
            if why := wrong_url(url, known):
                yield (
                    f"{where} says {url!r} in “{shown}”, which {why}. "
                    "Take an address from a result, or leave it out."
                )
            elif other := misled(url, text, known):
                yield (
                    f"{where} says {text!r} in “{shown}”, but the link leads to {other}; "
                    "did you mean another address? Let the link lead to what it names."
                )
        for mention in mentioned(_blank(reading)):
            context = reading.context(mention)
            if mention.kind != "url" and not stands(mention, context, known):
                yield self.untraced(where, mention, context, reading, known, accepted)
        if wrong := misranked(reading, known):
            yield (
                f"{where} says {wrong[0]!r} in “{shown}”, which does not hold; {wrong[1]}. "
                "Correct it, or leave it out."
            )

    def untraced(
        self, where: str, mention: Mention, context: Context, reading: Reading, known: Known, accepted: str
    ) -> str:
        instead = known.facts.instead(mention, context) if mention.kind not in ("date", "time", "id") else ""
        known_of = f"; the results say {instead}" if instead else ""
        if not instead and mention.kind in ("date", "time") and known.whole.says(mention):
            known_of = "; it stands in the record of something else"
        return (
            f"{where} says {mention.text!r} in “{reading.sentence.shown}”, "
            f"which traces to nothing verified{known_of}. "
            f"Accepted would be {accepted}; otherwise leave it out."
        )

    def fence(self, where: str, passage: Passage, known: Known, accepted: str) -> Iterator[str]:
        for line in passage.text.splitlines():
            for each in mentions(line):
                if each.kind in ("number", "percent") and not each.worded and not known.whole.says(each):
                    yield (
                        f"{where} says {each.text!r} in “{line.strip()[:160]}”, "
                        "which traces to nothing verified. "
                        f"Accepted would be {accepted}; otherwise leave it out."
                    )

    def names(self, where: str, passage: Passage, known: Known) -> Iterator[str]:
        for name in names(passage):
            if not (wrong := unknown(name, known.words)):
                continue
            near = known.words.nearest(wrong)
            meant = f"; did you mean “{near}”?" if near else "."
            yield (
                f"{where} names {wrong!r} in “{name.sentence.shown}”, "
                f"which stands in nothing verified{meant} "
                "Write names as they stand in the results; otherwise leave it out."
            )

    def source(self, asset: Asset, known: Known) -> list[str]:
        if asset.kind == "markdown":
            return self.text("The source", asset.source, known, self.offer)
        found = embedded(asset.kind, asset.source)
        if isinstance(found, str):
            return [found]
        return [
            f"The data in the source says {each.text!r} in “{each.sentence}”, "
            f"which traces to nothing verified. Accepted would be {self.offer}; otherwise leave it out."
            for each in found
            if not each.worded and not known.whole.says(each) and not _figured(each, known)
        ]

    def with_source(self, change: Change) -> Known:
        """Return what an explanation may say: it speaks of the code, whose words are no findings."""
        known = self.basis.known(declared=[
            Fact(each.value * each.unit, "the new source", op="point", unit=unit)
            for each in mentions(change.source) if each.kind in ("number", "scaled", "duration")
            for unit in (("s",) if each.kind == "duration" else ("",))
        ])  # fmt: skip
        held = Evidence().add(change.source)
        known.always |= held
        known.whole |= held
        known.words = known.words.copy().add(change.source)
        return known


def stands(mention: Mention, context: Context, known: Known) -> bool:
    """Whether what is mentioned is known, of the things that the sentence speaks of."""
    if mention.kind in ("date", "time", "id", "week"):
        if not (context.names and context.strict) or mention.kind == "week":
            return known.whole.says(mention)
        return known.always.says(mention) or any(
            known.own[name].says(mention) for name in context.names if name in known.own
        )
    if known.facts.trace(mention, context):
        return True
    years = {parts[0] for parts in known.whole.dates}
    return mention.kind == "number" and not mention.worded and mention.value in years and mention.value > 1900


def _figured(mention: Mention, known: Known) -> bool:
    """Whether a number of an asset's data is a figure of the findings, or comes of a simple derivation."""
    return any(
        f.op in ("figure", "count", "sum", "mean", "median") and f.value == mention.value
        for f in known.facts.all
    )


def _blank(reading: Reading) -> str:
    """Return a sentence with spaces where quotations are, which are judged whole, and words in code."""
    sentence = reading.sentence
    text = list(reading.text)
    for span in sentence.passage.spans:
        said = sentence.passage.text[span.start : span.end]
        if span.mark == "quote" or (span.mark == "code" and not re.fullmatch(r"[\d\s.,:%+-]+", said)):
            for n in range(max(span.start, sentence.start), min(span.end, sentence.end)):
                text[n - sentence.start] = " "
    return URL.sub(lambda found: " " * len(found[0]), "".join(text))


def _offer(sources: Sequence[Json]) -> str:
    values = [
        plain(float(figure["value"]))
        for source in sources
        if isinstance(source, dict)
        for point in source.get("points", ())
        for figure in point.get("figures", ())
    ]
    shown = ", ".join(list(dict.fromkeys(values))[:20])
    return (
        f"what the findings say ({shown})" if shown else "what stands in the findings or in a verified result"
    )
