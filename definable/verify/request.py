"""A refused request put into the server's own words, by rules that prove themselves or not at all.

The server's words are read by `complaints.py`. What they say is used only when exactly one reading comes out:

    rename   it no longer knows one of our names, and wants one new name in its place
    case     the name that it wants is ours in another casing
    coerce   it wants another type, and nothing is lost on the way
    word     it lists the values that it takes, and one is ours in another casing

Nothing is invented, nothing is left out: a new field that has no value here stays missing. What is wrong with
a value, and what the caller could mend, is nobody's drift and is left to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from definable.calls import Failure, Heal, Rewording
from definable.spec.lookup import show
from definable.spec.paths import MISSING, follow
from definable.verify.changes import applied, cast
from definable.verify.complaints import clauses
from definable.verify.contracts import Contract, shown
from definable.verify.drift import OF_REWORDINGS
from definable.verify.names import alike, canonical, same
from definable.verify.shape import Json, Schema, kind
from definable.verify.wording import Clause, Parts, Says, word_set

_CARRIERS = word_set("$ body data form header headers input json params path payload query root request")
"""Where a server says that a field stands, in front of the field's own place."""

_NAME = re.compile(r"[A-Za-z_][\w-]{0,99}", re.ASCII)
"""What can be the name of a field; anything else that a server says is none."""


class Proof(IntEnum):
    """How well a change is known; the weakest of several counts."""

    LIKELY = 1
    """The server named one side, and only one of ours can be the other."""
    NAMED = 2
    """The server named both sides."""
    LOSSLESS = 3
    """The same in another casing or type."""


PROVES = {
    Proof.LIKELY: "the server named what it wants, and one argument could be it; it took it",
    Proof.NAMED: "the server named both sides, and took it",
    Proof.LOSSLESS: "nothing is lost by it, and the server took it",
}
"""What proves a change, for people."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """The request in the server's words. `changes` come after those with which it was sent."""

    changes: tuple[Rewording, ...]
    proof: Proof
    diff: tuple[str, ...]

    def heals(self, slug: str, said: str) -> list[Heal]:
        """Return what a receipt says of it, once the server has taken it; `said` is how it was refused."""
        return [
            Heal(
                failure=Failure.REQUEST_DRIFT,
                rule=rule_of(each),
                detail=told(each),
                drift=OF_REWORDINGS[each.rule],
                tool=slug,
                diff=f"the server said {said!r}",
                evidence=PROVES[self.proof],
                rewording=each,
            )
            for each in self.changes
        ]


@dataclass(frozen=True, slots=True)
class Unadaptable:
    """The form of the request is refused, and no change of it is certain: what a person needs to decide."""

    diff: tuple[str, ...]


def known_before(slug: str, changes: tuple[Rewording, ...]) -> list[Heal]:
    """Return what a receipt says of changes that the record knew, so that nothing was refused first."""
    return [
        Heal(
            failure=Failure.REQUEST_DRIFT,
            rule="patch",
            detail=told(each),
            drift=OF_REWORDINGS[each.rule],
            tool=slug,
            evidence="proven before",
            rewording=each,
        )
        for each in changes
    ]


def rule_of(change: Rewording) -> str:
    """Return the name that receipts use for a change: a rename that only changes the casing is `case`."""
    return "case" if change.rule == "rename" and same(change.path, change.to) else change.rule


def told(change: Rewording) -> str:
    """Return a change in words."""
    if change.rule == "word":
        return f"{change.path}: {change.of} sent as {change.to}"
    return f"{change.path} sent as {change.to}"


def understand(
    contract: Contract,
    sent: Mapping[str, Json],
    untyped: frozenset[str],
    body: Json,
    given: Mapping[str, Json] | None = None,
) -> Adapted | Unadaptable | None:
    """Return how to send `sent` so that the server takes it, from the words with which it refused it.

    `contract` is that of the tool's arguments, `sent` what left: those of the query and the body, as changed
    so far. `untyped` are the names that went into the query, where all is text. `given` are the arguments as
    the caller gave them. None: the form of the request is not what is wrong.
    """
    reading = _Reading(contract, sent, untyped, sent if given is None else given)
    reading.read(body)
    return reading.result()


