"""What a client sees of a run while it goes on: its state, and of each call the attempts and heals. Pure."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from definable.service.report import CallTold
from definable.store import Event, RunRow

Changes = list[tuple[str, str, Any]]
"""Of a JSON Patch: operation, path, value."""


class Cards:
    """One card per call, as JSON. Each method takes in an event, and returns what changed on which card."""

    def __init__(self) -> None:
        """Begin with none."""
        self.cards: dict[str, dict[str, Any]] = {}

    def __contains__(self, call: object) -> bool:
        return call in self.cards

    def __getitem__(self, call: str) -> dict[str, Any]:
        return self.cards[call]

    def proposed(self, event: Event) -> None:
        """Make a card."""
        self.cards[event.call or ""] = {
            "call": event.call,
            "tool": event.data["tool"],
            "step": event.step,
            "arguments": event.data["arguments"],
            "status": "proposed",
            "attempts": [],
            "healed": [],
        }

    def exchange(self, event: Event) -> Changes:
        """Add an attempt; what was answered by a person is none."""
        order, reply = event.data["order"], event.data["reply"]
        if order["kind"] != "send" or event.call not in self.cards:
            return []
        attempt = {"n": event.data["n"], "tool": order["tool"], "role": order["role"]}
        attempt |= {key: reply.get(key) for key in ("status", "phase", "error", "seconds")}
        self.cards[event.call]["attempts"].append(attempt)
        return [("add", "/attempts/-", attempt)]

    def verdict(self, event: Event) -> Changes:
        """Put a verdict beside its attempt."""
        attempts = self.cards[event.call]["attempts"] if event.call in self.cards else []
        told = event.data.get("verdict") or {}
        verdict = {
            "failure": told.get("failure", "ok"),
            "message": told.get("message", ""),
            "move": event.data.get("move", ""),
            "next": event.data.get("next", ""),
        }
        for index, attempt in enumerate(attempts):
            if attempt["n"] == event.data.get("n"):
                attempt["verdict"] = verdict
                return [("add", f"/attempts/{index}/verdict", verdict)]
        return []

    def settled(self, told: CallTold) -> Changes:
        """Write how the call ended, and how that is known."""
        facts = told.model_dump(include={"status", "known_by", "healed", "message", "link"})
        return self._write(told.call, {**facts, "sent": told.attempts})

    def asked(self, event: Event) -> Changes:
        """Say that a person is asked."""
        return self._write(event.call, {"status": "asks"})

    def decided(self, event: Event) -> Changes:
        """Write what a person said."""
        decided = {key: event.data.get(key) for key in ("approve", "by", "reason", "at")}
        return self._write(event.call, {"status": "decided", "decided": decided})

    def _write(self, call: str | None, facts: dict[str, Any]) -> Changes:
        if call not in self.cards:
            return []
        self.cards[call].update(facts)
        return [("add", f"/{name}", value) for name, value in facts.items()]


def beginning(row: RunRow) -> dict[str, Any]:
    """Return the state of a run of which nothing is known but what it is."""
    steps = row.definition.get("steps", ())
    return {
        "run": row.id,
        "workflow": row.workflow,
        "status": "queued",
        "reason": "",
        "inputs": row.inputs,
        "steps": [
            {"id": s["id"], "agent": s.get("agent"), "call": s.get("call"), "status": "to do"} for s in steps
        ],
        "calls": {"made": 0, "verified": 0, "healed": 0},
        "outputs": None,
        "link": f"/runs/{row.id}",
    }


def patch(*changes: tuple[str, str, Any]) -> list[dict[str, Any]]:
    """Return changes as a JSON Patch, which nothing changes later."""
    return [{"op": op, "path": path, "value": deepcopy(value)} for op, path, value in changes]
