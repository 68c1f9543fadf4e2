"""One response against its contract and against what is known of the tool: taken, repaired, or refused.

The tiers, each followed by a validation of the whole: patches that proved themselves before; the rules of
`repair.py`, which need no samples; evidence in values (`matching.py`), for reads only, since what a write
did is looked up and never guessed. A repair that known rows contradict, or that a person rejected, is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from definable.calls import Change, Failure, Heal
from definable.spec.paths import parse
from definable.spec.toolkit import Paging, Tool
from definable.verify.contracts import Contract
from definable.verify.drift import OF_RULES, drift_of
from definable.verify.lists import moved_list
from definable.verify.matching import Found, Matching, told, undo, where
from definable.verify.paging import moved_cursor
from definable.verify.record import Known, patch_id
from definable.verify.repair import Repair, Unrepairable, additions, repair
from definable.verify.rows import at, canon
from definable.verify.shape import Json
from definable.verify.standing import unguarded

_ROUNDS = 4


@dataclass(slots=True)
class Judge:
    """What one response is judged by."""

    contract: Contract
    tool: Tool
    slug: str
    arguments: Mapping[str, Any]
    known: Known | None = None
    follows: bool = False
    """Whether the next page is asked for, so that a cursor that was inferred is proven by its use."""

    def settled(self, body: Json) -> bool:
        """Whether there is nothing to repair and nothing to say: true for nearly every response."""
        if self.known is None:
            return self.contract.settled(body)
        return self.known.usual(self.arguments, body) and not self.known.unguarded

    def __call__(self, body: Json) -> Repair | Unrepairable:
        """Return the body as its contract wants it, with every rule used; or why that cannot be."""
        if self.settled(body):
            return Repair(body)
        if self.known and self.known.unguarded and not self.tool.effect.writes:
            return self._sure(self._judged(body))
        return self._judged(body)

    def _judged(self, body: Json) -> Repair | Unrepairable:
        patched, used = self._patched(body)
        found = self._tried(patched, used) if used else None
        if not isinstance(found, Repair):
            found = self._tried(body, ())
        return self._doubted(found) if isinstance(found, Repair) else found

    def _tried(self, body: Json, used: tuple[Heal, ...]) -> Repair | Unrepairable:
        first = self._by_rules(body, used)
        if isinstance(first, Repair) and self.settled(first.body):
            return first
        start, heals = (first.body, first.heals) if isinstance(first, Repair) else (body, used)
        matched, reasons = body, list[str]()
        if not self.tool.effect.writes:
            matched, found, reasons = self._matched(start)
            if found:
                second = self._by_rules(matched, (*heals, *found))
                if isinstance(second, Repair):
                    return second
                reasons += second.tried
                first = first if isinstance(first, Repair) else second
        if isinstance(first, Unrepairable):
            return replace(first, tried=tuple(dict.fromkeys([*first.tried, *reasons])))
        return replace(first, doubts=tuple(dict.fromkeys([*first.doubts, *reasons])))

    def _patched(self, body: Json) -> tuple[Json, tuple[Heal, ...]]:
        """Undo what is known to have changed; a patch that does not apply is not used."""
        used: list[Heal] = []
        for patch in self.known.patches if self.known else ():
            change, before = patch.heal.change, body
            if unguarded(change):
                continue
            for path in self._places(change, patch.tool) if change else ():
                assert change is not None  # noqa: S101
                body = undo(change, body, path)
            if body is not before and body != before:
                since = f"{'accepted' if patch.accepted else 'proven'} before, first on {patch.since[:10]}"
                used.append(
                    patch.heal.model_copy(update={"rule": "patch", "evidence": since, "tool": self.slug})
                )
        return body, tuple(used)

    def _sure(self, found: Repair | Unrepairable) -> Repair | Unrepairable:
        """Refuse what nothing known tells how to read, when such answers were lately read in another way."""
        for patch in self.known.unguarded if self.known else ():
            change = patch.heal.change
            if isinstance(found, Unrepairable) or self.known is None or change is None:
                return found
            if any(each.change == change for each in found.heals):
                continue
            silent = [p for p in self._places(change, patch.tool) if self._silent(change, p, found.body)]
            if silent and not patch.accepted:
                words = f"{patch.heal.detail} on {patch.last[:10]}: nothing known tells if it still is so"
                return Unrepairable((), (words,))
            for path in silent:
                heal = patch.heal.model_copy(update={"rule": "patch", "evidence": "accepted before"})
                found = self._by_rules(undo(change, found.body, path), (*found.heals, heal))
                if isinstance(found, Unrepairable):
                    return found
        return found

    def _silent(self, change: Change, path: tuple[str, ...], body: Json) -> bool:
        """Whether there is something at a place, and no known thing that says how it is to be read."""
        assert self.known is not None  # noqa: S101
        here = [each for each in self.known.watch.standing(body) if each.search.place.path == path]
        return any(each.search.rows and not each.speaks(change.source, change.target) for each in here)

    def _places(self, change: Change, tool: str) -> list[tuple[str, ...]]:
        if tool == self.slug:
            return [change.place]
        assert self.known is not None  # noqa: S101
        return [p.path for p in self.known.places if change.entity and p.entity == change.entity]

    def _by_rules(self, body: Json, before: tuple[Heal, ...]) -> Repair | Unrepairable:
        found = repair(self.contract, body)
        if isinstance(found, Unrepairable):
            return found
        heals = (*before, *(self._classed(each) for each in found.heals))
        if wrong := [*self._rejected(heals), *self._contradicted(found)]:
            return Unrepairable((), tuple(wrong), tuple(additions(self.contract, body)))
        return replace(found, heals=heals, diff=tuple(each.diff for each in heals))

    def _classed(self, heal: Heal) -> Heal:
        reads = [parse(self.tool.paging.next)] if self.tool.paging else []
        drift = OF_RULES.get(heal.rule, "")
        if heal.change and heal.rule == "move":
            drift = drift_of(heal.change, reads)
        elif heal.change and (*heal.change.place, *heal.change.target) in reads:
            drift = "paging_moved"
        evidence = heal.evidence or "the rule alone: nothing else fits"
        return heal.model_copy(update={"drift": drift, "tool": self.slug, "evidence": evidence})

    def _rejected(self, heals: Iterable[Heal]) -> list[str]:
        known = self.known.rejected if self.known else frozenset()
        return [
            f"{each.detail} was rejected by a person"
            for each in heals
            if patch_id(self.slug, each.drift, each.detail) in known
        ]

    def _contradicted(self, found: Repair) -> list[str]:
        """Say which properties hold, after a repair by their names, something else than known rows had."""
        moved = [each.change for each in found.heals if each.change and each.rule in ("rename", "move")]
        wrong: list[str] = []
        for place in self.known.places if self.known and moved else ():
            assert self.known is not None  # noqa: S101
            links = self.known.pool(place).links(at(found.body, place.path))
            for change in moved:
                whole = (*change.place, *change.target)
                path = whole[len(place.path) :]
                if whole[: len(place.path)] != place.path or "*" in path or not path:
                    continue
                pairs = [
                    (link.new[path], link.old[path])
                    for link in links
                    if path in link.new and path in link.old
                ]
                texts = [canon(new) == canon(old) for new, old in pairs if isinstance(old, str | dict | list)]
                if texts.count(False) > texts.count(True):
                    wrong.append(f"{where(change)} is no rename: known rows had other values there")
        return wrong

    def _matched(self, body: Json) -> tuple[Json, tuple[Heal, ...], list[str]]:
        """Find by evidence what went where, until nothing more is found."""
        heals: list[Heal] = []
        reasons: list[str] = []
        for _ in range(_ROUNDS):
            found, reasons = self._round(body)
            for each in found:
                body = undo(each.change, body, each.change.place)
                heals.append(self._heal(each))
            if not found:
                break
        return body, tuple(heals), reasons

    def _round(self, body: Json) -> tuple[list[Found], list[str]]:
        reasons: list[str] = []
        if self.known:
            if listed := moved_list(self.known, self.arguments, body):
                return listed, reasons
            for place in self.known.places:
                search = Matching(self.contract, place, self.known.pool(place), body)
                if found := search.recased() or search.solve():
                    return found, reasons
                reasons += search.reasons
            if stands := [one for each in self.known.watch.standing(body) for one in each.found()]:
                return stands, reasons
        if isinstance(self.tool.paging, Paging):
            cursor = moved_cursor(self.contract, self.known, self.tool.paging, body, self.follows)
            return ([cursor] if cursor else []), reasons
        return [], reasons

    def _heal(self, found: Found) -> Heal:
        reads = [parse(self.tool.paging.next)] if self.tool.paging else []
        drift = drift_of(found.change, reads)
        return Heal(
            failure=Failure.DRIFT,
            rule=found.rule,
            detail=where(found.change),
            drift=drift,
            tool=self.slug,
            diff=told(found.change, found.example),
            evidence=found.evidence,
            # An end proves nothing of what stands there when there is more.
            change=None if drift == "paging_moved" and found.example is None else found.change,
        )

    def _doubted(self, found: Repair) -> Repair | Unrepairable:
        """Say what healthy answers had and this one lacks; refuse where it is read."""
        missed = list(self.known.doubts(self.arguments, found.body)) if self.known else []
        if self.known and not self.tool.effect.writes:
            missed += [each for place in self.known.watch.standing(found.body) for each in place.doubts()]
        read = [each.message for each in missed if each.path in self.contract.watched]
        if read:
            return Unrepairable((), (*read, *found.doubts), tuple(additions(self.contract, found.body)))
        words = [each.message for each in missed]
        return replace(found, doubts=tuple(dict.fromkeys([*words, *found.doubts])))
