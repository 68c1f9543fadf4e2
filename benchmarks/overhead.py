"""What a run costs beside the graph it runs on, when tools and models answer at once.

The run is the shipped `weekly-brief`: the Researcher asks for one tool call and hands in its findings, the
Writer drafts, and one cell is written (a look whether it is there, a look before, the write, a look after).
Beside it, in turns, stands a bare LangGraph graph of the same four nodes that is visited in the same order,
with the same checkpointer, the same durability and nothing in its nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from langgraph.types import Send as Branch

from benchmarks.canned import PROJECT, Canned, Scripted, projects
from benchmarks.timing import Samples, show
from definable.engine.checkpoints import checkpoints
from definable.engine.history import recall
from definable.graph.build import agents_of, build
from definable.graph.context import Context
from definable.graph.state import Dispatch, State
from definable.spec.paths import render
from definable.store import RunRow, RunStatus, Store, open_store
from definable.verify.case import Catalog
from definable.workspace import Workspace, find

RUNS = 60
WARM = 5


class Ours:
    """Runs `weekly-brief` through Definable's graph, run log, ledger and checkpoints."""

    def __init__(self, folder: Path) -> None:
        """Read the definitions, once; a process that works on many runs does the same."""
        self.path = folder / "definable.db"
        self.space: Workspace = find(Path(__file__).parent, {"DEFINABLE_HOME": str(folder)})
        self.workflow = self.space.workflow("weekly-brief")
        tools = {slug: (self.space.toolkit_of(slug), tool) for slug, tool in self.space.tools().items()}
        self.catalog = Catalog(tools, web={"hex": "https://app.hex.tech"})
        self.agents = {name: self.space.agent(name) for name in agents_of(self.workflow)}
        self.listed = projects()
        self.visits: list[str] = []
        self.events = 0

    async def run(self, store: Store, name: str) -> None:
        """Run it once, from the new run to its outputs."""
        definition = self.workflow.model_dump(mode="json", by_alias=True, exclude_unset=True)
        inputs = {"project": PROJECT, "days": 7}
        row = store.create_run(RunRow(id=name, workflow="weekly-brief", definition=definition, inputs=inputs))
        store = store.begin(name)
        context = self._context(store, row)
        recall(context)
        context.log("run.started", {"workflow": row.workflow, "inputs": inputs, "options": {}})
        store.set_status(name, RunStatus.RUNNING)
        with checkpoints(self.path, store.check) as saver:
            graph = build(self.workflow, context).compile(checkpointer=saver)
            await graph.ainvoke({"came": []}, _config(name), durability="sync")
        outputs = render(self.workflow.outputs, context.scope())
        context.log("run.done", {"outputs": outputs})
        store.set_status(name, RunStatus.DONE, outputs=outputs)

    async def follow(self, store: Store) -> None:
        """Run it once and note which nodes were visited."""
        row = store.create_run(RunRow(id="seen", workflow="w", definition={}, inputs={"project": PROJECT}))
        context = self._context(store, row)
        row.inputs["days"] = 7
        with checkpoints(self.path, store.check) as saver:
            graph = build(self.workflow, context).compile(checkpointer=saver)
            async for update in graph.astream(
                {"came": []}, _config("seen"), durability="sync", stream_mode="updates"
            ):
                self.visits += [name for name in update if name != "verifier"]
        receipts = store.receipts("seen")
        assert [r.status for r in receipts] == ["verified", "verified"], receipts
        self.events = len(store.events("seen"))

    def _context(self, store: Store, row: RunRow) -> Context:
        return Context(
            run=row,
            workflow=self.workflow,
            agents=self.agents,
            catalog=self.catalog,
            doors={"hex": Canned(self.listed)},
            store=store,
            models=Scripted(self.listed),
            clock=lambda: datetime.now(UTC),
        )


class Bare:
    """Visits the same nodes in the same order by LangGraph alone."""

    def __init__(self, folder: Path, visits: list[str]) -> None:
        """Keep the order."""
        self.path = folder / "bare.db"
        self.visits = visits

    async def run(self, name: str) -> None:
        """Run it once."""
        with checkpoints(self.path, lambda: None) as saver:
            graph = self._graph().compile(checkpointer=saver)
            await graph.ainvoke({"came": []}, _config(name), durability="sync")

    def _graph(self) -> StateGraph[Any, Any, Any, Any]:
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
        nodes = list(dict.fromkeys(self.visits))
        for node in nodes:
            work: Any = _dispatched if node == "distributor" else _agent(node)
            graph.add_node(node, work)
            graph.add_edge(node, "verifier")
        route: Any = _router(self.visits)
        graph.add_node("verifier", route, destinations=(*nodes, END))
        graph.add_edge(START, "verifier")
        return graph


def _router(visits: list[str]) -> Callable[[State], Awaitable[Command[Any]]]:
    async def route(state: State) -> Command[Any]:
        done = state.get("step", 0)
        update = {"step": done + 1, "came": None}
        if done == len(visits):
            return Command(update=update, goto=END)
        if visits[done] == "distributor":
            return Command(update=update, goto=[Branch("distributor", Dispatch(call="c", n=done, order={}))])
        return Command(update=update, goto=visits[done])

    return route


def _agent(name: str) -> Any:
    async def turn(state: State) -> dict[str, Any]:
        return {"came": [{"from": "agent", "key": name}]}

    return turn


async def _dispatched(dispatch: Dispatch) -> dict[str, Any]:
    return {"came": [{"from": "distributor", "call": dispatch["call"], "n": dispatch["n"]}]}


def _config(name: str) -> Any:
    return {"configurable": {"thread_id": name}, "recursion_limit": 1000}


def _kept(path: Path, name: str) -> int:
    with checkpoints(path, lambda: None) as saver:
        return sum(1 for _ in saver.list(_config(name)))


async def measure(folder: Path, runs: int = RUNS) -> tuple[Samples, Samples, str]:
    """Return the seconds of each run of ours and of the bare graph, and how much they do; both in turns."""
    ours, both = Ours(folder), (Samples(), Samples())
    with open_store(ours.path) as store:
        await ours.follow(store)
        bare = Bare(folder, ours.visits)
        for number in range(WARM + runs):
            start = time.perf_counter()
            await ours.run(store, f"run-{number}")
            middle = time.perf_counter()
            await bare.run(f"run-{number}")
            if number >= WARM:
                both[0].append(middle - start)
                both[1].append(time.perf_counter() - middle)
    kept = _kept(ours.path, "run-0"), _kept(bare.path, "run-0")
    assert kept[0] == kept[1], f"the graphs are not of one shape: {kept} checkpoints"
    visits = 2 * len(ours.visits) + 1
    notes = f"{visits} node visits and {kept[0]} checkpoints in both; {ours.events} log events in ours"
    return *both, notes


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        ours, bare, notes = asyncio.run(measure(Path(folder)))
    rows = [
        ["Definable: weekly-brief", *ours.cells(), f"{ours.middle / bare.middle:.2f}"],
        ["bare LangGraph, same shape", *bare.cells(), "1.00"],
    ]
    columns = [f"ms per run ({len(ours)} each, in turns)", "median", "least", "most", "ratio"]
    show("Overhead of a run", columns, rows, notes)


if __name__ == "__main__":
    main()
