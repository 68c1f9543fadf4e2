"""A desk to try the sandbox at: its gateway without HTTP, on a clock that only moves when told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from definable.sandbox import Clock, Faults, World
from definable.sandbox.gateway import Gateway, Request
from definable.sandbox.wire import Delivery

NOW = 1_900_000_000.0


def still(now: float = NOW) -> Clock:
    """Return a clock that stands still until it is advanced."""
    return Clock(now=now, source=lambda: 0.0)


@dataclass
class Desk:
    """A world and its gateway. `ask` returns status and JSON; `raw` what goes out on the wire."""

    faults: list[dict[str, Any]] = field(default_factory=list)
    quotas: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        """Plant the world."""
        self.world = World(seed=self.seed, clock=still(), quotas=self.quotas)
        self.gateway = Gateway(self.world, Faults.parse(self.faults))

    def raw(
        self, method: str, path: str, body: Any = None, token: str | None = None, **query: Any
    ) -> Delivery:
        """Perform one request and return what goes out."""
        header = f"Bearer {token or self.world.token}"
        data = b"" if body is None else json.dumps(body).encode()
        return self.gateway.handle(
            Request(method, "/v1" + path, urlencode(query, doseq=True), {"authorization": header}, data)
        )

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Perform one request and return its status and JSON body."""
        out = self.raw(method, path, body, **more)
        is_json = out.headers.get("content-type", "").startswith("application/json")
        return out.status, json.loads(out.body) if is_json and out.body else None

    def key(self, table: str, **fields: Any) -> str:
        """Return the id of the first object of a table with these fields."""
        for key, entry in self.world.state[table].items():
            if all(entry[name] == value for name, value in fields.items()):
                return str(key)
        raise LookupError(f"no {table} with {fields}")

    def project(self, title: str) -> str:
        """Return the id of a project by its title."""
        return self.key("projects", title=title)

    def cell(self, project: str, kind: str = "MARKDOWN") -> str:
        """Return the id of the first cell of a kind in a project, by title."""
        return self.key("cells", projectId=self.project(project), cellType=kind)

    @property
    def tools(self) -> list[str]:
        """Return which tools have really changed something, in order."""
        return [effect["tool"] for effect in self.world.effects]


def markdown(desk: Desk, project: str = "Data Team Weekly", source: str = "Hello") -> dict[str, Any]:
    """Return the body that creates a Markdown cell."""
    return {
        "projectId": desk.project(project),
        "cellType": "MARKDOWN",
        "label": "Note",
        "contents": {"markdownCell": {"source": source}},
    }
