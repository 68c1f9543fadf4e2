"""What it costs to know that a 10 KB response is what it should be: parsing, validation, a drift's errors.

Run it with `python -m benchmarks.validation`. Each figure is the best of some repeats, in µs per response,
and beside it the median. A contract is measured as the Verifier uses it, the others as their documents show.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import cycle, islice
from statistics import median
from typing import Any

import jsonschema
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from benchmarks.drift import AT, benches
from definable.calls import Lesson
from definable.toolkits.answer import read_body
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import Record, sample
from definable.verify.repair import repair

REPEATS = 25
SIZE = 10_000
BAR = 60
"""Microseconds at the median that a list whose entries are as they were may take."""


class Person(BaseModel):
    """Who made or owns it."""

    email: str


class Views(BaseModel):
    """Views by time."""

    allTime: int
    lastSevenDays: int


class Analytics(BaseModel):
    """What is known of its use."""

    appViews: Views
    lastViewedAt: str | None


class Project(BaseModel):
    """One entry of the list."""

    id: str
    title: str
    description: str | None
    type: str
    creator: Person
    owner: Person | None
    analytics: Analytics
    createdAt: str
    archivedAt: str | None


class Pagination(BaseModel):
    """Where the list goes on."""

    after: str | None
    before: str | None


class Projects(BaseModel):
    """The response."""

    values: list[Project]
    pagination: Pagination


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the same response, as a contract has it."""
    made = Projects.model_json_schema()
    return {key: value for key, value in made.items() if key != "title"}


def response(size: int = SIZE) -> dict[str, Any]:
    """Return a list of projects of about `size` bytes, with properties that the contract does not declare."""
    entry: dict[str, Any] = {
        "title": "Weekly revenue by region and channel",
        "description": "What came in, by region, against the plan",
        "type": "PROJECT",
        "creator": {"email": "ana@example.com"},
        "owner": {"email": "ben@example.com"},
        "status": {"name": "Approved"},
        "categories": [{"name": "Revenue", "description": None}],
        "analytics": {
            "appViews": {"allTime": 1204, "lastSevenDays": 31, "lastFourteenDays": 60, "lastThirtyDays": 144},
            "lastViewedAt": "2026-10-05T08:12:11.000Z",
        },
        "createdAt": "2026-01-12T10:00:00.000Z",
        "archivedAt": None,
        "schedules": [],
    }
    values: list[dict[str, Any]] = []
    while len(json.dumps(values)) < size:
        values.append({"id": f"0193a2c4-0000-7000-8000-{len(values):012d}", **entry})
    return {"values": values, "pagination": {"after": "eyJpZCI6MX0", "before": None}}


def microseconds(work: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, float]:
    """Return the best and the median time of one call of `work`, in µs."""
    work()  # what is compiled once is not part of a call, nor of how many calls make a sample
    start = time.perf_counter()
    work()
    rounds = max(1, int(0.01 / max(time.perf_counter() - start, 1e-7)))
    taken: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        taken.append((time.perf_counter() - start) / rounds * 1e6)
    return min(taken), median(taken)


def cases() -> list[tuple[str, Callable[[], Any]]]:
    """Return what is measured."""
    body = response()
    raw = json.dumps(body).encode()
    contract = Contract(schema(), reads=("pagination.after",))
    slow = jsonschema.Draft202012Validator(contract.schema)
    entries = [
        {**{k: v for k, v in each.items() if k != "title"}, "Title": each["title"]} for each in body["values"]
    ]
    drifted = {**body, "values": entries}
    return [
        ("json.loads alone", lambda: json.loads(raw)),
        ("contract: json.loads and settled", lambda: contract.settled(json.loads(raw))),
        ("contract: settled (valid, nothing renamed)", lambda: contract.settled(body)),
        ("contract: valid", lambda: contract.valid(body)),
        ("pydantic: model_validate_json", lambda: Projects.model_validate_json(raw)),
        ("pydantic: model_validate", lambda: Projects.model_validate(body)),
        ("jsonschema: json.loads and is_valid", lambda: slow.is_valid(json.loads(raw))),
        ("jsonschema: is_valid", lambda: slow.is_valid(body)),
        ("drift: contract.violations", lambda: contract.violations(drifted)),
        ("drift: repair of a renamed field, validated again", lambda: repair(contract, drifted)),
    ]


def shipped(used: bool = False) -> tuple[bytes, Callable[[], Any]]:
    """Return a list of projects as the sandbox has it, of about 10 KB, and its whole way to a verdict.

    The body is read as the adapter reads it, and held against the shipped contract and a healthy sample that
    has the same projects; `used` says that somebody has looked at each of them since.
    """
    bench = next(each for each in benches() if each.slug == "HEX_LIST_PROJECTS")
    values = list(islice(cycle(bench.body["values"]), 2 * len(bench.body["values"])))
    while len(json.dumps(values)) > SIZE:
        values.pop()
    body = {**bench.body, "values": values}
    lesson = Lesson(
        seq=1, at=AT, toolkit="hex", tool=bench.slug, kind="sample", data=sample(bench.arguments, body)
    )
    if used:
        body = {**body, "values": [_viewed(each) for each in values]}
    raw = json.dumps(body).encode()
    known = Record([lesson]).at(bench.toolkit, bench.slug, 1, AT)
    tool = bench.toolkit.tools[bench.slug]

    def verified() -> None:
        read, _ = read_body(raw, "application/json")
        if not Judge(bench.contract, tool, bench.slug, bench.arguments, known).settled(read):
            raise AssertionError("a healthy answer was not taken for one")

    return raw, verified


def _viewed(project: dict[str, Any]) -> dict[str, Any]:
    known = project["analytics"]
    views = {name: often + 7 for name, often in known["appViews"].items()}
    return {**project, "analytics": {**known, "appViews": views}}


def main() -> None:
    """Print the table."""
    raw, verified = shipped()
    _, viewed = shipped(used=True)
    size = len(json.dumps(response()).encode())
    table = Table("step", "best µs", "median µs", title=f"Validation of a response of {size:,} bytes")
    named = f"as shipped: {len(raw):,} bytes of HEX_LIST_PROJECTS, read and verified"
    changed = "the same, each of its projects viewed since"
    for name, work in [(f"{named} (bar: {BAR} µs)", verified), (changed, viewed), *cases()]:
        best, middle = microseconds(work)
        table.add_row(name, f"{best:,.0f}", f"{middle:,.0f}")
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
