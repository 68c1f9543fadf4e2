"""Drifted responses: how many are noticed, healed, and healed wrongly. `python -m benchmarks.drift [SEED]`.

The bodies are the sandbox's own answers to ten reads of Hex. For each, one healthy answer is known; then the
same question is answered in a changed form, drawn at random (`mutations.py`). Healed means: every declared
property equal to the unchanged answer's. A change `carries` when each value is still there and something
tells it from the others; the rest should be noticed and left alone. Beside it, what other validators notice.
"""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.edits import EDITS
from benchmarks.heldout import HELD_OUT, Draw
from benchmarks.mutations import BREAKING, Drawn, Source, added, objects
from benchmarks.readers import readers
from benchmarks.timing import show
from definable.calls import Lesson
from definable.sandbox import World
from definable.sandbox.gateway import Gateway, Request
from definable.spec.toolkit import Toolkit
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import Record, sample
from definable.verify.repair import Repair
from definable.verify.rows import canon, places, targets
from definable.workspace import find

Json = Any
PROJECT = "85451515-12ab-55f4-85f5-d73048b59eae"
AT = "2026-01-01T00:00:00.000Z"
READS: dict[str, tuple[str, dict[str, Json]]] = {
    "HEX_LIST_PROJECTS": ("/v1/projects", {"limit": 8}),
    "HEX_GET_PROJECT": (f"/v1/projects/{PROJECT}", {"projectId": PROJECT}),
    "HEX_LIST_CELLS": ("/v1/cells", {"projectId": PROJECT, "limit": 4}),
    "HEX_LIST_USERS": ("/v1/users", {"limit": 5}),
    "HEX_LIST_GROUPS": ("/v1/groups", {"limit": 4}),
    "HEX_LIST_COLLECTIONS": ("/v1/collections", {"limit": 3}),
    "HEX_LIST_DATA_CONNECTIONS": ("/v1/data-connections", {"limit": 2}),
    "HEX_ME": ("/v1/users/me", {}),
}


@dataclass(frozen=True)
class Bench:
    """One tool: its contract, what is known of it, and the healthy answer."""

    toolkit: Toolkit
    slug: str
    arguments: dict[str, Json]
    body: Json
    record: Record

    @property
    def contract(self) -> Contract:
        """The contract of its response."""
        found = Contract.of_response(self.toolkit, self.toolkit.tools[self.slug])
        assert found is not None
        return found

    def judge(self, body: Json) -> Any:
        """Return what the Verifier makes of a body."""
        known = self.record.at(self.toolkit, self.slug, self.record.seq, AT)
        tool = self.toolkit.tools[self.slug]
        return Judge(self.contract, tool, self.slug, self.arguments, known, follows=True)(body)

    @property
    def source(self) -> Source:
        """What may be changed: what the contract declares and the body has."""
        fields = []
        for place in places(self.contract):
            for path in targets(self.contract, place.schema):
                where, name = (*place.path, *path[:-1]), path[-1]
                if (where == () and name in ("values", "pagination")) or "pagination" in where:
                    continue
                fields.append((where, name))
        held = [(where, name) for where, name in fields if _there(self.body, where, name)]
        paging = self.toolkit.tools[self.slug].paging
        items, following = (paging.items, paging.next) if paging else ("", "")
        return Source(self.body, tuple(held), items, following)


def _there(body: Json, where: tuple[str, ...], name: str) -> bool:
    return any(name in each for each in objects(body, where))


def benches() -> list[Bench]:
    """Return the tools, each with one healthy answer of its own and those of the others in the record."""
    world = World(quotas=False)
    gateway, headers = Gateway(world), {"authorization": f"Bearer {world.token}"}
    toolkit = find(Path(__file__).parent.parent, {}).toolkit_of("HEX_ME")
    bodies = {}
    for slug, (path, arguments) in READS.items():
        query = "&".join(f"{k}={v}" for k, v in arguments.items() if f"/{v}" not in path)
        bodies[slug] = json.loads(gateway.handle(Request("GET", path, query, headers, b"")).body)
    out = []
    for slug, (_, arguments) in READS.items():
        lesson = Lesson(
            seq=1,
            at=AT,
            toolkit="hex",
            tool=slug,
            kind="sample",
            data=sample(arguments, earlier(bodies[slug])),
        )
        out.append(Bench(toolkit, slug, arguments, bodies[slug], Record([lesson])))
    return out


