"""What is to be done: calls of each kind of effect, tool and arguments drawn from the sandbox."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Arguments = dict[str, Any]

UNDER_WAY = "00000000-0000-4000-8000-000000000001"
"""Id of a run that is planted: it works for an hour unless it is stopped."""


@dataclass(frozen=True)
class Job:
    """One intended call."""

    tool: str
    arguments: Arguments

    @property
    def targets(self) -> str:
        """What it is done to, without what is written: jobs alike in this cost the same."""
        ids = {name: value for name, value in self.arguments.items() if name.endswith("Id")}
        return f"{self.tool} {json.dumps(ids, sort_keys=True)}"


class Draw:
    """Draws jobs from a world as it was planted."""

    def __init__(self, state: dict[str, Any], dice: random.Random) -> None:
        """Keep what there is to draw from."""
        self.state = state
        self.dice = dice

    def row(self, table: str, **match: Any) -> dict[str, Any]:
        """Return one row of a table whose fields have these values."""
        rows = self.state[table].values()
        found = [row for row in rows if all(row[name] == value for name, value in match.items())]
        return dict(self.dice.choice(found))

    def key(self, table: str, **match: Any) -> str:
        """Return the id of such a row."""
        return str(self.row(table, **match)["id"])

    def project(self) -> dict[str, Any]:
        """Return a project that is in use."""
        rows = self.state["projects"].values()
        return dict(self.dice.choice([p for p in rows if not p["archivedAt"] and not p["trashedAt"]]))

    def runnable(self) -> dict[str, Any]:
        """Return a project whose runs end well, and soon."""
        rows = [p for p in self.state["projects"].values() if p["version"] and p["type"] == "PROJECT"]
        ends = [
            p for p in rows if p["character"]["outcome"] == "COMPLETED" and p["character"]["seconds"] < 60
        ]
        return dict(self.dice.choice([p for p in ends if not p["archivedAt"] and not p["trashedAt"]]))

    def words(self) -> str:
        """Return a text that nothing else in the world has."""
        return f"text {self.dice.randrange(10**9)}"

    def jobs(self, kind: str, count: int = 1) -> list[Job]:
        """Return as many jobs of a kind, each about something else."""
        found: dict[str, Job] = {}
        while len(found) < count:
            tool = self.dice.choice(sorted(TOOLS[kind]))
            job = Job(tool, TOOLS[kind][tool](self))
            found[json.dumps([job.tool, job.arguments], sort_keys=True)] = job
        return list(found.values())


def _cell(draw: Draw) -> Arguments:
    kind, field = draw.dice.choice([("MARKDOWN", "markdownCell"), ("CODE", "codeCell")])
    contents = {field: {"source": f"# {draw.words()}"}}
    return {
        "projectId": draw.project()["id"],
        "cellType": kind,
        "label": draw.words(),
        "contents": contents,
    }


def _new_source(draw: Draw) -> Arguments:
    kind, field = draw.dice.choice([("MARKDOWN", "markdownCell"), ("CODE", "codeCell")])
    contents = {field: {"source": f"# {draw.words()}"}}
    return {"cellId": draw.key("cells", cellType=kind), "contents": contents}


def _collection(draw: Draw) -> Arguments:
    return {"name": draw.words(), "description": draw.words()}


def _group(draw: Draw) -> Arguments:
    return {"name": draw.words(), "members": {"users": [{"id": draw.key("users")}]}}


def _status(draw: Draw) -> Arguments:
    project = draw.project()
    others = [s for s in draw.state["statuses"] if _name(s) != project["status"]]
    return {"projectId": project["id"], "status": _name(draw.dice.choice(others))}


def _name(status: Any) -> str:
    return str(status["name"] if isinstance(status, dict) else status)


def _run_of(draw: Draw) -> Arguments:
    return _ids(draw.row("runs"))


def _ids(run: dict[str, Any]) -> Arguments:
    return {"projectId": run["projectId"], "runId": run["id"]}


def _drafted(draw: Draw) -> str:
    return str(draw.dice.choice([key for key, row in draw.state["guides"].items() if row["draft"]]))


def _access(table: str, inner: str) -> Callable[[Draw], Arguments]:
    def arguments(draw: Draw) -> Arguments:
        project = draw.project()
        known = set(project["sharing"][table])
        # Two groups of the seed have one name, so that Hex does not show which of them was meant.
        keys = [k for k, row in draw.state[table].items() if k not in known and row["name"] != "Analysts"]
        level = draw.dice.choice(["APP_ONLY", "CAN_VIEW", "CAN_EDIT"])
        entry = {inner: {"id": draw.dice.choice(sorted(keys))}, "access": level}
        return {"projectId": project["id"], "sharing": {"upsert": {table: [entry]}}}

    return arguments


def _to_all(draw: Draw) -> Arguments:
    project = draw.project()
    levels = {"NONE", "APP_ONLY", "CAN_VIEW"} - {project["sharing"]["workspace"]}
    return {"projectId": project["id"], "sharing": {"workspace": draw.dice.choice(sorted(levels))}}


def _by(name: str, table: str, **match: Any) -> Callable[[Draw], Arguments]:
    return lambda draw: {name: draw.key(table, **match)}


def _draft(draw: Draw) -> Arguments:
    path = f"guides/{draw.dice.randrange(10**6)}.md"
    return {"files": [{"filePath": path, "contents": f"# {draw.words()}"}]}


TOOLS: dict[str, dict[str, Callable[[Draw], Arguments]]] = {
    "read": {
        "HEX_GET_CELL": _by("cellId", "cells"),
        "HEX_GET_PROJECT": lambda draw: {"projectId": draw.project()["id"]},
        "HEX_GET_GROUP": _by("groupId", "groups"),
        "HEX_GET_COLLECTION": _by("collectionId", "collections"),
        "HEX_GET_RUN_STATUS": _run_of,
    },
    "list": {
        "HEX_LIST_USERS": lambda draw: {},
        "HEX_LIST_PROJECTS": lambda draw: {},
        "HEX_LIST_CELLS": lambda draw: {"projectId": draw.dice.choice(_long(draw.state, "cells", 5))},
        "HEX_GET_PROJECT_RUNS": lambda draw: {"projectId": draw.dice.choice(_long(draw.state, "runs", 9))},
    },
    "create": {
        "HEX_CREATE_CELL": _cell,
        "HEX_CREATE_COLLECTION": _collection,
        "HEX_CREATE_GROUP": _group,
    },
    "update": {
        "HEX_UPDATE_CELL": _new_source,
        "HEX_UPDATE_PROJECT": _status,
        "HEX_EDIT_COLLECTION": lambda draw: {"collectionId": draw.key("collections"), "name": draw.words()},
        "HEX_EDIT_GROUP": lambda draw: {"groupId": draw.key("groups"), "name": draw.words()},
    },
    "delete": {
        "HEX_DELETE_CELL": _by("cellId", "cells"),
        "HEX_DELETE_GROUP": _by("groupId", "groups"),
        "HEX_DELETE_GUIDE_DRAFT": lambda draw: {"orgGuideFileId": _drafted(draw)},
    },
    "run": {"HEX_RUN_PROJECT": lambda draw: {"projectId": draw.runnable()["id"]}},
    "share": {
        "HEX_EDIT_PROJECT_SHARING_USERS": _access("users", "user"),
        "HEX_EDIT_PROJECT_SHARING_GROUPS": _access("groups", "group"),
        "HEX_EDIT_PROJECT_SHARING_COLLECTIONS": _access("collections", "collection"),
        "HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC": _to_all,
    },
    "stop": {"HEX_CANCEL_RUN": lambda draw: _ids(draw.row("runs", id=UNDER_WAY))},
    "draft": {
        "HEX_UPSERT_GUIDE_DRAFT": _draft,
        "HEX_PUBLISH_GUIDE_DRAFTS": lambda draw: {"orgGuideFileIds": [_drafted(draw)]},
    },
    "admin": {"HEX_DEACTIVATE_USER": _by("userId", "users", role="EDITOR")},
    "cell": {"HEX_CREATE_CELL": _cell},
    "get": {"HEX_GET_CELL": _by("cellId", "cells")},
}
"""Kind of effect → its tools, and how their arguments are drawn."""

REPLACES = frozenset({"HEX_UPSERT_GUIDE_DRAFT"})
"""A PUT of the whole: twice leaves the same by definition, and is no duplicate."""


def _long(state: dict[str, Any], table: str, least: int) -> Sequence[str]:
    """Return the projects with at least so many rows of a table."""
    counts: dict[str, int] = {}
    for row in state[table].values():
        counts[row["projectId"]] = counts.get(row["projectId"], 0) + 1
    return sorted(key for key, count in counts.items() if count >= least)
