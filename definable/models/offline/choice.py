"""What a conversation asks for: which workflow, with which inputs. It is read turn by turn, word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from definable.calls import Json
from definable.models.offline.likeness import Offer, bare, fitting, spoken
from definable.models.offline.seen import Seen
from definable.spec.inputs import misfit
from definable.spec.said import extract, free
from definable.spec.workflow import Input

NEGATED = re.compile(
    r"\b(?:do\s+not|don['\u2019]?t|never|stop|without)\s+(?:\w+\s+){0,2}?"
    r"(?:run|start|launch|make|write|send|creat|chang|ship|pull|draw|do)\w*\b",
    re.IGNORECASE,
)
NEVER_MIND = re.compile(r"^\s*(?:never\s*mind|cancel|forget (?:it|that)|no,? thanks?|stop)\b", re.IGNORECASE)
AGAIN = re.compile(r"\b(?:again|once more|another (?:one|run)|same|re-?run|repeat|instead)\b", re.IGNORECASE)
EXPLAIN = re.compile(
    r"\b(?:what (?:does|is|do|are)|how (?:does|do)|explain|describe|tell me (?:about|what)|help)\b",
    re.IGNORECASE,
)
BEGIN = re.compile(r"\b(?:run|start|go|launch|yes|do it|please)\b", re.IGNORECASE)
ORDINALS = (("first", "1"), ("second", "2"), ("third", "3"))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a conversation stands after a turn."""

    offer: Offer | None = None
    inputs: dict[str, Json] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    candidates: tuple[Offer, ...] = ()
    said: str = ""
    """What the candidates were offered for."""
    started: bool = False
    """The last turn has all that its workflow needs."""


def choice(seen: Seen) -> dict[str, Json]:
    """Return what the last turn of a conversation asks for, in the light of those before it."""
    offers = [_offer(each) for each in seen.context.get("workflows") or ()]
    fixed = seen.context.get("fixed")
    standing = Standing(next((each for each in offers if each.name == fixed), None))
    said = [str(each["text"]) for each in seen.context.get("conversation") or () if each["role"] == "user"]
    for number, text in enumerate(said):
        standing = (
            _fixed(standing, text, number) if standing.offer and fixed else _after(standing, text, offers)
        )
    return {
        "workflow": standing.offer.name
        if standing.offer and (standing.started or standing.missing)
        else None,
        "inputs": [{"name": name, "value": _text(value)} for name, value in standing.inputs.items()],
        "candidates": [each.name for each in standing.candidates],
        "answer": "",
    }


def _offer(said: dict[str, Any]) -> Offer:
    inputs = {name: Input.model_validate_json(json.dumps(each)) for name, each in said["inputs"].items()}
    return Offer(said["name"], said["description"], inputs)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fixed(before: Standing, text: str, number: int) -> Standing:
    """A workflow that was chosen by its name: a message gives inputs, and later ones others."""
    offer = before.offer
    assert offer is not None  # noqa: S101 - the caller looked
    given = _given(offer, text, before.missing)
    if number and not (given or before.missing or BEGIN.search(text) or AGAIN.search(text)):
        return replace(before, started=False, missing=(), candidates=(offer,))
    kept = before.inputs if before.missing or AGAIN.search(text) else {}
    return _filled(offer, {**kept, **given})


def _after(before: Standing, text: str, offers: list[Offer]) -> Standing:
    """Return where a conversation stands after one more message of the person's."""
    if NEVER_MIND.search(text):
        return Standing()
    own = bare(text)
    named = [each for each in offers if spoken(each, own)]
    if NEGATED.search(own):
        return Standing(candidates=tuple(named))
    if EXPLAIN.search(own) and named and not _given(named[0], text, ()):
        return replace(before, started=False, missing=(), candidates=(named[0],))
    if before.candidates and (one := _picked(before.candidates, text, named)):
        return _begun(one, f"{before.said}\n{text}")
    if (standing := _more(before, text, named, offers)) is not None:
        return standing
    found = named if len(named) == 1 else fitting(text, named or offers)
    if len(found) == 1:
        return _begun(found[0], text)
    if found:
        return Standing(candidates=tuple(found), said=text)
    return replace(before, started=False, missing=(), candidates=())


def _other(named: Iterable[Offer], offer: Offer) -> bool:
    return any(each.name != offer.name for each in named)


def _picked(candidates: tuple[Offer, ...], text: str, named: list[Offer]) -> Offer | None:
    """Return which of the candidates is meant: by its name, or by its place in the list."""
    for each in candidates:
        if each in named:
            return each
    words = set(re.findall(r"\w+", text.lower()))
    if len(words) > 6:
        return None
    for each, marks in zip(candidates, ORDINALS, strict=False):
        if words & set(marks):
            return each
    return None


def _more(before: Standing, text: str, named: list[Offer], offers: list[Offer]) -> Standing | None:
    """Return the same workflow with what a message adds; None when it is about something else."""
    offer = before.offer
    if offer is None or _other(named, offer) or not (before.missing or AGAIN.search(bare(text))):
        return None
    given = _given(offer, text, before.missing)
    own = offer.text_input()
    if own in before.missing and own not in given and len(text.split()) > 1:
        given[own] = text.strip()
    if (
        not (own in before.missing and own in given)
        and not AGAIN.search(text)
        and _elsewhere(offer, text, offers)
    ):
        return None
    return _filled(offer, {**before.inputs, **given})


def _elsewhere(offer: Offer, text: str, offers: list[Offer]) -> bool:
    """Whether a text is clearly for another workflow."""
    found = fitting(text, offers)
    return len(found) == 1 and found[0].name != offer.name


def _begun(offer: Offer, text: str) -> Standing:
    given = _given(offer, text, ())
    own = offer.text_input()
    if own and own not in given and (words := free(text, offer.name, offer.inputs)):
        given[own] = words
    return _filled(offer, given)


def _given(offer: Offer, text: str, asked: Iterable[str]) -> dict[str, Json]:
    return {name: value for name, value in extract(offer.inputs, text, asked).items() if value is not None}


def _filled(offer: Offer, inputs: dict[str, Json]) -> Standing:
    unfit = [
        name for name, value in inputs.items() if name in offer.inputs and misfit(offer.inputs[name], value)
    ]
    missing = (*(name for name in offer.required if name not in inputs), *unfit)
    return Standing(offer, inputs, missing, started=not missing)
