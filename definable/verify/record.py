"""The record of contracts: healthy responses, repairs that proved themselves, and what people said of them.

A view of it is of one moment: rows up to a number, patches and samples that are not too old then. So an
outcome is judged in the same way whenever it is replayed, whatever was learned since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice

from definable.calls import Heal, Lesson, digest
from definable.spec.toolkit import Tool, Toolkit
from definable.verify.contracts import Contract
from definable.verify.expected import expected
from definable.verify.rows import Path, Place, Pool, at, places, targets
from definable.verify.shape import Json

Signature = tuple[tuple[str, bool | None], ...]

LASTS = timedelta(days=30)
"""How long a repair or a sample is good for; what a person accepted is good until it is rejected."""
KEPT = 3
"""Samples of a tool that count, the latest."""
LARGEST = 64
"""Entries of a list that a sample keeps."""
_VIEWS = 256
_NEVER = "9999"
SAMPLE_EVERY = timedelta(hours=1)
"""A tool's next sample is taken after this time, unless the response has a new form."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A repair that proved itself once."""

    id: str
    tool: str
    heal: Heal
    since: str
    accepted: bool = False


@dataclass
class Known:
    """What is known of one tool at one moment."""

    contract: Contract
    samples: list[tuple[dict[str, Json], Json]]
    """Arguments and body, the latest last."""
    others: list[tuple[Contract, Json]]
    """Healthy bodies of the toolkit's other tools."""
    patches: list[Patch]
    rejected: frozenset[str]
    pools: dict[Path, Pool] = field(default_factory=dict)
    _expecting: dict[Signature, Callable[[Json], bool] | None] = field(default_factory=dict)

    @cached_property
    def places(self) -> list[Place]:
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
            for _, body in self.samples:
                _take(found, at(body, place.path))
            opaque = frozenset(
                path
                for path, schema in targets(self.contract, place.schema).items()
                if (shape := self.contract.solid(schema)).data_keys and "object" in shape.types
            )
            self.pools[place.path] = Pool(list(found.values()), opaque)
        return self.pools[place.path]

    def alike(self, arguments: Mapping[str, Json]) -> list[Json]:
        """Return the healthy answers to arguments of the same names."""
        mark = signature(arguments)
        return [body for given, body in self.samples if signature(given) == mark]

    def expecting(self, arguments: Mapping[str, Json]) -> Callable[[Json], bool] | None:
        """Return the contract made as strict as healthy answers to such arguments were; None without any."""
        mark = signature(arguments)
        if mark not in self._expecting:
            bodies = self.alike(arguments)
            self._expecting[mark] = expected(self.contract, self.places, bodies) if bodies else None
        return self._expecting[mark]

    def size(self, arguments: Mapping[str, Json], path: Path) -> int | None:
        """Return how long the list at `path` was for the very same arguments; None when they are new."""
        for given, body in reversed(self.samples):
            if given == arguments:
                found = at(body, path)
                return len(found[0]) if found and isinstance(found[0], list) else None
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
        self.add(lessons)

    @property
    def seq(self) -> int:
        """The number of the last row; 0 when there is none."""
        return self.lessons[-1].seq if self.lessons else 0

    def add(self, lessons: Iterable[Lesson]) -> None:
        """Take in what the store has since."""
        self.lessons += [each for each in lessons if each.seq > self.seq]

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

    def due(self, toolkit: str, slug: str, moment: str) -> bool:
        """Whether it is time for another sample of a tool."""
        kept = self._samples(toolkit, slug)
        return not kept or _after(kept[-1].at, SAMPLE_EVERY) <= moment

    def wants(self, toolkit: str, slug: str, form: str, moment: str) -> bool:
        """Whether a sample of this form is worth keeping: it is new, or it is time for another."""
        kept = self._samples(toolkit, slug)
        return all(each.data["form"] != form for each in kept) or self.due(toolkit, slug, moment)

    def _samples(self, toolkit: str, slug: str) -> list[Lesson]:
        found = (each for each in reversed(self.lessons) if (each.toolkit, each.tool) == (toolkit, slug))
        return list(islice((each for each in found if each.kind == "sample"), KEPT))[::-1]

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
    mine = [(each.data["arguments"], each.data["body"]) for each in samples.pop(slug, [])[-KEPT:]]
    others = [
        (other, each.data["body"])
        for name, lessons in samples.items()
        for each in lessons[-KEPT:]
        if (other := _contract(toolkit, toolkit.tools.get(name))) is not None
    ]
    said = verdicts(rows)
    rejected = frozenset(name for name, verdict in said.items() if verdict == "rejected")
    return Known(contract, mine, others, patches(rows), rejected)


def verdicts(rows: Iterable[Lesson]) -> dict[str, str]:
    """Return what people said last of each patch, by its id: `accepted` or `rejected`."""
    return {each.data["id"]: each.kind for each in rows if each.kind in ("accepted", "rejected")}


def _contract(toolkit: Toolkit, tool: Tool | None) -> Contract | None:
    return Contract.of_response(toolkit, tool) if tool else None


def patches(rows: Iterable[Lesson]) -> list[Patch]:
    """Return the patches among `rows`, each once and as it was last proven, without the rejected ones."""
    rows = list(rows)
    said, found = verdicts(rows), dict[str, Patch]()
    for each in rows:
        name = each.data.get("id", "")
        if each.kind == "patch" and said.get(name) != "rejected":
            since = found[name].since if name in found else each.at
            heal = Heal.model_validate(each.data["heal"])
            found[name] = Patch(name, each.tool, heal, since, said.get(name) == "accepted")
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


def sample(arguments: Mapping[str, Json], body: Json) -> dict[str, Json]:
    """Return the data of a sample; long lists are cut."""
    form = digest([signature(arguments), _form(body)])
    return {"arguments": dict(arguments), "body": _cut(body), "form": form}


def _cut(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items()}
    return [_cut(each) for each in value[:LARGEST]] if isinstance(value, list) else value


def signature(arguments: Mapping[str, Json]) -> Signature:
    """Return what decides which properties an answer has: the names of arguments, and what is switched."""
    return tuple(
        sorted((name, value if isinstance(value, bool) else None) for name, value in arguments.items())
    )


def _form(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _form(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [form for n, each in enumerate(value) if (form := _form(each)) not in map(_form, value[:n])]
    return type(value).__name__
