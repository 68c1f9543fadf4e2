"""What stands where it stood, fits its contract, and is something else: told by things that are known.

Two properties that exchanged their values, a number in another unit, a text that went through an encoder: no
schema sees it. A reading is taken only when several things that nobody has touched since agree on it, by
values that say something, and none speaks against it. What known things only make likely is a doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from definable.calls import Change
from definable.spec.paths import MISSING, show
from definable.verify.expected import Doubt
from definable.verify.forms import moment, shifted, unit_change
from definable.verify.matching import Found, Matching
from definable.verify.names import words
from definable.verify.readings import again, read_as
from definable.verify.rows import TELLING, Link, Path, bits, canon, nodes
from definable.verify.shape import Json

_UNGUARDED = frozenset({"exchange", "times", "per", "text"})

_SEVERAL = 2
_NUMBERS = 3
"""Numbers, none like the other, that have to agree on a unit."""


@dataclass(frozen=True, slots=True)
class Column:
    """One property in the rows of known things: those where it is as it was, and those where it is not."""

    path: Path
    changed: tuple[Link, ...]
    same: tuple[Link, ...]

    @property
    def pairs(self) -> list[tuple[Json, Json]]:
        """What it was and what it is, where that differs."""
        return [(link.old[self.path], link.new[self.path]) for link in self.changed]

    @property
    def strange(self) -> bool:
        """Whether nearly all of several things have something else there."""
        return len(self.changed) >= _SEVERAL and len(self.same) * 3 <= len(self.changed)


@dataclass(frozen=True, slots=True)
class Reading:
    """One explanation of what differs: how many things say so, how many do not, and whether it is proven."""

    found: Found
    agree: int
    differ: int
    proven: bool

    @property
    def likely(self) -> bool:
        """Whether it is worth a word."""
        return self.agree > self.differ


class Standing:
    """The search at one place for what known things contradict."""

    def __init__(
        self, search: Matching, key: str, volatile: frozenset[Path], outer: Standing | None = None
    ) -> None:
        """Look at the objects of `search`.

        `key` says which thing one is, `volatile` is what changes from one healthy answer to the next, `outer`
        has the things in whose lists these stand.
        """
        self.search = search
        self.key = key
        self.volatile = volatile
        self.outer = outer

    @cached_property
    def links(self) -> list[Link]:
        """The rows that are known: by what they share, or by where they stand in things that are known."""
        if self.outer is None:
            return self.search.links
        path = self.search.place.path[len(self.outer.search.place.path) : -1]
        out: list[Link] = []
        for link in self.outer.links:
            old, new = link.old.get(path), link.new.get(path)
            if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
                both = [
                    (a, b)
                    for a, b in zip(old, new, strict=True)
                    if isinstance(a, dict) and isinstance(b, dict)
                ]
                out += [
                    Link(nodes(b, self.search.pool.opaque), nodes(a, self.search.pool.opaque), {})
                    for a, b in both
                ]
        return out

    @cached_property
    def columns(self) -> list[Column]:
        """Every declared property that some known thing has changed."""
        found = []
        for path in self.search.declared:
            there = [link for link in self.links if path in link.old and path in link.new]
            changed = tuple(each for each in there if canon(each.old[path]) != canon(each.new[path]))
            if changed:
                same = tuple(each for each in there if each not in changed and _says(each.old[path]))
                found.append(Column(path, changed, same))
        return found

    @cached_property
    def readings(self) -> list[Reading]:
        """Every explanation there is, outer properties first."""
        found = [*self._exchanges(), *self._replaced(), *self._renamed_in_some()]
        for column in self.columns:
            found += [*self._units(column), *self._again(column)]
        return found

    def found(self) -> list[Found]:
        """Return what is proven, where nothing else explains the same."""
        proven = [each.found for each in self.readings if each.proven]
        out: list[Found] = []
        for one in proven:
            mine = {one.change.source, one.change.target}
            others = [
                each for each in proven if each is not one and mine & {each.change.source, each.change.target}
            ]
            if not others and not any(_inside(mine, each) for each in out):
                out.append(one)
        return out

    def doubts(self) -> Iterator[Doubt]:
        """Yield what known things make likely, or have no explanation for; each property once."""
        told: set[Path] = set()
        for each in self.readings:
            change = each.found.change
            if each.likely and not told & {change.source, change.target}:
                told |= {change.source, change.target}
                said = {"exchange": "may have changed places with"}.get(
                    change.how, f"may be read as {change.how}:"
                )
                yield self._doubt(
                    change.target, "field_retyped", f"{said} {self._show(change.source)}", each.agree
                )
        told_of = {path[0] for path in told}
        if (twice := self._twice()) and self.key not in told_of:
            yield self._doubt((self.key,), "entry_doubled", "is the same in entries that differ", twice)
        yield from self._lost(told)
        for column in self.columns:
            if column.path not in told and (words := self._unexplained(column)):
                yield self._doubt(column.path, "format_changed", words, len(column.changed))

    def speaks(self, source: Path, target: Path) -> bool:
        """Whether a known thing says that a property is what it was, and not what another one was."""
        return any(
            canon(link.old.get(target, MISSING)) == canon(link.new.get(target, MISSING))
            and (source == target or canon(link.old.get(source)) != canon(link.old.get(target)))
            and bits(link.old.get(target)) > 0
            for link in self.links
            if target in link.old and target in link.new
        )

    def _doubt(self, path: Path, drift: str, words: str, rows: int) -> Doubt:
        where = (*self.search.place.path, *path)
        things = "1 known thing" if rows == 1 else f"{rows} known things"
        return Doubt(drift, where, f"{show(where)} {words}, by {things}")

    def _exchanges(self) -> Iterator[Reading]:
        for one, other in combinations(self.columns, 2):
            if one.path == other.path[: len(one.path)]:
                continue
            reading = self._exchange(one.path, other.path)
            if reading.agree:
                yield reading

    def _exchange(self, one: Path, other: Path) -> Reading:
        agree: list[Link] = []
        differ, edited = 0, 0
        for link in self.links:
            if not all(path in row for path in (one, other) for row in (link.old, link.new)):
                continue
            before, after = ([canon(row[path]) for path in (one, other)] for row in (link.old, link.new))
            if before[0] == before[1]:
                continue
            if before == after[::-1]:
                agree.append(link)
            elif before == after:
                differ += 1
            else:
                edited += 1
        found = self.search.found(other, one, "exchange", f"{len(agree)} known things say so, and none other")
        told = [each for each in agree if self._tells(each, one, other)]
        proven = not differ and edited * 3 <= len(told) and self._weight(told, one, other) >= _SEVERAL
        return Reading(found, len(told), differ, proven and self._untouched(told, one, other))

    def _tells(self, link: Link, one: Path, other: Path) -> bool:
        values = [link.old[one], link.old[other]]
        return all(map(bits, values)) and sum(map(bits, values)) >= TELLING

    def _weight(self, links: Sequence[Link], one: Path, other: Path) -> float:
        """Count pairs of values, none like the other; those of which others have one, too, as a half."""
        often = Counter(
            canon(row[path]) for row in self.search.pool.flat for path in (one, other) if path in row
        )
        pairs = {frozenset((canon(link.old[one]), canon(link.old[other]))) for link in links}
        return sum(1.0 if all(often[text] == 1 for text in pair) else 0.5 for pair in pairs)

    def _untouched(self, links: Sequence[Link], *paths: Path) -> bool:
        """Whether several things have no moment that moved on, as an edit by somebody would leave it."""

        def touched(link: Link) -> bool:
            return any(
                path not in paths and moment(old) is not None and moment(link.new.get(path)) != moment(old)
                for path, old in link.old.items()
            )  # fmt: skip

        return sum(not touched(link) for link in links) >= _SEVERAL

    def _replaced(self) -> Iterator[Reading]:
        """Find what stands under a new name, while something else stands under its old one."""
        for column in self.columns:
            for source in self.search.new if not column.same else ():
                held = self.search.evidence(source, column.path, "same")
                if held.agree and not held.differ:
                    found = self.search.found(
                        source, column.path, "instead", f"{len(held.agree)} known things say so"
                    )
                    yield Reading(found, len(held.agree), 0, held.proves and len(held.agree) >= _SEVERAL)

    def _renamed_in_some(self) -> Iterator[Reading]:
        """Find what some rows have under a new name, while the others have it under the old one."""
        for path, lost in self._missed().items():
            for source in self.search.new:
                there = [link for link in lost if source in link.new]
                agree = [link for link in there if canon(link.new[source]) == canon(link.old[path])]
                if agree and len(agree) == len(there):
                    worth = sum(map(bits, {canon(link.old[path]) for link in agree}))
                    said = f"{len(agree)} known things that lack one have it there"
                    apart = all(source not in row or path not in row for row in self.search.flat)
                    found = self.search.found(source, path, "same", said)
                    yield Reading(
                        found, len(agree), 0, apart and len(agree) >= _SEVERAL and worth >= 2 * TELLING
                    )

    def _missed(self) -> dict[Path, list[Link]]:
        """Return what known things had and lack, where what is around it is there and something is new."""
        new = {path[:-1] for path in self.search.new}
        found: dict[Path, list[Link]] = {}
        for path in self.search.declared if new else ():
            around = path[:-1]
            lost = [
                link
                for link in self.links
                if link.old.get(path) is not None
                and path not in link.new
                and (not around or isinstance(link.new.get(around), dict))
                and any(p in link.new and p not in link.old for p in self.search.new)
            ]
            if lost:
                found[path] = lost
        return found

    def _lost(self, told: set[Path]) -> Iterator[Doubt]:
        for path, lost in self._missed().items():
            if path not in told and len(lost) >= _SEVERAL:
                yield self._doubt(path, "field_removed", "is gone, and something is new", len(lost))

    def _twice(self) -> int:
        """Return how many entries say that they are a thing that another entry is, and differ from it."""
        if self.outer is not None or words(self.key)[-1:] != ("id",):
            return 0
        first: dict[str, Json] = {}
        rows = [row for row in self.search.flat if (self.key,) in row]
        if self.key != "id" and self._told_apart(rows):
            return 0
        kept = [{path: canon(row[path]) for path in self.search.declared if path in row} for row in rows]
        return sum(first.setdefault(row[(self.key,)], row) != row for row in kept)

    def _told_apart(self, rows: Sequence[Mapping[Path, Json]]) -> bool:
        """Whether another id tells all entries apart: then the key is that of what they belong to."""
        others = {path for row in rows for path in row if len(path) == 1} - {(self.key,)}
        names = [path for path in others if isinstance(path[0], str) and words(path[0])[-1:] == ("id",)]
        return any(len({canon(row.get(path, MISSING)) for row in rows}) == len(rows) for path in names)

    def _units(self, column: Column) -> Iterator[Reading]:
        hows = Counter(how for old, new in column.pairs if (how := unit_change(old, new)))
        if not hows:
            return
        how, agree = hows.most_common(1)[0]
        still = sum(canon(link.old[column.path]) not in ("0", "0.0", "null") for link in column.same)
        differ = len(column.changed) - agree + still
        values = {canon(old) for old, _ in column.pairs}
        exact = not how.startswith("about") and self._all_read(column.path, how)
        found = self._as(column.path, how, f"{agree} numbers of known things, none like the other, say so")
        yield Reading(found, agree, differ, exact and not differ and len(values) >= _NUMBERS)

    def _again(self, column: Column) -> Iterator[Reading]:
        olds = [row[column.path] for row in self.search.pool.flat if column.path in row]
        texts = [(old, new) for old, new in column.pairs if isinstance(old, str) and isinstance(new, str)]
        cased = [old for old, new in texts if new in (old.upper(), old.lower())]
        if cased:
            found = self._as(column.path, "text:casing", "only the casing differs")
            yield Reading(found, len(cased), len(column.changed) - len(cased), proven=False)
        for how in again(olds) if texts else ():
            reads = [(old, read_as(how, new)) for old, new in texts]
            right = [old for old, read in reads if read is not MISSING and canon(read) == canon(old)]
            if right and self._all_read(column.path, how):
                differ = len(column.changed) - len(right)
                several = how.startswith("moment") or len(set(map(canon, right))) >= _SEVERAL
                found = self._as(column.path, how, f"{len(right)} known things say so, and none other")
                yield Reading(found, len(right), differ, several and not differ)

    def _as(self, path: Path, how: str, evidence: str) -> Found:
        return self.search.found(path, path, how, evidence)

    def _all_read(self, path: Path, how: str) -> bool:
        return not how.startswith("about") and all(
            read_as(how, row[path]) is not MISSING for row in self.search.flat if path in row
        )

    def _unexplained(self, column: Column) -> str:
        """Say what is wrong with a property for which there is no reading; nothing when it may be an edit."""
        pairs = column.pairs
        if column.path == (self.key,):
            # One may have been made anew, and who makes things makes several that are alike.
            same = sum(not self._differs(link) for link in column.changed)
            return "is another one than it was" if column.strange and same >= _SEVERAL else ""
        if blank := [new for old, new in pairs if old is None and new == ""]:
            return "is an empty text where it was null" if not self._seen(column.path, blank) else ""
        moments = [(moment(old), moment(new)) for old, new in pairs if moment(old)]
        if any(now is None for _, now in moments if column.strange or len(self.links) == 1):
            return "is no moment any more" if all(isinstance(new, str) for _, new in pairs) else ""
        if moments and all(was and now and shifted(was, now) for was, now in moments) and not column.same:
            return "is apart from what it was by what a zone is"
        if moments or not column.strange or column.path in self.volatile:
            return ""
        return "is not what it was" if self._all_else(column) else ""

    def _differs(self, link: Link) -> bool:
        """Whether something that tells and seldom changes is another one, too, beside the key."""
        return any(
            canon(old) != canon(link.new.get(path, MISSING))
            for path, old in link.old.items()
            if path != (self.key,) and path not in self.volatile
            if not isinstance(old, dict | list) and bits(old) >= TELLING
        )

    def _seen(self, path: Path, values: Sequence[Json]) -> bool:
        known = {canon(row[path]) for row in self.search.pool.flat if path in row}
        return any(canon(value) in known for value in values)

    def _all_else(self, column: Column) -> bool:
        """Whether what changed is no mere word of a few, as a status is, that things have in turn."""
        pairs = column.pairs
        if all(isinstance(old, bool) and isinstance(new, bool) for old, new in pairs):
            return len(pairs) >= _NUMBERS and len({old for old, _ in pairs}) > 1 and not column.same
        texts = [(old, new) for old, new in pairs if isinstance(old, str) and isinstance(new, str)]
        olds = Counter(canon(row.get(column.path)) for row in self.search.pool.flat)
        words = {old for old, _ in texts}
        alone = [old for old in words if olds[old] == 1 and bits(old) >= TELLING]
        strangers = not self._seen(column.path, [new for _, new in texts])
        if texts and all(_derived(old, new) for old, new in texts):
            return True
        return len(words) >= _SEVERAL and (len(alone) * 2 >= len(words) or strangers)

    def _show(self, path: Path) -> str:
        return show((*self.search.place.path, *path))


def unguarded(change: Change | None) -> bool:
    """Whether a body does not show if a change still holds, so that known things must prove it each time."""
    return change is not None and change.how.partition(":")[0] in _UNGUARDED


def _says(value: Json) -> bool:
    return value is not None and value not in ("", 0) and value != []


def _derived(old: str, new: str) -> bool:
    """Whether one text is a part of the other, whatever marks a cut and whatever the casing."""
    one, other = old.casefold(), new.casefold().rstrip(".… ")
    return len(other) > 2 and len(one) > 2 and (one in other or other in one)


def _inside(paths: set[Path], outer: Found) -> bool:
    wholes = (outer.change.source, outer.change.target)
    return any(path[: len(whole)] == whole for path in paths for whole in wholes)
