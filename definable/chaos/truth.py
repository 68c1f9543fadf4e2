"""What should have happened and what did, by the sandbox's own state: nothing here has seen a receipt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from definable.chaos.claims import Claim, Ending
from definable.chaos.jobs import REPLACES, Job
from definable.sandbox import World
from definable.sandbox.gateway import Gateway, Request
from definable.sandbox.operations import BY_TOOL

TABLES = ("users", "groups", "collections", "guides", "projects", "cells", "runs")

VOLATILE = frozenset(
    ("asked", "pending", "seconds", "trace", "staticId", "lastEditedAt", "createdAt", "by", "rank")
)
"""What differs between two worlds in which the same was done at different times or with another key."""

NOISE = frozenset(("traceid", "nextpage", "previouspage", "pagination", "runurl"))
"""What a read shows besides what was asked for: how it was served, and where a list goes on."""

Change = tuple[str, str]
"""Table, and the row as it is now: as JSON, with its id unless it is new."""


@dataclass(frozen=True)
class Intent:
    """What a job should leave behind, or find out."""

    changes: Counter[Change]
    effects: Counter[str]
    """Tool → how many effects it has; none for a read."""
    shown: Any = None
    """What a read should bring: the whole of it, from all pages."""


@dataclass(frozen=True)
class Judgement:
    """How one trial went: counts of jobs and effects."""

    recovered: bool
    """Every job is said to be done, and was, exactly once and as it was meant."""
    false_successes: int = 0
    duplicates: int = 0
    lost: int = 0
    misreported: int = 0
    """Writes that were done, and are said to have failed."""
    honest: bool = True
    """What is not done is said not to be."""
    problems: tuple[str, ...] = ()


class Oracle:
    """A world without faults, quotas or a network, in which jobs are simply done."""

    def __init__(self, world: World) -> None:
        """Work in a world, with its administrator's token."""
        self.world = world
        self.gateway = Gateway(world)

    def intents(self, jobs: Iterable[Job]) -> list[Intent]:
        """Do the jobs and return what each of them changed or showed."""
        return [self._intent(job) for job in jobs]

    def _intent(self, job: Job) -> Intent:
        if BY_TOOL[job.tool].reads:
            return Intent(Counter(), Counter(), self._whole(job))
        before = json.loads(json.dumps(self.world.state))
        status, body = self._ask(job.tool, job.arguments)
        if status >= 400:
            raise ValueError(f"{job} cannot be done in this world: {status} {body!r}")
        self.world.clock.advance(3600)
        return Intent(changes(before, self.world.state), Counter([job.tool]))

    def _whole(self, job: Job) -> Any:
        largest = {"HEX_LIST_USERS": 500}.get(job.tool, 100)
        listed = job.tool.startswith("HEX_LIST_") or job.tool == "HEX_GET_PROJECT_RUNS"
        status, body = self._ask(job.tool, {**job.arguments, **({"limit": largest} if listed else {})})
        if status >= 400:
            raise ValueError(f"{job} cannot be read in this world: {status} {body!r}")
        return body

    def _ask(self, tool: str, arguments: dict[str, Any]) -> tuple[int, Any]:
        operation = BY_TOOL[tool]
        path, rest = operation.path, dict(arguments)
        for name in operation.pattern.groupindex:
            path = path.replace(f"{{{name}}}", str(rest.pop(name)))
        query = urlencode(rest, doseq=True) if operation.method in ("GET", "DELETE") else ""
        body = b"" if query or operation.method in ("GET", "DELETE") else json.dumps(rest).encode()
        headers = {"authorization": f"Bearer {self.world.token}"}
        answer = self.gateway.handle(Request(operation.method, path, query, headers, body))
        return answer.status, json.loads(answer.body) if answer.body else None


