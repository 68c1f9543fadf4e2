"""Plants the workspace of seed.yaml. The same seed and time give the same one; ids hang on the seed alone."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from importlib.resources import files

from definable.sandbox.answers import Json
from definable.sandbox.ids import make_id
from definable.spec.source import read_file

DAY = 86_400.0
VIEWS = ("allTime", "lastSevenDays", "lastFourteenDays", "lastThirtyDays")
SPAN = 10
"""Days of run history."""


def plant(seed: int, now: float) -> dict[str, Json]:
    """Return the state of a new world."""
    data = read_file(files("definable.sandbox") / "seed.yaml", "seed.yaml").data
    grow = _Planter(seed, now, data)
    return {
        "org": {"id": make_id(seed, "org", data["org"]), "name": data["org"]},
        "admin": grow.key("user", data["admin"]),
        "statuses": data["statuses"],
        "categories": data["categories"],
        "users": _table(grow.user(key, u) for key, u in data["users"].items()),
        "groups": _table(grow.group(key, g) for key, g in data["groups"].items()),
        "connections": _table(grow.connection(key, c) for key, c in data["connections"].items()),
        "collections": _table(grow.collection(key, c) for key, c in data["collections"].items()),
        "guides": _table(grow.guide(key, g) for key, g in data["guides"].items()),
        "projects": _table(grow.project(key, p) for key, p in data["projects"].items()),
        "cells": _table(c for key, p in data["projects"].items() for c in grow.cells(key, p)),
        "runs": _table(r for key, p in data["projects"].items() for r in grow.runs(key, p)),
        "tokens": {},
        "tokens_issued": 0,
        "effects": [],
        "pending": [],
        "serial": 0,
    }


class _Planter:
    def __init__(self, seed: int, now: float, data: dict[str, Json]) -> None:
        self.seed = seed
        self.now = now
        self.data = data

    def key(self, kind: str, name: str) -> str:
        return make_id(self.seed, kind, name)

    def ago(self, days: float | None) -> float | None:
        return None if days is None else self.now - days * DAY

    def user(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        plain = given["name"].lower().replace(" ", ".").replace("á", "a")
        return {
            "id": self.key("user", key),
            "name": given["name"],
            "email": f"{plain}@harrowlane.example",
            "role": given["role"],
            "lastLogin": self.ago(given.get("login")),
            "active": True,
        }

    def group(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        members = [self.key("user", m) for m in given["members"]]
        return {
            "id": self.key("group", key),
            "name": given["name"],
            "createdAt": self.ago(given["age"]),
            "members": members,
        }

    def connection(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        return {
            "id": self.key("connection", key),
            "name": given["name"],
            "type": given["type"],
            "description": given.get("description"),
            "createdAt": self.ago(given["age"]),
        }

    def collection(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        sharing = {**self.levels(given, "users", "user"), **self.levels(given, "groups", "group")}
        return {
            "id": self.key("collection", key),
            "name": given["name"],
            "description": given.get("description"),
            "creator": self.key("user", given["creator"]),
            "sharing": {**sharing, "members": given["members"]},
        }

    def levels(self, given: dict[str, Json], table: str, kind: str) -> dict[str, Json]:
        return {table: {self.key(kind, key): level for key, level in given.get(table, {}).items()}}

    def guide(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        kept = {name: given.get(name) for name in ("published", "draft", "external")}
        return {"id": self.key("guide", key), "filePath": given["path"], **kept}

    def project(self, key: str, given: dict[str, Json]) -> dict[str, Json]:
        published = given.get("published") or {}
        owner = self.key("user", given["owner"])
        return {
            "id": self.key("project", key),
            "title": given["title"],
            "description": given.get("description"),
            "type": given.get("type", "PROJECT"),
            "creator": self.key("user", given["creator"] if "creator" in given else given["owner"]),
            "owner": owner,
            "status": given.get("status"),
            "categories": given.get("categories", []),
            "reviewsRequired": given.get("reviews", False),
            "views": dict(zip(VIEWS, given["views"], strict=True)),
            **self.dates(given, published.get("age")),
            "version": published.get("version"),
            "schedules": [_schedule(s) for s in given.get("schedules", [])],
            "sharing": self.sharing(owner, given["sharing"]),
            "character": {
                "pending": 0.5,
                "seconds": 2.0,
                "outcome": "COMPLETED",
                **given.get("character", {}),
            },
        }

    def dates(self, given: dict[str, Json], published: float | None) -> dict[str, Json]:
        return {
            "lastViewedAt": self.ago(given.get("viewed")),
            "resultsUpdatedAt": self.ago(published),
            "lastEditedAt": self.ago(given["edited"]),
            "lastPublishedAt": self.ago(published),
            "createdAt": self.ago(given["age"]),
            "archivedAt": self.ago(given.get("archived")),
            "trashedAt": self.ago(given.get("trashed")),
        }

    def sharing(self, owner: str, given: dict[str, Json]) -> dict[str, Json]:
        kinds = (("users", "user"), ("groups", "group"), ("collections", "collection"))
        granted = {table: self.levels(given, table, kind)[table] for table, kind in kinds}
        granted["users"] = {owner: "FULL_ACCESS", **granted["users"]}
        return {**granted, "workspace": given["workspace"], "publicWeb": "NONE", "support": "NONE"}

    def cells(self, project: str, given: dict[str, Json]) -> Iterator[dict[str, Json]]:
        for number, cell in enumerate(given["cells"]):
            connection = cell.get("connection")
            yield {
                "id": self.key("cell", f"{project}/{number}"),
                "staticId": self.key("static", f"{project}/{number}"),
                "cellType": cell["type"],
                "label": cell["label"],
                "dataConnectionId": self.key("connection", str(connection)) if connection else None,
                "source": cell.get("source"),
                "output": cell.get("output"),
                "projectId": self.key("project", project),
                "parent": None,
                "rank": float(number),
            }

    def runs(self, project: str, given: dict[str, Json]) -> Iterator[dict[str, Json]]:
        for part, history in enumerate(given.get("history", [])):
            dice = random.Random(f"{self.seed}/{project}/{part}")  # noqa: S311 — repeatable, not secret
            for number, asked in enumerate(_times(history, self.now)):
                yield self.run(
                    project, f"{project}/{part}/{number}", given, history, (number, asked), dice.uniform
                )

    def run(
        self,
        project: str,
        name: str,
        given: dict[str, Json],
        history: dict[str, Json],
        which: tuple[int, float],
        between: Callable[[float, float], float],
    ) -> dict[str, Json]:
        number, asked = which
        outcome = _outcome(history, number)
        lasts = history["errored"]["seconds"] if outcome == "ERRORED" else history["seconds"]
        by = history.get("by")
        return {
            "id": self.key("run", name),
            "projectId": self.key("project", project),
            "version": str(given["published"]["version"]),
            "trigger": history.get("trigger", "SCHEDULED"),
            "by": self.key("user", by) if by else None,
            "asked": asked,
            "pending": round(between(2, 9), 3),
            "seconds": round(between(*lasts), 3),
            "outcome": outcome,
            "killed": None,
            "trace": hashlib.sha256(f"{self.seed}/{name}".encode()).hexdigest()[:32],
            "notifications": [],
        }


def _outcome(history: dict[str, Json], number: int) -> str:
    errored = history.get("errored", {})
    if number in history.get("unallocated", []):
        return "UNABLE_TO_ALLOCATE_KERNEL"
    failed = number < errored.get("newest", 0) or number in errored.get("at", [])
    return "ERRORED" if failed else "COMPLETED"


def _times(history: dict[str, Json], now: float) -> list[float]:
    """Return when the runs were asked for, newest first; scheduled ones have all ended by now."""
    if "ago" in history:
        return [now - days * DAY for days in history["ago"]]
    hours, minutes = map(int, history["at"].split(":"))
    step = history["every"] * 3600.0
    latest = now - now % DAY + hours * 3600 + minutes * 60
    done = now - 30 - max(history["seconds"])
    latest -= step * -(-(latest - done) // step)
    return [
        latest - n * step for n in range(round(SPAN * DAY / step) + 1) if latest - n * step > now - SPAN * DAY
    ]


def _schedule(given: dict[str, str]) -> dict[str, Json]:
    ((kind, text),) = given.items()
    cadence = "CUSTOM" if kind == "cron" else kind.upper()
    schedule: dict[str, Json] = {"cadence": cadence, "enabled": True}
    schedule |= dict.fromkeys(("hourly", "daily", "weekly", "monthly", "custom"))
    if kind == "cron":
        schedule["custom"] = {"cron": text, "timezone": "UTC"}
        return schedule
    *day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    schedule[kind] = {"hour": hour, "minute": minute, "timezone": "UTC"}
    if kind == "weekly":
        schedule[kind]["dayOfWeek"] = day[0]
    if kind == "monthly":
        schedule[kind]["day"] = int(day[0])
    return schedule


def _table(entries: Iterator[dict[str, Json]]) -> dict[str, Json]:
    return {entry["id"]: entry for entry in entries}
