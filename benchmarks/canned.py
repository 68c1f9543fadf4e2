"""Tools and models that answer at once: what a run costs when nobody else takes any time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from definable.calls import Outcome, Phase, Send
from definable.limits import Usage
from definable.models import Models, Request, ToolUse, Turn
from definable.sandbox import World
from definable.sandbox.gateway import Gateway
from definable.sandbox.gateway import Request as HttpRequest

PROJECT = "85451515-12ab-55f4-85f5-d73048b59eae"
CELL = "0193a2c4-0000-7000-8000-000000000001"


def projects() -> dict[str, Any]:
    """Return the sandbox's list of projects, as Hex would send it."""
    world = World(quotas=False)
    headers = {"authorization": f"Bearer {world.token}"}
    answer = Gateway(world).handle(HttpRequest("GET", "/v1/projects", "limit=10", headers, b""))
    page: dict[str, Any] = json.loads(answer.body)
    return {**page, "pagination": {"after": None, "before": None}}


class Canned:
    """A door that answers from memory: a list of projects, no cells, and the cell that was written."""

    def __init__(self, listed: dict[str, Any]) -> None:
        """Keep what there is to read."""
        self.bodies: dict[str, Any] = {
            "HEX_LIST_PROJECTS": listed,
            "HEX_LIST_CELLS": {"values": [], "pagination": {"after": None, "before": None}},
        }

    async def attempt(self, send: Send, leaving: Callable[[], object] = lambda: None) -> Outcome:
        """Return the answer."""
        leaving()
        if send.tool == "HEX_CREATE_CELL":
            self.bodies["HEX_CREATE_CELL"] = self.bodies["HEX_GET_CELL"] = _cell(send.arguments)
        status = 201 if send.tool == "HEX_CREATE_CELL" else 200
        body = self.bodies[send.tool]
        return Outcome(phase=Phase.COMMITTED, status=status, body=body, media="json", seconds=0.0)


def _cell(arguments: dict[str, Any]) -> dict[str, Any]:
    contents = {"codeCell": None, "sqlCell": None, "markdownCell": None, **arguments["contents"]}
    given = {name: arguments[name] for name in ("projectId", "cellType", "label")}
    return {"id": CELL, "staticId": CELL, "dataConnectionId": None, **given, "contents": contents}


class Scripted(Models):
    """Models by a script: the Researcher lists the projects and counts them, the Writer says how many."""

    def __init__(self, listed: dict[str, Any]) -> None:
        """Keep how many there are."""
        super().__init__({})
        self._count = len(listed["values"])

    def serves(self, model: str) -> str:
        """Return the same: prices are looked up as for the real one."""
        return model

    async def turn(self, request: Request) -> Turn:
        """Return the next turn."""
        usage = Usage(input_tokens=4_000, output_tokens=200)
        text = f"There are {self._count} projects."
        if request.hands_in.__name__ == "Draft":
            return Turn(artifact={"markdown": text}, usage=usage, model=request.model)
        if not request.history:
            use = ToolUse(id="use", name="HEX_LIST_PROJECTS", arguments={})
            return Turn(uses=(use,), usage=usage, model=request.model)
        figure = {"value": self._count, "op": "count", "receipts": ["research.1"], "path": "values[*].id"}
        point = {"text": text, "receipts": ["research.1"], "figures": [{**figure, "equals": None}]}
        found = {"title": "Projects", "points": [point], "markdown": text}
        return Turn(artifact=found, usage=usage, model=request.model)
