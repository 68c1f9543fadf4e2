"""Runs of a LangGraph graph with its own SQLite checkpointer, and nothing that guards their effects."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import httpx
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.points import Points


class State(TypedDict, total=False):
    """What the graph keeps."""

    label: str
    seen: int
    cell: str


class BareRuns:
    """Looks at the cells of a project, writes one, and reads it back: a node each."""

    def __init__(
        self, folder: Path, base_url: str, token: str, project: str, durability: Any, points: Points
    ) -> None:
        """Keep where it works."""
        self.path = folder / "langgraph.db"
        self.api = base_url
        self.headers = {"authorization": f"Bearer {token}"}
        self.project = project
        self.durability = durability
        self.points = points
        for name in ("put", "put_writes"):
            points.around(SqliteSaver, name)

    def run(self, number: int) -> None:
        """Run it, or go on where its checkpoints say that it stood."""
        config: Any = {"configurable": {"thread_id": str(number)}}
        with closing(sqlite3.connect(self.path, check_same_thread=False)) as db:
            graph = self._graph().compile(checkpointer=SqliteSaver(db))
            begun = graph.get_state(config).config["configurable"].get("checkpoint_id")
            given: State | None = None if begun else {"label": f"number {number}"}
            graph.invoke(given, config, durability=self.durability)

    def _graph(self) -> StateGraph[Any, Any, Any, Any]:
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
        graph.add_node("look", self._look)
        graph.add_node("write", self._write)
        graph.add_node("check", self._check)
        for here, following in ((START, "look"), ("look", "write"), ("write", "check"), ("check", END)):
            graph.add_edge(here, following)
        return graph

    def _look(self, state: State) -> State:
        found = self._ask("GET", "/v1/cells", params={"projectId": self.project, "limit": 100})
        return {"seen": len(found["values"])}

    def _write(self, state: State) -> State:
        contents = {"markdownCell": {"source": "text"}}
        wanted = {"projectId": self.project, "cellType": "MARKDOWN", "contents": contents}
        made = self._ask("POST", "/v1/cells", json={**wanted, "label": state["label"]})
        return {"cell": made["id"]}

    def _check(self, state: State) -> State:
        found = self._ask("GET", f"/v1/cells/{state['cell']}")
        return {"label": found["label"]}

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        self.points.here()
        answer = httpx.request(method, f"{self.api}{path}", headers=self.headers, trust_env=False, **given)
        self.points.here()
        return answer.raise_for_status().json()