def earlier(body: Json) -> Json:
    """Return the answer as it may have been before: without its first entry, another one not yet edited."""
    out = copy.deepcopy(body)
    entries = out.get("values", [])
    if len(entries) > 3:
        del entries[0]
        texts = [key for key, value in entries[-1].items() if isinstance(value, str) and key != "id"]
        for key in texts[:2]:
            entries[-1][key] = f"{key} as it was before"
    return out


def declared(contract: Contract, schema: Json, value: Json) -> Json:
    """Return `value` with declared properties only."""
    shape = contract.solid(schema)
    if isinstance(value, dict) and "object" in shape.types:
        return {
            k: declared(contract, shape.properties[k], v) for k, v in value.items() if k in shape.properties
        }
    if isinstance(value, list) and shape.items is not None:
        return [declared(contract, shape.items, each) for each in value]
    return value


@dataclass
class Tally:
    """What became of the changes of one class."""

    tried: int = 0
    noticed: int = 0
    carrying: int = 0
    healed: int = 0
    healed_besides: int = 0
    wrong: int = 0


def run(
    seed: int, rounds: int, classes: Mapping[str, Draw] = BREAKING
) -> tuple[dict[str, Tally], Tally, list[str]]:
    """Try every class on every tool, `rounds` times; return the tallies, that of additions, and problems."""
    random, problems = Random(seed), list[str]()
    tallies = {name: Tally() for name in classes}
    additions = Tally()
    for bench in benches():
        source = bench.source
        for name, draw in classes.items():
            for _ in range(rounds):
                drawn = draw(random, source)
                if drawn is not None and _breaks(bench, drawn):
                    _count(tallies[name], bench, drawn, name, problems)
        for _ in range(rounds * 4):
            drawn = added(random, source)
            found = bench.judge(drawn.body)
            additions.tried += 1
            if not isinstance(found, Repair) or found.heals or found.doubts:
                additions.wrong += 1
                problems.append(f"false alarm on an addition: {bench.slug}: {found}"[:400])
    return tallies, additions, problems


@dataclass
class Edited:
    """What became of edits of the data: how many were tried, stopped a run, or left a word in a receipt."""

    tried: int = 0
    stopped: int = 0
    noted: int = 0
    problems: list[str] = field(default_factory=list)


def edits(seed: int, rounds: int) -> dict[str, Edited]:
    """Try every kind of edit on every tool, `rounds` times."""
    random, out = Random(seed), {kind: Edited() for kind in EDITS}
    for bench in benches():
        for kind, draw in EDITS.items():
            for body in (draw(random, bench.source) for _ in range(rounds)):
                if body is not None:
                    _edited(out[kind], bench, bench.judge(body))
    return out


def _edited(tally: Edited, bench: Bench, found: Any) -> None:
    tally.tried += 1
    if isinstance(found, Repair) and not found.heals:
        tally.noted += bool(found.doubts)
        return
    tally.stopped += 1
    why = found.heals if isinstance(found, Repair) else found.tried
    tally.problems.append(f"stopped by an edit: {bench.slug}: {why}"[:400])


def _breaks(bench: Bench, drawn: Drawn) -> bool:
    """Whether a change touches anything that is declared."""
    contract = bench.contract
    before, after = (declared(contract, contract.schema, body) for body in (bench.body, drawn.body))
    # As text: to Python, True is 1.
    return json.dumps(before) != json.dumps(after)


