"""A small workspace in memory, and the loop in which a model reads it: for the offline model's tests."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from definable.models import Models, Request, Round, ToolResult, ToolSpec, ToolUse, Turn
from definable.spec.artifacts import Artifact, Findings

Json = Any


def ident(n: int) -> str:
    """Return the id of thing number `n`."""
    return str(UUID(int=n + 1000))


def project(n: int, title: str, views: int, **other: Json) -> dict[str, Json]:
    """Return a project as the product shows it."""
    counters = {
        "allTime": views * 9,
        "lastSevenDays": views,
        "lastFourteenDays": views,
        "lastThirtyDays": views,
    }
    seen_at = "2026-11-20T09:00:00Z" if views else None
    return {
        "id": ident(n),
        "title": title,
        "description": f"Shows {title.lower()} by region. For the board.",
        "status": None,
        "analytics": {"appViews": counters, "lastViewedAt": seen_at},
        "lastEditedAt": "2026-11-02T00:00:00Z",
        "lastPublishedAt": "2026-01-01T00:00:00Z",
        "archivedAt": None,
        **other,
    }


def run(whose: int, day: str, status: str = "COMPLETED") -> dict[str, Json]:
    """Return a run as the product shows it."""
    return {
        "projectId": ident(whose),
        "runId": f"run-{whose}-{day}",
        "status": status,
        "startTime": f"{day}T06:00:00Z",
        "elapsedTime": 60000,
        "traceId": "t",
    }


class Workspace:
    """Projects, their runs and cells, behind the product's reading tools."""

    def __init__(
        self, projects: list[Json], runs: dict[int, list[Json]], cells: dict[int, list[Json]]
    ) -> None:
        """Keep what there is; runs and cells by the number of their project."""
        self.projects = projects
        self.runs = {ident(n): r for n, r in runs.items()}
        self.cells = {ident(n): c for n, c in cells.items()}
        self.receipts: dict[str, Json] = {}
        self.turns: list[Turn] = []

    def call(self, use: ToolUse) -> Json:
        """Return what a tool answers; None when the product does not know the project."""
        whose = use.arguments.get("projectId", "")
        if use.name == "HEX_LIST_PROJECTS":
            return {"values": self.projects, "pagination": {"after": None, "before": None}}
        if use.name == "HEX_GET_PROJECT_RUNS":
            return {"runs": self.runs[whose], "nextPage": None} if whose in self.runs else None
        return {"values": self.cells.get(whose, []), "pagination": {"after": None, "before": None}}

    def result(self, use: ToolUse) -> ToolResult:
        """Return a result as the graph hands it over: with its receipt, or with its error."""
        receipt, body = f"research.{len(self.receipts) + 1}", self.call(use)
        self.receipts[receipt] = body
        said = {"receipt": receipt, "tool": use.name}
        if body is None:
            return ToolResult(id=use.id, content={**said, "error": "403: no access"}, error=True)
        return ToolResult(id=use.id, content={**said, "result": body})


def tool(name: str, *required: str) -> ToolSpec:
    """Return a tool whose required arguments are texts and that takes a `limit`."""
    properties: dict[str, Json] = {r: {"type": "string"} for r in required}
    properties["limit"] = {"type": "integer", "maximum": 100}
    return ToolSpec(
        name, name.lower(), {"type": "object", "properties": properties, "required": list(required)}
    )


TOOLS = (
    tool("HEX_LIST_PROJECTS"),
    tool("HEX_GET_PROJECT", "projectId"),
    tool("HEX_GET_PROJECT_RUNS", "projectId"),
    tool("HEX_DELETE_CELL", "cellId"),
)
CELLS = tool("HEX_LIST_CELLS", "projectId")

COMPANY = (
    [
        project(0, "Revenue Daily", 41),
        project(1, "Churn Model", 0),
        project(2, "Sales, by funnel", 7),
        project(3, "Old Board", 0),
        project(4, "Draft Idea", 0, lastPublishedAt=None),
        project(5, "Attic", 0, archivedAt="2026-05-01T00:00:00Z"),
        project(6, "Finance Close", 3),
    ],
    {
        0: [run(0, f"2026-11-{d}") for d in (22, 21, 20)],
        1: [run(1, "2026-11-22", "ERRORED"), run(1, "2026-11-21", "ERRORED"), run(1, "2026-11-20")],
        2: [run(2, "2026-11-21"), run(2, "2026-11-20", "KILLED"), run(2, "2026-11-01")],
        3: [run(3, "2026-10-02")],
        6: [],
    },
    {
        1: [
            {
                "id": "cell-1",
                "cellType": "SQL",
                "label": "Base table",
                "contents": {
                    "codeCell": None,
                    "sqlCell": {"source": "-- churn base\nselect churn_date from accounts"},
                },
                "projectId": ident(1),
            }
        ]
    },
)


def company() -> Workspace:
    """Return the workspace of a made-up company."""
    projects, runs, cells = COMPANY
    return Workspace(list(projects), dict(runs), dict(cells))


def prompt(text: str, **context: Json) -> str:
    """Return a prompt as the graph writes it: the text, then the context as JSON."""
    run = {"id": "run-1", "date": "2026-11-23", "week": "2026-W48"}
    whole = {"inputs": {}, "run": run, "previous": None, **context}
    return f"{text}\n\n```json\n{json.dumps(whole, ensure_ascii=False, indent=1)}\n```"


async def ask(model: str, text: str, shape: type[Artifact], **context: Json) -> dict[str, Json]:
    """Return what the offline model hands in without any tool."""
    async with Models({}) as models:
        turn = await models.turn(Request(model, "Do it.", prompt(text, **context), shape))
    assert turn.artifact is not None
    return turn.artifact


async def research(
    model: str, text: str, workspace: Workspace, tools: tuple[ToolSpec, ...] = TOOLS, **context: Json
) -> dict[str, Json]:
    """Return the findings after as many turns as the model takes."""
    history: list[Round] = []
    async with Models({}) as models:
        while len(history) < 6:
            said = prompt(text, **context)
            turn = await models.turn(Request(model, "Find out.", said, Findings, tools, tuple(history)))
            workspace.turns.append(turn)
            if turn.artifact is not None:
                return turn.artifact
            history.append(Round(turn=turn, results=tuple(workspace.result(u) for u in turn.uses)))
    raise AssertionError("the model never handed anything in")
