"""The record of contracts under heavy use: what is kept of very many healthy answers, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from definable.calls import Exchange, Lesson, Outcome, Phase, Send
from definable.graph.lessons import Lessons
from definable.sandbox import World
from definable.sandbox.gateway import Gateway, Request
from definable.spec.toolkit import Toolkit
from definable.store import RunRow, RunStatus, Store, open_store
from definable.verify.case import Catalog
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import AMONG, KEPT, MOST, Record, sample, stamp
from definable.verify.repair import Repair
from definable.workspace import find

Json = Any
Answer = tuple[dict[str, Json], Json]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KIT: Toolkit = find(Path(__file__).parents[2], {}).toolkit_of("HEX_ME")


class Used:
    """A record in a store, and a clock that is moved by hand."""

    def __init__(self, place: Path) -> None:
        """Open the store."""
        self.now = NOON
        self.store: Store = open_store(place / "x.db", lambda: self.now)
        tools = {slug: (KIT, tool) for slug, tool in KIT.tools.items()}
        self.lessons = Lessons(self.store, Catalog(tools), lambda: self.now)

    def reads(self, tool: str, arguments: dict[str, Json], body: Json, **later: float) -> None:
        """Take in one healthy answer."""
        outcome = Outcome(
            phase=Phase.COMMITTED,
            status=200,
            body=body,
            media="json",
            at=stamp(self.now),
            known=self.lessons.refresh(),
        )
        order = Send(tool=tool, arguments=arguments, role="call")
        self.lessons.noticed(Exchange(call="c", n=0, order=order, reply=outcome))
        self.now += timedelta(**later)

    def samples(self) -> list[Lesson]:
        """Return the samples that the store has."""
        return [each for each in self.store.known() if each.kind == "sample"]


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Used]:
    """An empty record."""
    used = Used(tmp_path)
    yield used
    used.store.close()


def project(random: Random) -> dict[str, Json]:
    """Return a project of which whatever may be left out or null is so at random."""
    body: dict[str, Json] = json.loads(json.dumps(answers()["HEX_GET_PROJECT"][0][1]))
    for name in ("description", "archivedAt", "trashedAt", "lastPublishedAt", "status"):
        body[name] = random.choice([None, body[name]])
    if random.random() < 0.5:
        del body["schedules"]
    mail = f"{random.randrange(10**9)}@example.com"
    times = {
        key: f"2025-01-01T00:00:00.{random.randrange(1000):03}Z" for key in ("createdAt", "lastEditedAt")
    }
    new = {"id": str(UUID(int=random.getrandbits(128))), "title": mail, "creator": {"email": mail}}
    return {**body, **new, **times}


def test_very_many_answers_that_differ_leave_few_samples(used: Used) -> None:
    """Two thousand reads of a day, each of another form: a few dozen rows, and a bound on their bytes."""
    random = Random(1)
    for n in range(2000):
        used.reads("HEX_GET_PROJECT", {"projectId": f"{n}"}, project(random), seconds=43)
    kept = used.samples()
    assert KEPT < len(kept) <= MOST
    assert sum(len(json.dumps(each.data)) for each in kept) < 2_000_000


def test_each_way_to_ask_has_samples_of_its_own_and_none_crowds_out_the_rest(used: Used) -> None:
    """First pages and later ones of a list; the bound of a day holds for all of them together."""
    random = Random(2)
    for n in range(300):
        body = {
            "values": [project(random) for _ in range(3)],
            "pagination": {"after": f"c{n}", "before": None},
        }
        used.reads("HEX_LIST_PROJECTS", {"limit": 3, **({"after": "x"} if n % 4 else {})}, body, seconds=60)
    known = used.lessons.record.at(KIT, "HEX_LIST_PROJECTS", used.lessons.refresh(), stamp(used.now))
    assert known is not None
    assert [len(known.alike(a)) for a in ({"limit": 9}, {"limit": 9, "after": "y"})] == [KEPT, KEPT]
    for n in range(200):
        used.reads("HEX_LIST_PROJECTS", {f"x{n}": 1}, body, seconds=1)
        if n == 0:
            print(
                len(used.samples()),
                KIT.toolkit,
                __import__("definable.verify.judge", fromlist=["x"]).Judge(
                    Contract.of_response(KIT, KIT.tools["HEX_LIST_PROJECTS"]),
                    KIT.tools["HEX_LIST_PROJECTS"],
                    "HEX_LIST_PROJECTS",
                    {"x": 1},
                    used.lessons.record.at(KIT, "HEX_LIST_PROJECTS", used.lessons.refresh(), stamp(used.now)),
                )(body),
            )
    assert len(used.samples()) == MOST


def test_a_long_list_is_cut_and_its_length_is_remembered(used: Used) -> None:
    """So that some of a list is not taken for all of it."""
    body = {"values": [project(Random(n)) for n in range(100)], "pagination": {"after": None, "before": None}}
    used.reads("HEX_LIST_PROJECTS", {"limit": 100}, body)
    (kept,) = used.samples()
    assert len(json.dumps(kept.data)) < 70_000
    assert len(kept.data["body"]["values"]) < 100
    known = used.lessons.record.at(KIT, "HEX_LIST_PROJECTS", kept.seq, kept.at)
    assert known is not None
    assert known.size({"limit": 100}, ("values",)) == 100
    assert sample({}, {"values": ["x" * 100_000]}) is None


def test_old_samples_go_but_for_those_by_which_a_run_may_have_been_judged(used: Used) -> None:
    """A record that is in use for a month has the samples of the last day or two, and the last before."""
    random = Random(3)
    for n in range(30 * 24):
        if n == 10 * 24:
            run = RunRow(id="r", workflow="w", definition={}, inputs={})
            used.store.create_run(run)
            began = used.lessons.refresh()
        used.reads("HEX_GET_PROJECT", {"projectId": f"{n}"}, project(random), hours=1)
    assert len([each for each in used.samples() if each.seq <= began]) >= AMONG
    assert len(used.samples()) > 15 * 24
    used.store.set_status("r", RunStatus.DONE)
    used.reads("HEX_GET_PROJECT", {"projectId": "last"}, project(random))
    assert AMONG < len(used.samples()) < AMONG + 2 * MOST


def test_what_is_gone_for_good_is_told_for_a_day_and_then_known(used: Used) -> None:
    """One project is asked for all the time; somebody clears its description."""
    full = project(Random(4)) | {"description": "What came in, by region"}
    for n in range(4 * 24):
        body = full if n < 24 else full | {"description": None}
        tool, asked = KIT.tools["HEX_GET_PROJECT"], {"projectId": "x"}
        contract = Contract.of_response(KIT, tool)
        assert contract is not None
        seq = used.lessons.refresh()
        known = used.lessons.record.at(KIT, "HEX_GET_PROJECT", seq, stamp(used.now))
        found = Judge(contract, tool, "HEX_GET_PROJECT", asked, known)(body)
        assert isinstance(found, Repair)
        assert bool(found.doubts) == (24 <= n <= 48), n
        used.reads("HEX_GET_PROJECT", asked, body, hours=1)


def answers() -> dict[str, list[Answer]]:
    """Return what the sandbox answers to its reads: lists page by page in several sizes, and each object."""
    if _answers:
        return _answers
    world = World(quotas=False)
    gateway, headers = Gateway(world), {"authorization": f"Bearer {world.token}"}

    def get(path: str, **query: Json) -> Json:
        asked = "&".join(f"{key}={value}" for key, value in query.items())
        return json.loads(gateway.handle(Request("GET", f"/v1/{path}", asked, headers, b"")).body)

    def pages(path: str, **asked: Json) -> Iterator[Answer]:
        after = None
        while after != "":
            arguments = {**asked, **({"after": after} if after else {})}
            body = get(path, **arguments)
            after = body["pagination"]["after"] or ""
            yield arguments, body

    lists = ("projects", "users", "groups", "collections")
    for name in lists:
        found = [page for size in (2, 3, 8, 100) for page in pages(name, limit=size)]
        _answers[f"HEX_LIST_{name.upper()}"] = found
    ids = [each["id"] for each in get("projects", limit=100)["values"]]
    _answers["HEX_GET_PROJECT"] = [({"projectId": each}, get(f"projects/{each}")) for each in ids]
    cells = [page for each in ids for page in pages("cells", projectId=each, limit=100)]
    _answers["HEX_LIST_CELLS"] = cells
    ids = [each["id"] for _, body in cells for each in body["values"]]
    _answers["HEX_GET_CELL"] = [({"cellId": each}, get(f"cells/{each}")) for each in ids]
    return _answers


_answers: dict[str, list[Answer]] = {}


def test_healthy_answers_are_known_for_what_they_are_however_they_differ() -> None:
    """All pages in all sizes, all objects, after three of each tool: nothing to look into, to heal or to say.

    The last page of a list, which leads nowhere, is no worse than those before it.
    """
    seen, quick = 0, 0
    for slug, found in answers().items():
        contract = Contract.of_response(KIT, KIT.tools[slug])
        assert contract is not None
        rows = [
            Lesson(seq=n, at=stamp(NOON), toolkit="hex", tool=slug, kind="sample", data=sample(*each))
            for n, each in enumerate(found[:3], 1)
        ]
        known = Record(rows).at(KIT, slug, 3, stamp(NOON))
        for arguments, body in found:
            judge = Judge(contract, KIT.tools[slug], slug, arguments, known)
            seen, quick = seen + 1, quick + judge.settled(body)
            assert judge(body) == Repair(body)
    assert seen > 80
    assert quick >= 0.95 * seen
