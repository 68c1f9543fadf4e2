"""How well words fit the name and the description of a workflow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from definable.spec.said import free, singular, wants_id, without_data
from definable.spec.workflow import Input

WORD = re.compile(r"[^\W_]{3,}")
STOP = frozenset(
    WORD.findall(
        "the and for what which who how why when where with from about does did have has are was were our "
        "this that these those they them there into over tell can could should would you your all any been "
        "its not please want need give get make let run start use show new one last week day days month hex "
        "workflow id ids url text such"
    )
)
ENDINGS = ("ing", "ed", "ly", "es", "e")
NAME, DESCRIPTION, INPUT, QUESTION, NAMED, SPOKEN = 4.0, 1.5, 0.5, 2.0, 8.0, 100.0
"""What a word in each place counts, a question with a place for it, all words of the name, and the name."""
LEAST, CLEAR, NEAR = 1.5, 1.4, 0.6
"""Below this nothing fits; so much better than the next is clear; so near to the best is a candidate."""
MOST = 3
ASKED = frozenset({"question", "query", "topic"})


@dataclass(frozen=True, slots=True)
class Offer:
    """A workflow that may be chosen."""

    name: str
    description: str
    inputs: Mapping[str, Input] = field(default_factory=dict)

    @property
    def required(self) -> list[str]:
        """Inputs that have to be given."""
        return [
            name
            for name, each in self.inputs.items()
            if ("default" not in each.model_fields_set if each.required is None else each.required)
        ]

    def text_input(self) -> str:
        """The one required input that takes a text of the person's own; empty for none or several."""
        found = [
            name
            for name in self.required
            if self.inputs[name].type == "string"
            and self.inputs[name].enum is None
            and not wants_id(name, self.inputs[name])
        ]
        return found[0] if len(found) == 1 else ""


def terms(text: str) -> set[str]:
    """Return the stems of the words of a text that carry meaning."""
    return {_stem(word) for word in WORD.findall(text.lower()) if word not in STOP}


def _stem(word: str) -> str:
    word = singular(word)
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def spoken(offer: Offer, text: str) -> bool:
    """Whether a workflow's own name stands in a text: `weekly-brief`, `Weekly Brief`."""
    name = r"[\s_-]+".join(map(re.escape, offer.name.split("-")))
    return bool(re.search(rf"(?<![\w/-]){name}(?![\w/-])", text, re.IGNORECASE))


def bare(text: str) -> str:
    """Return a text without what is quoted and without ids: those are data, and choose nothing."""
    text = without_data(text)
    return re.sub(r"^(?:>.*|```.*?```)$", " ", text, flags=re.MULTILINE | re.DOTALL)


def scores(text: str, offers: Iterable[Offer]) -> list[tuple[float, Offer]]:
    """Return how well each workflow fits a text, the best first."""
    offers = list(offers)
    own = bare(text)
    wanted = terms(own)
    known = {offer.name: _weights(offer) for offer in offers}
    found = []
    for offer in offers:
        weights = known[offer.name]
        shared = {word: sum(word in each for each in known.values()) for word in wanted & weights.keys()}
        score = sum(weights[word] / among for word, among in shared.items())
        if (
            wanted
            and own.rstrip().endswith("?")
            and offer.text_input() in ASKED
            and free(text, offer.name, offer.inputs)
        ):
            score += QUESTION
        name = terms(offer.name.replace("-", " "))
        if len(name) > 1 and name <= wanted:
            score += NAMED
        found.append((score + SPOKEN * spoken(offer, own), offer))
    return sorted(found, key=lambda each: -each[0])


def _weights(offer: Offer) -> dict[str, float]:
    about = " ".join(f"{name} {each.description}" for name, each in offer.inputs.items())
    weights = dict.fromkeys(terms(about), INPUT)
    weights |= dict.fromkeys(terms(offer.description), DESCRIPTION)
    return weights | dict.fromkeys(terms(offer.name.replace("-", " ")), NAME)


def fitting(text: str, offers: Iterable[Offer]) -> list[Offer]:
    """Return the one workflow that a text clearly asks for, or the candidates, or none."""
    found = scores(text, offers)
    if not found or found[0][0] < LEAST:
        return []
    best = found[0][0]
    if len(found) == 1 or best >= CLEAR * found[1][0]:
        return [found[0][1]]
    return [offer for score, offer in found if score >= NEAR * best][:MOST]
