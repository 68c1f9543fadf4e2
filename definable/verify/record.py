"""The record of contracts: healthy responses, repairs that proved themselves, and what people said of them.

A view of it is of one moment: rows up to a number, patches and samples that are not too old then. So an
outcome is judged in the same way whenever it is replayed, whatever was learned since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from definable.calls import Heal, Lesson, Rewording, digest
from definable.spec.paths import show
from definable.spec.toolkit import Tool, Toolkit
from definable.verify.contracts import Contract
from definable.verify.expected import Doubt, Habits, demands, doubts, habits
from definable.verify.matching import Matching
from definable.verify.rows import Path, Place, Pool, at, places
from definable.verify.shape import Json
from definable.verify.standing import unguarded
from definable.verify.watch import Watch

Check = Callable[[Json], bool]
Signature = tuple[tuple[str, bool | None], ...]

LASTS = timedelta(days=30)
"""How long a repair or a sample is good for; what a person accepted is good until it is rejected."""
KEPT = 3
"""Samples of one way to ask that count, the latest."""
AMONG = 12
"""Samples of a tool, the latest, among which these are."""
MOST = 24
"""Samples of a tool that are added in a day, whatever the answers."""
_ENTRIES = (64, 16, 4)
"""Entries of a list that a sample keeps: fewer where it would be too long."""
LONGEST = 64_000
"""Characters of a sample's body."""
_VIEWS = 256
_NEVER = "9999"
SAMPLE_EVERY = timedelta(hours=1)
"""The next sample of a way to ask is taken after this time, once there are `KEPT`."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Patch:
    """A repair that proved itself once."""

    id: str
    tool: str
    heal: Heal
    since: str
    accepted: bool = False
    last: str = ""
    """When it was proven last."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A healthy answer."""

    arguments: dict[str, Json]
    body: Json
    lengths: dict[str, int]
    """How long its lists were where they were cut, by path."""
    at: str = ""

    @staticmethod
    def of(lesson: Lesson) -> Sample:
        """Read a row of the record."""
        data = lesson.data
        return Sample(data["arguments"], data["body"], data.get("lengths", {}), lesson.at)