@dataclass
class _Reading:
    contract: Contract
    sent: Mapping[str, Json]
    untyped: frozenset[str]
    given: Mapping[str, Json]
    unknown: dict[Parts, list[Parts]] = field(default_factory=dict)
    """Ours that the server no longer knows → what it offers in place of it."""
    wanted: list[Parts] = field(default_factory=list)
    """What the server wants, and was not sent."""
    changes: list[tuple[Rewording, Proof]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What stays unsolved."""

    def read(self, body: Json) -> None:
        """Take in every clause of an error body."""
        ours = {part for place in self._places() for part in place if part != "*"}
        told = clauses(body, ours)
        for clause in told:
            self._take(clause)
        if self.unknown:
            bare = [(clause.starts,) for clause in told if Says.MISSING in clause.says and clause.starts]
            self.wanted += [each for each in bare if self._own(each) is None and each not in self.wanted]

    def result(self) -> Adapted | Unadaptable | None:
        """Pair what is not known with what is wanted, and conclude."""
        self._pair()
        if not self.changes and not self.wrong:
            return None
        made = tuple(dict.fromkeys(change for change, _ in self.changes))
        if not self.wrong and applied(self.sent, made) == dict(self.sent):
            self.wrong.append("nothing that was sent would change")
        lines = tuple(f"would do: {told(change)}" for change in made)
        if self.wrong:
            return Unadaptable((*dict.fromkeys(self.wrong), *lines))
        return Adapted(made, min(proof for _, proof in self.changes), lines)

    # One clause

    def _take(self, clause: Clause) -> None:
        mentioned = [*([clause.at] if clause.at else []), *clause.names]
        own = [(each, self._own(each)) for each in mentioned]
        if clause.starts and all(place is None for _, place in own):
            own.insert(0, ((clause.starts,), self._own((clause.starts,))))
        offered = set(clause.offers) - ({clause.at} if clause.at else set())
        spoken = [place for each, place in own if place and (each not in offered or each == own[0][0])]
        ours = list(dict.fromkeys(place for place in spoken if self._is_name(place)))
        new = list(
            dict.fromkeys(self._placed(each) for each, place in own if not place and each in mentioned)
        )
        new = [each for each in new if each and not self._known(each)]
        data = any(place and not self._is_name(place) for _, place in own)
        if ours and self._about_value(clause, ours[0]):
            self._values(clause, ours[0])
        elif ours and (Says.UNKNOWN in clause.says or (Says.INSTEAD in clause.says and new)):
            for place in ours:
                self.unknown.setdefault(place, []).extend(new if len(ours) == 1 else ())
            self.wanted += [] if len(ours) == 1 else new
        elif ours and clause.types:
            self._types(clause, ours[0])
        elif Says.MISSING in clause.says and new and not ours and not data:
            self.wanted += [each for each in new if each not in self.wanted]

    def _about_value(self, clause: Clause, place: Parts) -> bool:
        """Whether it is the value that is not liked, and not the name."""
        value = self._value(place)
        if not isinstance(value, str) or not value:
            return False
        alternatives = [
            each for each in clause.values if canonical(each) == canonical(value) and each != value
        ]
        repeated = len(value) > 1 and value != place[-1] and _speaks_of(clause.text, value)
        return bool(canonical(value)) and (
            repeated or (bool(alternatives) and Says.UNKNOWN not in clause.says)
        )

    def _values(self, clause: Clause, place: Parts) -> None:
        value = self._value(place)
        found = {each for each in clause.values if canonical(each) == canonical(value) and each != value}
        if len(found) == 1:
            change = Rewording(rule="word", path=show(place), to=found.pop(), of=value)
            self.changes.append((change, Proof.LOSSLESS))

    def _types(self, clause: Clause, place: Parts) -> None:
        value = self._value(place)
        now = kind(value)
        wanted = {each for each in clause.types if self._carries(place, each)}
        if not wanted or now in wanted or (now == "integer" and "number" in wanted):
            return
        able = [each for each in sorted(wanted) if cast(value, each) is not MISSING]
        if len(able) == 1:
            self.changes.append((Rewording(rule="coerce", path=show(place), to=able[0]), Proof.LOSSLESS))
        else:
            types = " or ".join(sorted(wanted))
            self.wrong.append(f"wrong: {show(place)} is {shown(value)}, and the server wants {types}")

    def _carries(self, place: Parts, to: str) -> bool:
        """Whether another type makes another request: in a query all is text, but for lists."""
        return to == "array" or place[0] not in self.untyped

    # All clauses together

    def _pair(self) -> None:
        self.wanted = [each for each in self.wanted if each not in _values_of(self.unknown)]
        for place, offers in self.unknown.items():
            self._replace(place, list(dict.fromkeys(offers)) or self._wanted_for(place))
        for each in () if self.wrong and self.unknown else self.wanted:
            if all(change.to != show(each) for change, _ in self.changes):
                self._supply(each)

    def _wanted_for(self, place: Parts) -> list[Parts]:
        """What is wanted in the place of a name: the only one of its object, or the only one there is."""
        open_ones = [p for p, offers in self.unknown.items() if not offers]
        twins = [each for each in self.wanted if same(each[-1], place[-1])]
        if len(twins) == 1:
            return twins
        for group in (lambda p: p[:-1] == place[:-1], lambda p: True):
            rivals, wanted = [p for p in open_ones if group(p)], [p for p in self.wanted if group(p)]
            if len(rivals) == 1 and wanted:
                return wanted
            if len(rivals) > 1 and wanted:
                return [each for each in wanted if alike(each[-1], place[-1])] or wanted
        return []

    def _replace(self, place: Parts, offers: list[Parts]) -> None:
        at = show(place)
        twins = [each for each in offers if same(each[-1], place[-1])]
        near = [each for each in offers if alike(each[-1], place[-1])]
        rivals = [p for p, own in self.unknown.items() if not own and p != place]
        proof = Proof.NAMED
        if len(offers) > 1:
            offers, proof = (twins, Proof.LOSSLESS) if len(twins) == 1 else (near, Proof.LIKELY)
        elif (
            offers and rivals and not self.unknown[place] and not near and len(self.wanted) < len(rivals) + 1
        ):
            offers = []
        taken = {change.to for change, _ in self.changes}
        offers = [each for each in offers if show(each) not in taken]
        if len(offers) == 1 and self._movable(place, offers[0]):
            proof = Proof.LOSSLESS if same(at, show(offers[0])) else proof
            self.changes.append((Rewording(rule="rename", path=at, to=show(offers[0])), proof))
            return
        self.wrong.append(f"wrong: {at} is not known to the server any more")
        several = dict.fromkeys(map(show, [*self.unknown[place], *self.wanted]))
        self.wrong += [f"new: {each} is what it may be now" for each in several]

    def _supply(self, wanted: Parts) -> None:
        """Find what is wanted among what was sent under another name; the server named only this side."""
        at = show(wanted)
        free = [
            p for p in self._places() if self._is_name(p) and p not in self.unknown and p[:-1] == wanted[:-1]
        ]
        twins = [p for p in free if same(p[-1], wanted[-1])]
        near = [p for p in free if alike(p[-1], wanted[-1])]
        for found, proof in ((twins, Proof.LOSSLESS), (near, Proof.LIKELY)):
            if len(found) == 1:
                self.changes.append((Rewording(rule="rename", path=show(found[0]), to=at), proof))
                return
        self.wrong.append(f"new: {at} is required, and there is no value for it")

    # What was sent

    def _places(self) -> Iterator[Parts]:
        """Yield the place of every key that was sent, those of a list once."""
        seen: set[Parts] = set()
        for place in _keys(self.sent, ()):
            if place not in seen:
                seen.add(place)
                yield place

    def _own(self, named: Parts) -> Parts | None:
        """Return the place in what was sent that a name of the server's means, or None."""
        known = set(self._places())
        for start in range(len(named)):
            if named[start:] in known and all(
                part.lower() in _CARRIERS or part == "*" for part in named[:start]
            ):
                return named[start:]
        if len(named) > 1 and named[0][:1].isupper():  # the server's name of the whole: Note.size
            return self._own(named[1:])
        if len(named) == 1:
            inner = [place for place in known if place[-1] == named[0]]
            return inner[0] if len(inner) == 1 else None
        return None

    def _placed(self, named: Parts) -> Parts:
        """Return where something new would stand, without what only says where the server looked."""
        while len(named) > 1 and named[0].lower() in _CARRIERS and named[0] not in self.sent:
            named = named[1:]
        if len(named) == 1 and self.unknown and named[0] not in self.sent:
            parents = {place[:-1] for place in self.unknown}
            return (*parents.pop(), *named) if len(parents) == 1 else named
        return named

    def _value(self, place: Parts) -> Json:
        found = follow(self.sent, place)
        return found[0] if "*" in place and found else found

    def _is_name(self, place: Parts) -> bool:
        """Whether a key is a name of the product's, and not data of the caller's, such as inputs of a run."""
        return not _is_data(self.contract, self.contract.schema, place)

    def _known(self, place: Parts) -> bool:
        """Whether the toolkit knows this argument, in any casing, so that the caller could give it."""
        declared = _declared(self.contract, self.contract.schema, place[:-1])
        used = {p[-1] for value in (self.sent, self.given) for p in _keys(value, ()) if p[:-1] == place[:-1]}
        return any(same(each, place[-1]) for each in declared - used)

    def _movable(self, place: Parts, to: Parts) -> bool:
        """Whether the value can be put there, and both are in the same entry of a list."""
        if not all(each == "*" or _NAME.fullmatch(each) for each in to):
            return False
        moved = applied(self.sent, [Rewording(rule="rename", path=show(place), to=show(to))])
        return moved != dict(self.sent)


def _speaks_of(text: str, value: str) -> bool:
    """Whether a value that was sent is repeated in a text, quoted or as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _values_of(unknown: Mapping[Parts, list[Parts]]) -> set[Parts]:
    return {each for offers in unknown.values() for each in offers}


def _keys(value: Json, at: Parts) -> Iterator[Parts]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield (*at, str(key))
            yield from _keys(each, (*at, str(key)))
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each, (*at, "*"))


def _is_data(contract: Contract, schema: Schema, place: Parts) -> bool:
    shape = contract.shape(schema)
    if not place:
        return False
    if shape.branches and not shape.properties:
        solid = [each for each in shape.branches if contract.shape(each).types != {"null"}]
        return all(_is_data(contract, each, place) for each in solid)
    if place[0] == "*":
        return shape.items is None or _is_data(contract, shape.items, place[1:])
    if place[0] in shape.properties:
        return _is_data(contract, shape.properties[place[0]], place[1:])
    return shape.data_keys


def _declared(contract: Contract, schema: Schema, place: Parts) -> set[str]:
    """Return the names that the toolkit knows in the object at a place."""
    shape = contract.shape(schema)
    found = set(shape.properties) if not place else set()
    if place and place[0] == "*" and shape.items is not None:
        found |= _declared(contract, shape.items, place[1:])
    elif place and place[0] in shape.properties:
        found |= _declared(contract, shape.properties[place[0]], place[1:])
    return found.union(*(_declared(contract, each, place) for each in shape.branches))
