"""What went where, by evidence in values: new fields are held against the healthy rows of the same things.

Names say nothing here. A field is taken for one that is gone when rows that are known, by all that they
share besides, have there what the other one had; when nothing else fits as well; and when no row says
otherwise. One more rule: what stands beside a proven field, under its own old name, went the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from definable.calls import Change
from definable.spec.paths import MISSING, show
from definable.verify.contracts import Contract, shown
from definable.verify.names import canonical, same, speaks_of_another
from definable.verify.readings import read_as, ways
from definable.verify.rows import TELLING, Link, Nodes, Path, Place, Pool, at, bits, canon, nodes
from definable.verify.shape import Json, Schema, Shape, kind

ENOUGH = 8.0
"""Bits of agreement without a contradiction from which two fields are the same; twice that with one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which linked rows say that two fields are the same, and which say that they are not."""

    agree: frozenset[int]
    differ: frozenset[int]
    worth: float
    """Bits of agreement that do not rest on the field itself."""
    alone: float
    """Bits of agreement, where the field itself is what the rows were recognised by."""
    values: int

    @property
    def proves(self) -> bool:
        """Whether that is enough."""
        if not self.differ and self.values > 1 and self.alone >= 3 * ENOUGH:
            return True
        if self.differ:
            return self.worth >= 2 * ENOUGH and len(self.agree) >= 3 * len(self.differ)
        return self.worth >= ENOUGH

    def beats(self, other: Evidence) -> bool:
        """Whether rows tell this one from the other, and none the other way round."""
        better = self.agree >= other.agree and self.differ <= other.differ
        return better and (self.agree > other.agree or self.differ < other.differ)


@dataclass(frozen=True, slots=True)
class Found:
    """One field that stands somewhere else now, with what proves it."""

    change: Change
    evidence: str
    example: Json
    rule: str = "evidence"


class Matching:
    """The search at one place of a contract: all objects there, and the healthy rows of the same kind."""

    def __init__(self, contract: Contract, place: Place, pool: Pool, body: Json) -> None:
        """Look at every object at `place` in `body`."""
        self.contract = contract
        self.place = place
        self.pool = pool
        self.rows = [each for each in at(body, place.path) if isinstance(each, dict)]
        self.flat = [nodes(row, pool.opaque) for row in self.rows]
        self.declared = place.declared
        self.reasons: list[str] = []

    @cached_property
    def links(self) -> list[Link]:
        """The rows that are known."""
        return self.pool.links(self.rows)

    @cached_property
    def new(self) -> list[Path]:
        """Where something stands that no healthy row had, and that is not declared."""
        seen = dict.fromkeys(path for row in self.flat for path in row)
        return [path for path in seen if path not in self.declared and path not in self.pool.paths]

    @cached_property
    def gone(self) -> list[Path]:
        """What healthy rows had and no row has now, or none in a form that can be right; outer ones first."""
        found: list[Path] = []
        for path, schema in self.declared.items():
            inside = any(path[: len(each)] == each for each in found)
            if inside or path not in self.pool.paths or not self.rows:
                continue
            if not any(self.stands(path, schema, row) for row in self.flat):
                found.append(path)
        return found

    def stands(self, path: Path, schema: Schema, row: Nodes) -> bool:
        """Whether a row has something of the right form at `path`; null is nothing."""
        return row.get(path) is not None and self._formed(self.contract.solid(schema), row[path])

    def _formed(self, shape: Shape, value: Json) -> bool:
        found = kind(value)
        if shape.types and found not in shape.types and not (found == "integer" and "number" in shape.types):
            return False
        if isinstance(value, list) and shape.items is not None and value:
            inner = self.contract.solid(shape.items).types
            return not inner or any(kind(entry) in inner for entry in value)
        return True

    def solve(self) -> list[Found]:
        """Return every field that is proven to stand elsewhere; `reasons` say why others are not."""
        if not self.rows or not self.gone or not self.links:
            return []
        found = _undisputed([each for path in self._searched() if (each := self._proven(path))])
        found += self._along(found)
        return [each for each in found if not self._lonely(each, found)]

    def _searched(self) -> list[Path]:
        """What is gone; where nothing has the whole of it, what is declared in it."""
        out: list[Path] = []
        for path in self.gone:
            out.append(path)
            out += [p for p in self.declared if len(p) > len(path) and p[: len(path)] == path]
        return out

    def evidence(self, source: Path, target: Path, how: str) -> Evidence:
        """Hold the values at `source` against those that the same rows had at `target`."""
        agree, differ, worth, alone = set[int](), set[int](), 0.0, 0.0
        independent, selfish = set[str](), set[str]()
        varied = len({canon(link.old.get(target)) for link in self.links}) > 1
        for number, link in enumerate(self.links):
            new, old = link.new.get(source, MISSING), link.old.get(target, MISSING)
            if new is MISSING and old in (MISSING, None):
                continue
            read = read_as(how, new) if new is not MISSING else MISSING
            if read is MISSING or old is MISSING or canon(read) != canon(old):
                differ.add(number)
                continue
            agree.add(number)
            seen = independent if link.without(new) >= TELLING else selfish
            gain = bits(old) if canon(old) not in seen else 0.0
            seen.add(canon(old))
            gain = max(gain, 1.0 if varied else 0.0)
            if seen is independent:
                worth += gain
            else:
                alone += gain
        return Evidence(frozenset(agree), frozenset(differ), worth, alone, len(selfish))

    def _best(self, source: Path, target: Path) -> tuple[str, Evidence] | None:
        schema = self.declared.get(target)
        shape = self.contract.solid(schema) if schema is not None else None
        olds = [row[target] for row in self.pool.flat if target in row]
        news = [row[source] for row in self.flat if source in row]
        hows = ways(shape, news, olds) if shape else iter(["same"])
        proven = [(how, each) for how in hows if (each := self.evidence(source, target, how)).proves]
        proven = [each for each in proven if not each[1].differ or each[0] == "same"]
        return max(proven, key=lambda each: len(each[1].agree)) if proven else None

    def _proven(self, target: Path) -> Found | None:
        held = {s: best for s in [*self.new, target] if (best := self._best(s, target))}
        held = {s: best for s, best in held.items() if s != target or best[0] != "same"}
        held = {s: best for s, best in held.items() if self._apart(s, target)}
        winners = [
            s for s, best in held.items() if all(best[1].beats(o[1]) for r, o in held.items() if r != s)
        ]
        if not winners:
            if held:
                names = " and ".join(self._show(s) for s in held)
                self.reasons.append(f"{self._show(target)} is gone, and both {names} could be it")
            return None
        source = winners[0]
        how, evidence = held[source]
        if rival := self._rival(source, target, evidence):
            self.reasons.append(
                f"{self._show(source)} could be {self._show(target)}, but {self._show(rival)} as well"
            )
            return None
        return self.found(source, target, how, _said(evidence))

    def _apart(self, source: Path, target: Path) -> bool:
        """Whether no row has both; a value that has another form is replaced where it stands."""
        if source == target:
            return True
        schema = self.declared[target]
        return not any(source in row and self.stands(target, schema, row) for row in self.flat)

    def _rival(self, source: Path, target: Path, evidence: Evidence) -> Path | None:
        for other in sorted(self.pool.paths):
            nested = other[: len(target)] == target or target[: len(other)] == other
            if nested or source == target or _nearer(source, target, other):
                continue
            if (best := self._best(source, other)) and not evidence.beats(best[1]):
                return other
        return None

    def found(self, source: Path, target: Path, how: str, evidence: str, rule: str = "evidence") -> Found:
        """Return a change of this place, with a value of it."""
        change = Change(
            place=self.place.path, entity=self.place.entity, source=source, target=target, how=how
        )
        example = next((row[source] for row in self.flat if source in row), None)
        return Found(change, evidence, example, rule)

    def recased(self) -> list[Found]:
        """Return what stands where it stood, under the same name in another casing."""
        found = []
        for path in self.gone:
            alike = self._named(path)
            if len(alike) == 1 and self._apart(alike[0], path):
                found.append(self.found(alike[0], path, "same", "only the casing differs", "case"))
        return found

    def _named(self, path: Path) -> list[Path]:
        """Return what is new and has these names; in another casing, where none has exactly these."""
        if path in self.new:
            return [path]
        return [p for p in self.new if len(p) == len(path) and all(map(same, p, path))]

    def _along(self, proven: Sequence[Found]) -> list[Found]:
        """Find what went with a proven field: out of the same place into the same other one, names kept."""
        out: list[Found] = []
        for one in proven:
            out += [
                each for each in self.beside(one) if self._agreed(each) and _unclaimed(each, [*proven, *out])
            ]
        return out

    def beside(self, one: Found) -> list[Found]:
        """Return what may have gone the way that a field went: gone there, and here under its name."""
        way = _way(one.change.source, one.change.target)
        if way is None or one.change.how != "same":
            return []
        found = []
        for path in self.gone:
            alike = self._named((*way[0], *path[len(way[1]) :])) if path[: len(way[1])] == way[1] else []
            if len(alike) == 1 and self._apart(alike[0], path):
                found.append(self.found(alike[0], path, "same", f"went with {self._show(one.change.target)}"))
        return found

    def _agreed(self, each: Found) -> bool:
        held = self.evidence(each.change.source, each.change.target, "same")
        return len(held.agree) > 3 * len(held.differ)

    def _lonely(self, one: Found, found: Sequence[Found]) -> bool:
        """Whether one row is all that speaks, and another new field could be it, too."""
        if len(self.links) > 1:
            return False
        taken = {each.change.source for each in found}
        schema = self.declared[one.change.target]
        for path in self.new:
            values = [row[path] for row in self.flat if path in row]
            if any(self._best(path, old) for old in self.pool.paths if old[-1] == path[-1]):
                continue
            inside = any(path[: len(t)] == t or t[: len(path)] == path for t in taken)
            if not inside and kind(values[0]) == kind(one.example) and self.contract.fits(schema, values[0]):
                self.reasons.append(
                    f"{self._show(one.change.target)} is gone, and both {self._show(one.change.source)} "
                    f"and {self._show(path)} could be it"
                )
                return True
        return False

    def _show(self, path: Path) -> str:
        return show((*self.place.path, *path))


def _nearer(source: Path, target: Path, other: Path) -> bool:
    """Whether a name says which of two with the same values it is: it holds that name, or kept that place."""
    ours, theirs = (canonical(path[-1]) in canonical(source[-1]) for path in (target, other))
    if speaks_of_another(source[-1]) or not ours:
        return False
    return not theirs or _shared(source, target) > _shared(source, other)


def _shared(one: Path, other: Path) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _said(evidence: Evidence) -> str:
    rows = len(evidence.agree) + len(evidence.differ)
    return f"{len(evidence.agree)} of {rows} known rows have there what they had; nothing else fits"


def _way(source: Path, target: Path) -> tuple[Path, Path] | None:
    """Return from which place into which other one something went: `x.id`, `id` → `x`, nothing."""
    end = 0
    while end < min(len(source), len(target)) and source[-1 - end] == target[-1 - end]:
        end += 1
    end = end or 1
    way = source[: len(source) - end], target[: len(target) - end]
    return way if way[0] != way[1] else None


def _unclaimed(one: Found, others: Sequence[Found]) -> bool:
    return all(
        one.change.target != each.change.target and one.change.source != each.change.source for each in others
    )


def _undisputed(found: Sequence[Found]) -> list[Found]:
    """Leave out what is claimed twice, and what is inside of what moves as a whole."""
    out: list[Found] = []
    for one in found:
        whole = [each.change for each in out]
        if any(one.change.target[: len(each.target)] == each.target for each in whole):
            continue
        if sum(one.change.source == other.change.source for other in found) == 1:
            out.append(one)
    return out


def undo(change: Change, body: Json, place: Path) -> Json:
    """Return `body` with a change undone in every object at `place`; what it does not fit is left alone."""
    if not place:
        return _carried(change, body) if isinstance(body, dict) else body
    if place[0] == "*":
        return [undo(change, each, place[1:]) for each in body] if isinstance(body, list) else body
    if isinstance(body, dict) and place[0] in body:
        return {**body, place[0]: undo(change, body[place[0]], place[1:])}
    return body


def _carried(change: Change, row: Mapping[str, Json]) -> dict[str, Json]:
    found = _get(row, change.source)
    if found is MISSING:
        return dict(row)
    if change.how == "exchange":
        return _exchanged(row, change.source, change.target)
    inside = change.source[: len(change.target)] == change.target
    if not inside and change.how != "instead" and _get(row, change.target) not in (MISSING, None):
        return dict(row)
    read = read_as(change.how, found)
    if read is MISSING:
        return dict(row)
    out = _without(row, change.source)
    return _put(out, change.target, read)


def _exchanged(row: Mapping[str, Json], one: Path, other: Path) -> dict[str, Json]:
    ones, others = _get(row, one), _get(row, other)
    if ones is MISSING or others is MISSING:
        return dict(row)
    return _put(_put(dict(row), one, others), other, ones)


def _get(value: Json, path: Path) -> Json:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def _without(row: Mapping[str, Json], path: Path) -> dict[str, Json]:
    out = dict(row)
    if len(path) == 1:
        del out[path[0]]
        return out
    inner = _without(out[path[0]], path[1:])
    if inner:
        out[path[0]] = inner
    else:
        del out[path[0]]
    return out


def _put(row: dict[str, Json], path: Path, value: Json) -> dict[str, Json]:
    if len(path) == 1:
        return {**row, path[0]: value}
    inner = row.get(path[0])
    return {**row, path[0]: _put(dict(inner) if isinstance(inner, Mapping) else {}, path[1:], value)}


def told(change: Change, example: Json) -> str:
    """Return a change with a value of it, for people."""
    return f"{where(change)}: {shown(example, 60)}"


def where(change: Change) -> str:
    """Return a change as receipts tell it: `values[*].label → values[*].title`."""
    source, target = (show((*change.place, *path)) for path in (change.source, change.target))
    kind, _, detail = change.how.partition(":")
    if kind == "exchange":
        return " ↔ ".join(sorted([source, target]))
    unit = f" {detail}" if kind in ("times", "per", "text") else ""
    how = "" if kind in ("same", "instead") else f" (read as {kind}{unit})"
    return f"{source or 'the body'} → {target or 'the body'}{how}"
