"""The entries of tool results: where each stands, what it is called, what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from definable.calls import Json
from definable.models.offline.names import kind, points_to, singular, target, words
from definable.models.offline.seen import Result

TITLES = ("title", "name", "label", "displayName", "subject", "email", "filePath")
STARTS = ("startTime", "startedAt", "startDate", "createdAt", "endTime", "endedAt", "timestamp")
NOISE = frozenset({"errors", "warnings", "notifications", "stateEvents"})


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a result. `path` is where it stands in it (`values[3]`), `each` where all of them do."""

    kind: str
    fields: dict[str, Any]
    receipt: str
    tool: str
    path: str
    each: str
    asked: dict[str, Json]

    @property
    def id(self) -> str:
        """Its id: `id`, or `runId` for a run; empty when it has none."""
        return str(self.fields.get("id") or self.fields.get(f"{self.kind}Id") or "")

    @property
    def name(self) -> str:
        """What people call it; empty when it has no name."""
        named = next((self.fields[k] for k in TITLES if isinstance(self.fields.get(k), str)), "")
        return " ".join(named.split())

    @property
    def title(self) -> str:
        """What people call it, or its id."""
        return self.name or self.id

    @property
    def status(self) -> str:
        """Its status when that is one word, such as COMPLETED; else empty."""
        said = self.fields.get("status") or self.fields.get("state")
        return said if isinstance(said, str) else ""

    @property
    def date(self) -> str:
        """The day it began, YYYY-MM-DD; empty when that is not known."""
        said = next((self.fields[k] for k in STARTS if isinstance(self.fields.get(k), str)), "")
        return str(said)[:10]

    @property
    def moment(self) -> str:
        """When it began, as it stands there; sorts by time."""
        return str(next((self.fields[k] for k in STARTS if isinstance(self.fields.get(k), str)), ""))

    @property
    def hidden(self) -> bool:
        """Whether it was put away: archived, trashed, deleted."""
        return any(self.fields.get(k) for k in ("archivedAt", "trashedAt", "deletedAt"))

    @property
    def unpublished(self) -> bool:
        """Whether it says that it was never published."""
        return "lastPublishedAt" in self.fields and self.fields["lastPublishedAt"] is None

    def parents(self) -> Iterator[str]:
        """Yield the ids of what it belongs to: its own `…Id` fields, then those its call asked for."""
        for name, value in [*self.fields.items(), *self.asked.items()]:
            if isinstance(value, str) and points_to(name) and value != self.id:
                yield value


def records(results: tuple[Result, ...]) -> list[Record]:
    """Return the entries of all results, each thing once."""
    found: dict[tuple[str, str], Record] = {}
    for result in results:
        for record in _of(result):
            found.setdefault((record.kind, record.id or f"{record.receipt} {record.path}"), record)
    return list(found.values())


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield each plain value in nested objects with its path; lists are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif not isinstance(value, list):
        yield path, value


def owner(record: Record, by_id: dict[str, Record]) -> Record | None:
    """Return the thing that a record belongs to, when it was read as well."""
    return next((by_id[p] for p in record.parents() if p in by_id and by_id[p].kind != record.kind), None)


def _of(result: Result) -> Iterator[Record]:
    body = result.body
    if not isinstance(body, dict):
        return
    key = next((k for k, v in body.items() if k not in NOISE and _entries(v)), None)
    said = kind(result.use.tool) if target(result.use.tool) or not key else singular(key)
    if key is not None:
        for n, fields in enumerate(body[key]):
            yield Record(
                said,
                fields,
                result.receipt,
                result.use.tool,
                f"{key}[{n}]",
                f"{key}[*]",
                result.use.arguments,
            )
    elif any(words(k)[-1:] == ["id"] for k in body):
        yield Record(said, body, result.receipt, result.use.tool, "", "", result.use.arguments)


def _entries(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