def _count(tally: Tally, bench: Bench, drawn: Drawn, name: str, problems: list[str]) -> None:
    contract = bench.contract
    found = bench.judge(drawn.body)
    wanted = declared(contract, contract.schema, bench.body)
    tally.tried += 1
    tally.carrying += drawn.carries
    if isinstance(found, Repair):
        got = declared(contract, contract.schema, found.body)
        tally.noticed += bool(found.heals or found.doubts)
        if not (found.heals or found.doubts):
            problems.append(f"not noticed: {bench.slug}, {name}: {_differing(wanted, got)}")
        if json.dumps(got, sort_keys=True) == json.dumps(wanted, sort_keys=True):
            tally.healed += drawn.carries
            tally.healed_besides += not drawn.carries
        elif not part_of(got, wanted) and found.heals:
            tally.wrong += 1
            problems.append(f"WRONG: {bench.slug}, {name}: {[h.detail for h in found.heals]}")
        elif drawn.carries:
            problems.append(f"not healed: {bench.slug}, {name}: {found.doubts}"[:300])
        return
    tally.noticed += 1
    if drawn.carries:
        problems.append(f"not healed: {bench.slug}, {name}: {found.tried[:3]} {found.added[:4]}"[:300])


def part_of(got: Json, wanted: Json) -> bool:
    """Whether nothing differs but what is left out, null, or of another type, as it came and may be."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        return all(got[k] is None or (k in wanted and part_of(got[k], wanted[k])) for k in got)
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(part_of, got, wanted))
    return canon(got) == canon(wanted)


def _differing(wanted: Json, got: Json) -> str:
    return "" if wanted == got else f"{json.dumps(got)[:150]}"


def others(seed: int, rounds: int) -> list[list[str]]:
    """Return what other ways of checking notice of the same changes, and of additions."""
    random = Random(seed)
    noticed, tried, alarms = Counter[str](), 0, Counter[str]()
    for bench in benches():
        source, checks = bench.source, readers(bench.contract)
        for draw in BREAKING.values():
            for _ in range(rounds):
                drawn = draw(random, source)
                if drawn is not None and _breaks(bench, drawn):
                    tried += 1
                    noticed.update(name for name, passes in checks.items() if not passes(drawn.body))
        for _ in range(rounds):
            body = added(random, source).body
            alarms.update(name for name, passes in checks.items() if not passes(body))
    return [[name, f"{noticed[name] / tried:.1%}", str(alarms[name])] for name in checks]


def main(seed: int = 1) -> None:
    """Print the tables."""
    heads = ["class", "tried", "noticed", "carry", "healed of those", "healed besides", "healed wrongly"]
    tallies, additions, problems = run(seed, 12)
    rows = [_row(name, tally) for name, tally in tallies.items()]
    rows.append(_row("all", summed(tallies.values())))
    notes = f"additive changes: {additions.tried} tried, {additions.wrong} false alarms"
    show(
        f"Drifted responses, seed {seed}",
        heads,
        rows,
        notes,
    )
    tallies, _, more = run(seed, 8, HELD_OUT)
    rows = [*[_row(name, tally) for name, tally in tallies.items()], _row("all", summed(tallies.values()))]
    show(f"Classes that the rules were not made for, seed {seed}", heads, rows)
    edited = edits(seed, 12)
    rows = [[kind, str(t.tried), str(t.stopped), str(t.noted)] for kind, t in edited.items()]
    show("What people do with their data", ["edit", "tried", "stopped a run", "a word in the receipt"], rows)
    show("The breaking ones, noticed by others", ["reader", "noticed", "false alarms"], others(seed, 4))
    if "-v" in sys.argv:
        stopped = [text for each in edited.values() for text in each.problems]
        for text, often in Counter([*problems, *more, *stopped]).most_common():
            print(often, text)


def _row(name: str, t: Tally) -> list[str]:
    share = f"{t.healed / t.carrying:.1%}" if t.carrying else "-"
    noticed = f"{t.noticed / t.tried:.1%}" if t.tried else "-"
    return [name, str(t.tried), noticed, str(t.carrying), share, str(t.healed_besides), str(t.wrong)]


def summed(tallies: Iterable[Tally]) -> Tally:
    """Return the tallies as one."""
    out = Tally()
    for each in tallies:
        for name in vars(out):
            setattr(out, name, getattr(out, name) + getattr(each, name))
    return out


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