@dataclass
class Known:
    """What is known of one tool at one moment."""

    contract: Contract
    paged: bool
    samples: list[Sample]
    """The latest last."""
    others: list[tuple[Contract, Json]]
    """Healthy bodies of the toolkit's other tools."""
    patches: list[Patch]
    rejected: frozenset[str]
    pools: dict[Path, Pool] = field(default_factory=dict)
    _habits: dict[Signature, list[Habits]] = field(default_factory=dict)
    _expecting: dict[Signature, tuple[Check, Check | None]] = field(default_factory=dict)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every place of the contract that has objects."""
        return places(self.contract)

    def pool(self, place: Place) -> Pool:
        """Return the healthy rows of the things at a place, whichever tool of the toolkit showed them."""
        if place.path not in self.pools:
            found: dict[str, Mapping[str, Json]] = {}
            for contract, body in self.others if place.entity else ():
                for there in places(contract):
                    if there.entity == place.entity:
                        _take(found, at(body, there.path))
            for each in self.samples:
                _take(found, at(each.body, place.path))
            opaque = frozenset(
                path
                for path, schema in place.declared.items()
                if (shape := self.contract.solid(schema)).data_keys and "object" in shape.types
            )
            self.pools[place.path] = Pool(list(found.values()), opaque)
        return self.pools[place.path]

    def alike(self, arguments: Mapping[str, Json]) -> list[Json]:
        """Return the healthy answers to arguments of the same names."""
        mark = signature(arguments)
        return [each.body for each in self.samples if signature(each.arguments) == mark]

    def habits(self, arguments: Mapping[str, Json]) -> list[Habits]:
        """Return what healthy answers to such arguments had, at each place; nothing without any."""
        mark = signature(arguments)
        if mark not in self._habits:
            bodies = self.alike(arguments)
            page = self.paged
            self._habits[mark] = [habits(p, bodies, page and not p.path) for p in self.places if bodies]
        return self._habits[mark]

    def doubts(self, arguments: Mapping[str, Json], body: Json) -> Iterator[Doubt]:
        """Yield what healthy answers to such arguments had and this one lacks."""
        for here in self.habits(arguments):
            yield from doubts(here, self.pool(here.place), body)

    def usual(self, arguments: Mapping[str, Json], body: Json) -> bool:
        """Whether a body keeps to its contract and is like healthy ones, or differs as they differ."""
        mark = signature(arguments)
        if mark not in self._expecting:
            overlay = demands(self.contract, self.habits(arguments))
            checks = (self.contract.stricter(overlay), self.watch.unchanged(overlay))
            self._expecting[mark] = checks if self.habits(arguments) else (self.contract.settled, None)
        expected, unchanged = self._expecting[mark]
        if unchanged and unchanged(body):
            return True
        usual = expected(body) or (
            bool(self.habits(arguments))
            and self.contract.settled(body)
            and not self._moved(body)
            and not any(self.doubts(arguments, body))
        )
        return usual and not self.watch.strange(arguments, body)

    @cached_property
    def unguarded(self) -> tuple[Patch, ...]:
        """Repairs of which a body does not show whether they still hold, without a healthy answer since."""
        return tuple(
            patch
            for patch in self.patches
            if unguarded(patch.heal.change) and all(each.at <= patch.last for each in self.samples)
        )

    @cached_property
    def watch(self) -> Watch:
        """What is watched about the things that are known."""
        of = [(each.arguments, each.body) for each in self.samples]
        places = [place for place in self.places if place.path or not self.paged]
        return Watch(self.contract, places, [self.pool(place) for place in places], of)

    def _moved(self, body: Json) -> bool:
        """Whether there is something new where something is gone."""
        searches = (Matching(self.contract, place, self.pool(place), body) for place in self.places)
        return any(each.new and each.gone for each in searches)

    def size(self, arguments: Mapping[str, Json], path: Path) -> int | None:
        """Return how long the list at `path` was for the very same arguments; None when they are new."""
        for each in reversed(self.samples):
            if each.arguments == arguments:
                found = at(each.body, path)
                there = len(found[0]) if found and isinstance(found[0], list) else None
                return each.lengths.get(show(path), there)
        return None


def _take(found: dict[str, Mapping[str, Json]], rows: Iterable[Json]) -> None:
    for row in rows:
        if isinstance(row, dict) and row:
            key = str(row["id"]) if isinstance(row.get("id"), str | int) else digest(row)
            found[key] = {**found.pop(key, {}), **row}


class Record:
    """All rows that this process has read, in order."""

    def __init__(self, lessons: Iterable[Lesson] = ()) -> None:
        """Start with what the store has."""
        self.lessons: list[Lesson] = []
        self._known: dict[tuple[int, str, int], list[tuple[Toolkit, str, str, Known | None]]] = {}
        self._samples: dict[tuple[str, str], list[Lesson]] = {}
        self._reworded: dict[tuple[str, str], list[Lesson]] = {}
        self.add(lessons)

    @property
    def seq(self) -> int:
        """The number of the last row; 0 when there is none."""
        return self.lessons[-1].seq if self.lessons else 0

    def add(self, lessons: Iterable[Lesson]) -> None:
        """Take in what the store has since."""
        for each in lessons:
            if each.seq > self.seq:
                self.lessons.append(each)
                if each.kind == "sample":
                    self._samples.setdefault((each.toolkit, each.tool), []).append(each)
                elif each.kind == "patch" and each.data["heal"].get("rewording"):
                    self._reworded.setdefault((each.toolkit, each.tool), []).append(each)

    def at(self, toolkit: Toolkit, slug: str, known: int, moment: str) -> Known | None:
        """Return what was known of a tool at row `known` and at `moment`; None when that was nothing."""
        if not known or not self.lessons:
            return None
        for kit, since, until, view in self._known.get((id(toolkit), slug, known), ()):
            if kit is toolkit and since <= moment < until:
                return view
        rows = [each for each in self.lessons if each.seq <= known and each.toolkit == toolkit.toolkit]
        said = verdicts(rows)
        ends = {each.seq: _end(each, said) for each in rows}
        live = [each for each in rows if ends[each.seq] > moment]
        since = max((end for end in ends.values() if end <= moment), default="")
        until = min(ends[each.seq] for each in live) if live else _NEVER
        view = _view(toolkit, slug, live) if live else None
        if len(self._known) > _VIEWS:
            self._known.clear()
        self._known.setdefault((id(toolkit), slug, known), []).append((toolkit, since, until, view))
        return view

    def due(self, toolkit: str, slug: str, arguments: Mapping[str, Json], moment: str) -> bool:
        """Whether there may be another sample of this way to ask: of few, or after a while; never many."""
        kept = self._samples.get((toolkit, slug), [])
        if len(kept) >= MOST and _after(kept[-MOST].at, _DAY) > moment:
            return False
        mine = latest(kept, arguments)
        return len(mine) < KEPT or _after(mine[-1].at, SAMPLE_EVERY) <= moment

    def sampled(self, toolkit: str, slug: str, arguments: Mapping[str, Json], since: str) -> bool:
        """Whether there is a sample of this way to ask that is not older than `since`."""
        mine = latest(self._samples.get((toolkit, slug), []), arguments)
        return bool(mine) and mine[-1].at >= since

    def wants(self, toolkit: str, slug: str, data: Mapping[str, Json], moment: str) -> bool:
        """Whether a sample that is due says anything that the last ones do not, or not any more."""
        mine = latest(self._samples.get((toolkit, slug), []), data["arguments"])
        same = [each.at for each in mine if each.data["body"] == data["body"]]
        return not same or _after(same[-1], SAMPLE_EVERY) <= moment

    def rewordings(self, toolkit: str, slug: str, moment: str) -> tuple[Rewording, ...]:
        """Return how requests of a tool are put at a moment, in the order in which that was last proven."""
        if not (rows := self._reworded.get((toolkit, slug))):
            return ()
        said = verdicts(each for each in self.lessons if each.toolkit == toolkit)
        last = {each.data["id"]: each for each in sorted(rows, key=lambda each: each.seq)}
        live = [r for r in last.values() if said.get(r.data["id"]) != "rejected" and _end(r, said) > moment]
        heals = [Heal.model_validate(each.data["heal"]) for each in sorted(live, key=lambda each: each.seq)]
        return tuple(heal.rewording for heal in heals if heal.rewording)

    def rejected(self, toolkit: str, known: int) -> frozenset[str]:
        """Return the repairs of a toolkit that a person had rejected at row `known`."""
        rows = [each for each in self.lessons if each.seq <= known and each.toolkit == toolkit]
        return frozenset(name for name, verdict in verdicts(rows).items() if verdict == "rejected")

    def proven(self, patch: str, moment: str) -> bool:
        """Whether a patch was proven within the hour, so that it need not be noted again."""
        for each in reversed(self.lessons):
            if each.kind == "patch" and each.data["id"] == patch:
                return _after(each.at, SAMPLE_EVERY) > moment
        return False


def _view(toolkit: Toolkit, slug: str, rows: list[Lesson]) -> Known | None:
    contract = Contract.of_response(toolkit, toolkit.tools[slug])
    if contract is None:
        return None
    samples: dict[str, list[Lesson]] = {}
    for each in rows:
        if each.kind == "sample":
            samples.setdefault(each.tool, []).append(each)
    mine = [Sample.of(each) for each in _counting(samples.pop(slug, []))]
    others = [
        (other, each.data["body"])
        for name, lessons in samples.items()
        for each in _counting(lessons)[-KEPT:]
        if (other := _contract(toolkit, toolkit.tools.get(name))) is not None
    ]
    said = verdicts(rows)
    rejected = frozenset(name for name, verdict in said.items() if verdict == "rejected")
    paged = toolkit.tools[slug].paging is not None
    return Known(contract, paged, mine, others, patches(rows), rejected)


def latest(kept: Sequence[Lesson], arguments: Mapping[str, Json]) -> list[Lesson]:
    """Return the samples that count for arguments of these names."""
    mark = signature(arguments)
    return [each for each in kept[-AMONG:] if signature(each.data["arguments"]) == mark][-KEPT:]


def _counting(kept: Sequence[Lesson]) -> list[Lesson]:
    return [each for each in kept[-AMONG:] if each in latest(kept, each.data["arguments"])]


def verdicts(rows: Iterable[Lesson]) -> dict[str, str]:
    """Return what people said last of each patch, by its id: `accepted` or `rejected`."""
    return {each.data["id"]: each.kind for each in rows if each.kind in ("accepted", "rejected")}


def _contract(toolkit: Toolkit, tool: Tool | None) -> Contract | None:
    return Contract.of_response(toolkit, tool) if tool else None


def patches(rows: Iterable[Lesson]) -> list[Patch]:
    """Return the repairs of responses in `rows`, once and as last proven, without the rejected ones."""
    rows = list(rows)
    said, found = verdicts(rows), dict[str, Patch]()
    for each in rows:
        name = each.data.get("id", "")
        of_response = each.kind == "patch" and not each.data["heal"].get("rewording")
        if of_response and said.get(name) != "rejected":
            since = found[name].since if name in found else each.at
            heal = Heal.model_validate(each.data["heal"])
            found[name] = Patch(name, each.tool, heal, since, said.get(name) == "accepted", each.at)
    return list(found.values())


def _end(lesson: Lesson, said: Mapping[str, str]) -> str:
    """Return until when a row counts: samples and patches grow old, what people say does not."""
    if lesson.kind in ("accepted", "rejected") or said.get(lesson.data.get("id", "")) == "accepted":
        return _NEVER
    return ends(lesson)


def ends(lesson: Lesson) -> str:
    """Return when a sample or a patch grows too old."""
    return _after(lesson.at, LASTS)


def stamp(moment: datetime) -> str:
    """Return a moment as the record writes it: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _after(at: str, span: timedelta) -> str:
    return stamp(datetime.fromisoformat(at) + span)


def patch_id(tool: str, drift: str, detail: str) -> str:
    """Return the id of a repair: the same for the same change of the same tool."""
    return digest([tool, drift, detail])[:10]


def sample(arguments: Mapping[str, Json], body: Json) -> dict[str, Json] | None:
    """Return the data of a sample, long lists cut; None when it is too long even so."""
    for most in _ENTRIES:
        lengths: dict[str, int] = {}
        cut = _cut(body, most, (), lengths)
        if len(json.dumps(cut)) <= LONGEST:
            return {"arguments": dict(arguments), "body": cut, "lengths": lengths}
    return None


def _cut(value: Json, most: int, path: Path, lengths: dict[str, int]) -> Json:
    if isinstance(value, dict):
        return {key: _cut(each, most, (*path, key), lengths) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > most and "*" not in path:
        lengths[show(path)] = len(value)
    return [_cut(each, most, (*path, "*"), lengths) for each in value[:most]]


def signature(arguments: Mapping[str, Json]) -> Signature:
    """Return what decides which properties an answer has: the names of arguments, and what is switched."""
    return tuple(
        sorted((name, value if isinstance(value, bool) else None) for name, value in arguments.items())
    )