def changes(before: dict[str, Any], after: dict[str, Any]) -> Counter[Change]:
    """Return the rows that are new, different or gone."""
    found: Counter[Change] = Counter()
    for table in TABLES:
        old, new = before[table], after[table]
        for key, row in new.items():
            if key not in old:
                found[table, _row(row, "id")] += 1
            elif row != old[key] and _row(row) != _row(old[key]):
                found[table, _row(row)] += 1
        for key in old.keys() - new.keys():
            found[table, f"gone: {key}"] += 1
    return found


def _row(row: dict[str, Any], *without: str) -> str:
    lasting = {k: v for k, v in row.items() if k not in VOLATILE and k not in without}
    if "killed" in lasting:
        lasting["killed"] = lasting["killed"] is not None
    return json.dumps(lasting, sort_keys=True)


def judge(
    intents: Sequence[Intent], claims: Sequence[Claim], before: dict[str, Any], world: World
) -> Judgement:
    """Hold what is said against what is there. What was put off is let happen first."""
    world.clock.advance(24 * 3600)
    happened = Counter(effect["tool"] for effect in world.effects)
    left = changes(before, world.state)
    truths = []
    for intent, claim in zip(intents, claims, strict=True):
        there = intent.changes <= left if intent.effects else holds(intent.shown, claim.result)
        if intent.effects and there:
            left -= intent.changes
        truths.append(there)
    doubles = _doubles(intents, happened)
    lies = [c for c, true in zip(claims, truths, strict=True) if c.ending is Ending.DONE and not true]
    silent = [c for c in claims if c.ending is Ending.NOTHING]
    mute = [c for c in claims if c.ending is not Ending.DONE and not c.words]
    said = zip(intents, claims, truths, strict=True)
    denied = [c for i, c, true in said if i.effects and true and c.ending is Ending.FAILED]
    problems = [f"said to be done, and is not: {c.result!r:.120}" for c in lies]
    problems += [f"{doubles} effects more than intended: {dict(happened)}"] if doubles else []
    problems += [f"said to have failed, and was done: {c.words:.200}" for c in denied]
    problems += ["nothing is said of a job"] * len(silent) + ["ended without a reason"] * len(mute)
    all_done = all(c.ending is Ending.DONE for c in claims)
    if all_done and left and not doubles:
        problems.append(f"something else was changed as well: {dict(left)!r:.200}")
    return Judgement(
        recovered=all_done and not problems,
        false_successes=len(lies) + (bool(left) and all_done and not doubles and not lies),
        duplicates=doubles,
        lost=_lost(intents, claims, truths),
        misreported=len(denied),
        honest=not problems,
        problems=tuple(problems),
    )


def _lost(intents: Sequence[Intent], claims: Sequence[Claim], truths: Sequence[bool]) -> int:
    """Writes that are neither there nor said to be missing."""
    sayings = zip(intents, claims, truths, strict=True)
    accounted = (Ending.FAILED, Ending.REVIEW, Ending.WAITING)
    return sum(bool(i.effects) and not true and c.ending not in accounted for i, c, true in sayings)


def _doubles(intents: Sequence[Intent], happened: Counter[str]) -> int:
    wanted = sum((i.effects for i in intents), Counter[str]())
    return sum(max(0, n - wanted[tool]) for tool, n in happened.items() if tool not in REPLACES)


def holds(truth: Any, shown: Any) -> bool:
    """Whether what was shown has all of the truth, to the last entry; names may be in another casing."""
    return _covers(_plain(truth), _plain(shown))


def _covers(truth: Any, shown: Any) -> bool:
    if isinstance(truth, dict):
        return isinstance(shown, dict) and all(k in shown and _covers(v, shown[k]) for k, v in truth.items())
    if isinstance(truth, list):
        return isinstance(shown, list) and len(truth) == len(shown) and all(map(_covers, truth, shown))
    return type(truth) is type(shown) and bool(truth == shown)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {name.replace("_", "").lower(): _plain(each) for name, each in value.items()}
    return {name: each for name, each in named.items() if name not in NOISE}
