"""Lists that are read to their end, from servers that page in a changed way: all of it, or no result."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from definable.calls import Ask, Outcome, Phase, Receipt, Send, ToolCall
from definable.verify.case import Catalog
from definable.verify.flow import advance, settle
from definable.verify.record import Record, sample
from tests.unit.test_judge import KIT, NOON, lesson, paper

Json = Any
ALL = [
    {**paper(n % 4), "id": f"{n:08x}-0000-4000-8000-00000000000a", "title": f"Paper {n} of many"}
    for n in range(25)
]


def page(asked: dict[str, Json], largest: int = 9) -> tuple[list[Json], str | None]:
    """Return the entries of a page and the cursor to the next one; an unknown cursor leads to the first."""
    cursor = str(asked.get("from", ""))
    start = int(cursor[1:]) if cursor[1:].isdigit() else 0
    end = start + min(asked["limit"], largest)
    return copy.deepcopy(ALL[start:end]), f"c{end}" if end < len(ALL) else None


def read(
    answers: Callable[[dict[str, Json]], Json], record: Record | None = None, doubled: tuple[str, ...] = ()
) -> Receipt | Ask:
    """Read the list from a server; nothing is known of it, unless there is a record."""
    record = record or Record()
    catalog = Catalog({slug: (KIT, tool) for slug, tool in KIT.tools.items()}, record=record)
    flow = settle(ToolCall(id="c", run="r", step="s", tool="LIST", arguments={}), catalog)
    step = advance(flow, None)
    for _ in range(50):
        if not isinstance(step, Send):
            return step
        body = answers(dict(step.arguments))
        outcome = Outcome(phase=Phase.COMMITTED, status=200, body=body, media="json", at=NOON)
        step = advance(flow, outcome.model_copy(update={"known": record.seq, "doubled": doubled}))
    raise AssertionError("it reads on and on")


def said(items: list[Json], cursor: str | None, **more: Json) -> dict[str, Json]:
    """Return a page as the contract wants it."""
    return {"papers": items, "paging": {"next": cursor}, **more}


def moved(make: Callable[[str | None], dict[str, Json]]) -> Callable[[dict[str, Json]], Json]:
    """Return a server that puts its cursor elsewhere."""

    def answers(asked: dict[str, Json]) -> Json:
        items, cursor = page(asked)
        return {"papers": items, "paging": {}, **make(cursor)}

    return answers


def overlapping(asked: dict[str, Json]) -> Json:
    """Each page begins with two entries of the one before."""
    start = int(asked.get("from", "c2")[1:])
    return said(*page({**asked, "from": f"c{start - 2}"}))


def now_and_then(asked: dict[str, Json]) -> Json:
    """Every other page comes from a server that has changed."""
    items, cursor = page(asked)
    return {"papers": items, "nextCursor": cursor} if "from" in asked else said(items, cursor)


WHOLE: dict[str, Callable[[dict[str, Json]], Json]] = {
    "as ever": lambda asked: said(*page(asked)),
    "nextCursor": moved(lambda c: {"nextCursor": c}),
    "links.next": moved(lambda c: {"links": {"next": c}}),
    "meta.cursor": moved(lambda c: {"meta": {"cursor": c}}),
    "page_token, left out at the end": moved(lambda c: {"page_token": c} if c else {}),
    "page_token, empty at the end": moved(lambda c: {"page_token": c or ""}),
    "an address": moved(lambda c: {"links": {"next": c and f"https://x.example/p?from={c}&limit=9"}}),
    "empty at the end": lambda asked: said(page(asked)[0], page(asked)[1] or ""),
    "left out at the end": moved(lambda c: {"paging": {"next": c} if c else {}}),
    "in an envelope with something beside": lambda asked: {"data": said(*page(asked)), "meta": {"v": 1}},
    "with entries of the page before": overlapping,
    "changed on every other page": now_and_then,
    "more, and it says so": lambda asked: said(*page(asked), hasMore=page(asked)[1] is not None),
}
PART: dict[str, Callable[[dict[str, Json]], Json]] = {
    "no cursor": moved(lambda c: {}),
    "no cursor and no place for it": lambda asked: {"papers": page(asked)[0]},
    "no cursor and pages that are smaller than asked for": lambda asked: {
        "papers": page(asked, 5)[0],
        "paging": {},
    },
    "no cursor, but more": lambda asked: said(page(asked, 5)[0], None, hasMore=True),
    "no cursor, but more, beside it": lambda asked: {
        "papers": page(asked, 5)[0],
        "paging": {"next": None, "has_next_page": True},
    },
    "an address that wants another parameter": moved(lambda c: {"links": {"next": f"https://x/p?after={c}"}}),
    "a token of something else": moved(lambda c: {"requestToken": "abc"}),
    "the way back": moved(lambda c: {"prevCursor": "c0"}),
    "the number of the page": moved(lambda c: {"page": 1}),
    "a cursor that is not looked at": lambda asked: said(page({"limit": 9})[0], "c9"),
}


@pytest.mark.parametrize("answers", WHOLE.values(), ids=WHOLE)
def test_a_list_is_read_to_its_end_wherever_the_way_on_stands(answers: Callable[..., Json]) -> None:
    """At the very first call, when nothing is known; what was done is told once, however many pages."""
    receipt = read(answers)
    assert isinstance(receipt, Receipt)
    assert receipt.status == "verified", receipt.message
    assert receipt.result["papers"] == ALL
    assert len(receipt.heals) == len({(heal.rule, heal.detail) for heal in receipt.heals})


@pytest.mark.parametrize("answers", PART.values(), ids=PART)
def test_a_part_is_never_taken_for_the_whole(answers: Callable[..., Json]) -> None:
    """Where the way on is not found, there is no result, or a person is asked about the changed form."""
    end = read(answers)
    assert isinstance(end, Ask) or end.status == "failed"


@pytest.mark.parametrize(("name", "short"), [("total", 2), ("totalCount", 1), ("total_items", 3)])
def test_a_number_of_entries_that_is_not_reached_is_no_whole(name: str, short: int) -> None:
    """The product says how many there are, and shows fewer, with no way on."""

    def answers(asked: dict[str, Json]) -> Json:
        return {"papers": copy.deepcopy(ALL[:-short]), "paging": {"next": None, name: len(ALL)}}

    receipt = read(answers)
    assert isinstance(receipt, Receipt)
    assert receipt.status == "failed"
    assert f"there are {len(ALL)} entries, and shows {len(ALL) - short}" in receipt.message


def test_a_number_of_entries_that_is_reached_says_nothing() -> None:
    """It is an addition like any other."""
    receipt = read(lambda asked: {"papers": copy.deepcopy(ALL), "paging": {"next": None, "total": len(ALL)}})
    assert isinstance(receipt, Receipt)
    assert receipt.status == "verified"


def exchanged(asked: dict[str, Json]) -> Json:
    """Title and moment have changed places."""
    items, cursor = page(asked)
    return said([{**each, "title": each["madeAt"], "madeAt": each["title"]} for each in items], cursor)


@pytest.mark.parametrize("entries", [slice(0, 9), slice(9, 25)])
def test_pages_of_one_list_that_would_be_read_in_two_ways_are_no_result(entries: slice) -> None:
    """Where known things prove an exchange on some pages only, the others are not taken as they came."""
    record = Record([lesson(1, "LIST", "sample", sample({"limit": 9}, said(ALL[entries], None)))])
    found = read(exchanged, record)
    assert isinstance(found, Receipt)
    assert "only on some pages papers[*].madeAt ↔ papers[*].title" in found.message
    assert found.status == "failed"


def test_pages_that_are_all_read_in_one_way_are_one_list() -> None:
    """Something known is on each of them."""
    record = Record([lesson(1, "LIST", "sample", sample({"limit": 9}, said(ALL, None)))])
    found = read(exchanged, record)
    assert isinstance(found, Receipt)
    assert found.result["papers"] == ALL
    assert [heal.drift for heal in found.heals] == ["values_exchanged"]


def test_a_name_that_stands_twice_is_for_a_person_where_it_is_read() -> None:
    """Which of two titles is right, nothing tells; what nobody declared may stand as often as it likes."""
    plain = moved(lambda cursor: {"paging": {"next": cursor}})
    found = read(plain, doubled=("title",))
    assert isinstance(found, Ask)
    assert "'title' is there twice" in str(found)
    assert isinstance(read(plain, doubled=("zusatz",)), Receipt)
