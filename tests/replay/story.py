"""A run in which all happens that a replay has to get right, with models by a script that counts its answers.

It uses nothing but what the version that made `parked-c97ed4a.db` had, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from definable.calls import Decision
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.errors import ModelError
from definable.limits import Usage
from definable.models import Request, ToolUse, Turn
from definable.settings import Settings
from definable.spec.workflow import Workflow
from definable.store import RunRow
from definable.workspace import find

STORY = Workflow.model_validate_json(
    json.dumps(
        {
            "name": "story",
            "description": "Looks, drafts, and writes a cell once a person has agreed.",
            "inputs": {
                "project": {"type": "string", "description": "Project that gets the cell"},
                "trouble": {"type": "string", "default": "", "description": "What goes wrong on the way"},
            },
            "steps": [
                {
                    "id": "look",
                    "agent": "researcher",
                    "tools": ["HEX_LIST_PROJECTS"],
                    "prompt": "How many projects are there?",
                    "revisions": 1,
                },
                {"id": "draft", "agent": "writer", "prompt": "Say so.", "revisions": 0},
                {
                    "id": "write",
                    "call": "HEX_CREATE_CELL",
                    "arguments": {
                        "projectId": "${{ inputs.project }}",
                        "cellType": "MARKDOWN",
                        "label": "Story ${{ run.id }}",
                        "contents": {"markdownCell": {"source": "${{ steps.draft.output.markdown }}"}},
                    },
                    "approve": True,
                },
            ],
            "outputs": {"cell": "${{ steps.write.output.id }}"},
        }
    )
)
"""A use that is refused, a model that has to be asked again, an artifact that goes back, one that a person
takes as it is, and a write that a person approves."""


class Scripted:
    """Stands in for `Models`. Its answers and failures are lines in `paid`, which outlives processes."""

    paid = Path("paid.txt")
    troubles = True
    """Whether what a run's input `trouble` names goes wrong."""

    def __init__(self, environ: Mapping[str, str], offline: bool | None) -> None:
        """Take the place of Models."""

    def serves(self, model: str) -> str:
        """The name whose price counts."""
        return f"offline/{model}"

    async def aclose(self) -> None:
        """Nothing is open."""

    async def turn(self, request: Request) -> Turn:
        """Say the next line, or fail."""
        about = json.loads(request.prompt.split("```json\n")[1].split("\n```")[0])
        step = "look" if request.hands_in.__name__ == "Findings" else "draft"
        key = f"{about['run']['id']} {step}/{len(request.history)}"
        self._trouble(about["inputs"]["trouble"] if self.troubles else "", key)
        turn = self._line(request, step)
        self.note(key)
        return turn.model_copy(update={"model": self.serves(request.model), "offline": True})

    def _trouble(self, trouble: str, key: str) -> None:
        kind, _, where = trouble.partition(" ")
        if where and not key.endswith(where):
            return
        if kind == "dies":
            os._exit(9)
        if kind == "fails":
            raise ModelError("it will not say", failure="invalid_input")
        if kind == "locked":
            raise ModelError("that key is not known", failure="auth_expired")
        if key.endswith("look/1") and f"failed {key}" not in self.lines():
            self.note(f"failed {key}")
            raise ModelError("too many requests", failure="rate_limited", retry_after=2.0)

    def _line(self, request: Request, step: str) -> Turn:
        usage = Usage(input_tokens=100, output_tokens=10)
        if step == "draft":
            said = {"markdown": "“Revenue Dashboard” failed 991 times."}
            return Turn(artifact=said, usage=usage, model="")
        if not request.history:
            uses = (
                ToolUse(id="a", name="HEX_DELETE_CELL", arguments={"cellId": "none"}),
                ToolUse(id="b", name="HEX_LIST_PROJECTS", arguments={"limit": 3}),
            )
            return Turn(uses=uses, usage=usage, model="")
        call, listed = next(
            (r.content["receipt"], r.content["result"]) for r in request.history[0].results if not r.error
        )
        count = len(listed["values"]) if request.history[-1].say else 991
        text = f"There are {count} projects."
        figure = {"value": len(listed["values"]), "op": "count", "receipts": [call], "path": "values[*].id"}
        point = {"text": text, "receipts": [call], "figures": [{**figure, "equals": None}]}
        return Turn(
            artifact={"title": "Projects", "points": [point], "markdown": text}, usage=usage, model=""
        )

    @classmethod
    def note(cls, line: str) -> None:
        """Write a line that no kill takes back."""
        with cls.paid.open("a") as file:
            file.write(f"{line}\n")

    @classmethod
    def lines(cls) -> list[str]:
        """Return what was written."""
        return cls.paid.read_text().splitlines() if cls.paid.exists() else []


async def at_once(seconds: float) -> None:
    """Let no time pass."""


def opened(home: str, environ: Mapping[str, str]) -> Any:
    """Open a runner on a home."""
    space = find(Path(__file__).parent, {"DEFINABLE_HOME": home})
    return Runner.open(space, Settings(quota_share=0), environ, Options(), at_once)


async def to_the_end(runner: Runner, row: RunRow) -> RunRow:
    """Answer whatever is asked, and go on until the run ends."""
    for _ in range(9):
        if row.status.final:
            break
        for ask in runner.store.open_asks(row.id):
            if ask.ask.reason != "auth":
                runner.answer(row.id, ask.call, Decision(approve=True, by="priya", reason="it is new"))
        row = await runner.resume(row.id, wait=False)
    return row
