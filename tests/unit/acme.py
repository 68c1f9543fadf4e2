"""A made-up product for testing the Verifier: notes and jobs, no network, and faults by script."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from definable.calls import Ask, Decision, Exchange, Order, Outcome, Phase, Receipt, Reply, Send, ToolCall
from definable.spec.toolkit import Toolkit
from definable.verify.case import Catalog
from definable.verify.flow import advance, settle

NOTE = {
    "type": "object",
    "required": ["id", "title", "text"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "text": {"type": "string"},
        "size": {"type": "integer"},
    },
}
JOB = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {"id": {"type": "string"}, "state": {"type": "string"}},
}
TEXT = {"type": "string"}
LIST = {"call": "ACME_LIST", "with": {}}

TOOLKIT = Toolkit.model_validate_json(
    json.dumps(
        {
            "toolkit": "acme",
            "title": "Acme",
            "base_url": {"env": "ACME_URL", "default": "https://acme.example"},
            "credentials": [{"env": "ACME_KEY"}],
            "errors": [{"message": "message", "issues": "issues[*].message"}],
            "statuses": {"403": "the key may not do this"},
            "shapes": {"Note": NOTE, "Job": JOB},
            "tools": {
                "ACME_LIST": {
                    "title": "List",
                    "description": "List notes",
                    "operation": "list",
                    "request": "GET /notes",
                    "effect": "read",
                    "arguments": {"limit": {"type": "integer"}, "after": TEXT},
                    "response": {
                        "type": "object",
                        "required": ["values", "after"],
                        "properties": {
                            "values": {"type": "array", "items": {"$ref": "#/$defs/Note"}},
                            "after": {"type": ["string", "null"]},
                        },
                    },
                    "paging": {
                        "kind": "cursor",
                        "items": "values",
                        "next": "after",
                        "into": "after",
                        "largest": 2,
                    },
                },
                "ACME_GET": {
                    "title": "Get",
                    "description": "Get a note",
                    "operation": "get",
                    "request": "GET /notes/{id}",
                    "effect": "read",
                    "arguments": {"id": TEXT},
                    "required": ["id"],
                    "response": {"$ref": "#/$defs/Note"},
                },
                "ACME_CREATE": {
                    "title": "Create",
                    "description": "Create a note",
                    "operation": "create",
                    "request": "POST /notes",
                    "effect": "create",
                    "arguments": {"title": TEXT, "text": TEXT},
                    "required": ["title", "text"],
                    "success": [201],
                    "response": {"$ref": "#/$defs/Note"},
                    "before": {"notes": LIST},
                    "after": {"note": {"call": "ACME_GET", "with": {"id": "${{ result.id }}"}}},
                    "expect": [
                        {"at": "result.errors", "empty": True, "says": "the server reports errors"},
                        {"at": "note.title", "is": "${{ arguments.title }}"},
                        {"at": "note.text", "is": "${{ arguments.text }}"},
                    ],
                    "evidence": "state",
                    "basis": "read back",
                    "lost": {
                        "how": "new",
                        "look": "notes",
                        "in": "notes.values",
                        "id": "id",
                        "where": {"title": "${{ arguments.title }}", "text": "${{ arguments.text }}"},
                        "adopt": "${{ item }}",
                    },
                    "settle": "5s",
                    "ensure": {
                        "look": LIST,
                        "in": "values",
                        "match": {"title": "title"},
                        "update": {
                            "call": "ACME_UPDATE",
                            "with": {"id": "${{ item.id }}", "text": "${{ arguments.text }}"},
                        },
                    },
                },
                "ACME_UPDATE": {
                    "title": "Update",
                    "description": "Update a note",
                    "operation": "update",
                    "request": "PATCH /notes/{id}",
                    "effect": "update",
                    "arguments": {"id": TEXT, "text": TEXT},
                    "required": ["id", "text"],
                    "response": {"$ref": "#/$defs/Note"},
                    "after": {"note": {"call": "ACME_GET", "with": {"id": "${{ arguments.id }}"}}},
                    "expect": [{"at": "note.text", "is": "${{ arguments.text }}"}],
                    "evidence": "state",
                    "lost": {"how": "state", "adopt": "${{ note }}"},
                    "settle": "5s",
                },
                "ACME_DELETE": {
                    "title": "Delete",
                    "description": "Delete a note",
                    "operation": "delete",
                    "request": "DELETE /notes/{id}",
                    "effect": "delete",
                    "asks": True,
                    "arguments": {"id": TEXT},
                    "required": ["id"],
                    "success": [204],
                    "after": {"notes": LIST},
                    "expect": [{"in": "notes.values", "where": {"id": "${{ arguments.id }}"}, "count": 0}],
                    "evidence": "existence",
                    "lost": {"how": "state"},
                    "settle": "5s",
                },
                "ACME_START": {
                    "title": "Start",
                    "description": "Start a job",
                    "operation": "start",
                    "request": "POST /jobs",
                    "effect": "run",
                    "success": [201],
                    "rejects": [503],
                    "response": {"$ref": "#/$defs/Job"},
                    "poll": {
                        "call": "ACME_JOB",
                        "with": {"id": "${{ result.id }}"},
                        "at": "state",
                        "done": ["done"],
                        "failed": ["broken"],
                        "every": "3s",
                    },
                    "evidence": "state",
                    "lost": {"how": "ask"},
                },
                "ACME_JOB": {
                    "title": "Job",
                    "description": "A job",
                    "operation": "job",
                    "request": "GET /jobs/{id}",
                    "effect": "read",
                    "arguments": {"id": TEXT},
                    "response": {"$ref": "#/$defs/Job"},
                },
                "ACME_BAN": {
                    "title": "Ban",
                    "description": "Nobody can look whether it happened",
                    "operation": "ban",
                    "request": "POST /ban",
                    "effect": "admin",
                    "success": [204],
                    "evidence": "response",
                    "lost": {"how": "ask"},
                },
            },
        }
    )
)
CATALOG = Catalog({slug: (TOOLKIT, tool) for slug, tool in TOOLKIT.tools.items()})

Fault = Callable[["Acme", Send], Outcome | None]


def answer(status: int, body: Any = None, **headers: str) -> Outcome:
    """Return the outcome of a response."""
    phases = {2: Phase.COMMITTED, 4: Phase.REJECTED}
    return Outcome(
        phase=phases.get(status // 100, Phase.UNKNOWN),
        status=status,
        headers={k.replace("_", "-"): v for k, v in headers.items()},
        body=body,
        media="none" if body is None else "text" if isinstance(body, str) else "json",
    )


LOST = Outcome(phase=Phase.UNKNOWN, cause="timeout", error="no answer within 30 s")
REFUSED = Outcome(phase=Phase.NOT_SENT, cause="connect", error="connection refused")
NO_KEY = Outcome(phase=Phase.NOT_SENT, cause="no_credentials", error="ACME_KEY was refused")


class Acme:
    """The server: performs a `Send` at once, unless the next fault for its tool says otherwise."""

    def __init__(self, **faults: list[Fault | Outcome]) -> None:
        self.notes: dict[str, dict[str, Any]] = {}
        self.states: list[str] = ["running", "done"]
        self.effects: list[str] = []
        self.faults = faults
        self.waited = 0.0
        self.late: list[Callable[[], object]] = []

    def add(self, title: str, text: str) -> dict[str, Any]:
        """Put a note there, as the tool or somebody else would."""
        note = {"id": f"n{len(self.notes) + 1}", "title": title, "text": text, "size": len(text)}
        self.notes[str(note["id"])] = note
        return note

    def perform(self, send: Send) -> Outcome:
        """Perform one attempt."""
        self.waited += send.delay
        if send.delay:
            while self.late:
                self.late.pop()()
        queue = self.faults.get(send.tool, [])
        if queue:
            fault = queue.pop(0)
            outcome = fault if isinstance(fault, Outcome) else fault(self, send)
            if outcome is not None:
                return outcome
        return self.serve(send)

    def serve(self, send: Send) -> Outcome:
        """Do what is asked and answer as the contract says."""
        given = send.arguments
        match send.tool:
            case "ACME_LIST":
                return self._page(given)
            case "ACME_GET":
                note = self.notes.get(str(given["id"]))
                return answer(200, note) if note else answer(404, {"message": "no such note"})
            case "ACME_CREATE":
                self.effects.append(send.tool)
                return answer(201, self.add(given["title"], given["text"]))
            case "ACME_UPDATE":
                self.effects.append(send.tool)
                self.notes[given["id"]] = {**self.notes[given["id"]], "text": given["text"]}
                return answer(200, self.notes[given["id"]])
            case "ACME_DELETE":
                if given["id"] not in self.notes:
                    return answer(404, {"message": "no such note"})
                self.effects.append(send.tool)
                del self.notes[given["id"]]
                return answer(204)
            case "ACME_START":
                self.effects.append(send.tool)
                return answer(201, {"id": "j1", "state": "running"})
            case "ACME_JOB":
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                return answer(200, {"id": "j1", "state": state})
        self.effects.append(send.tool)
        return answer(204)

    def _page(self, given: dict[str, Any]) -> Outcome:
        notes = list(self.notes.values())
        start = int(given.get("after", 0))
        end = start + given.get("limit", 2)
        return answer(200, {"values": notes[start:end], "after": str(end) if end < len(notes) else None})


def call(tool: str, **arguments: Any) -> ToolCall:
    """Return a proposed call."""
    return ToolCall(id="step.1", tool=tool, arguments=arguments, step="step", run="run")


def answered(people: list[Decision]) -> Decision:
    """Return what the next person says; when nobody is left, a question is denied."""
    return people.pop(0) if people else Decision(approve=False, by="nobody")


def run(
    asked: ToolCall, acme: Acme, *decisions: Decision, catalog: Catalog = CATALOG
) -> tuple[Receipt, list[Exchange]]:
    """Settle a call against the server, a person answering in turn; return the receipt and what happened."""
    flow = settle(asked, catalog)
    people = list(decisions)
    history: list[Exchange] = []
    step: Order | Receipt = advance(flow, None)
    while not isinstance(step, Receipt):
        assert len(history) < 500, "the flow does not end"
        reply: Reply = answered(people) if isinstance(step, Ask) else acme.perform(step)
        history.append(Exchange(call=asked.id, n=len(history), order=step, reply=reply))
        step = advance(flow, reply)
    return step, history
