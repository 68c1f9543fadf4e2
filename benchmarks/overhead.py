"""What a run costs beside the graph it runs on, when tools and models answer at once.

The run is the shipped `weekly-brief`: the Researcher asks for one tool call and hands in its findings, the
Writer drafts, and one cell is written (a look whether it is there, a look before, the write, a look after).
Beside it, in turns, stands a bare LangGraph graph of the same four nodes that is visited in the same order,
with the same checkpointer and nothing in its nodes. Ours keeps in its run log what need not be done twice,
and a checkpoint where it waits, which it does not here; the bare graph has nothing but its checkpoints.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command
from langgraph.types import Send as Branch

from benchmarks.canned import PROJECT, Canned, Scripted, projects
from benchmarks.timing import Samples, show
from definable.engine.checkpoints import Checkpoints
from definable.engine.history import recall
from definable.graph.build import agents_of, build
from definable.graph.context import Context
from definable.graph.desk import Desk
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
        self.checkpoints = Checkpoints(self.path)
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
        what = {"workflow": row.workflow, "inputs": inputs, "options": {}}
        context.stand(RunStatus.RUNNING, "run.started", what)
        with self.checkpoints.of(store.check) as saver:
            saver.begins, saver.over = True, lambda: desk.over
            graph, desk = build(self.workflow, saver), Desk(context)
            stream = graph.astream(
                {"came": []}, _config(name), context=desk, stream_mode=[], durability="exit"
            )
            async for _ in stream:
                pass
        outputs = render(self.workflow.outputs, context.scope())
        context.stand(RunStatus.DONE, "run.done", {"outputs": outputs}, outputs=outputs)

    async def follow(self, store: Store) -> None:
        """Run it once and note which nodes were visited."""
        row = store.create_run(RunRow(id="seen", workflow="w", definition={}, inputs={"project": PROJECT}))
        context = self._context(store, row)
        row.inputs["days"] = 7
        with self.checkpoints.of(store.check) as saver:
            graph = build(self.workflow, saver)
            async for update in graph.astream(
                {"came": []}, _config("seen"), context=Desk(context), stream_mode="updates"
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
    """Visits the same nodes in the same order by LangGraph alone; compiled once, as such graphs are."""

    def __init__(
        self, folder: Path, visits: list[str], durability: Any, *, once: bool = True, own: Any = None
    ) -> None:
        """Keep the order. With `once` False, graph and checkpointer are made anew for each run.

        `own` is a checkpointer of LangGraph's to use instead of ours, which is its synchronous one answered
        in the event loop.
        """
        self.checkpoints = Checkpoints(folder / f"bare-{durability}-{once}.db")
        self.visits = visits
        self.durability = durability
        self.own = own
        self.graph = self._graph() if once else None

    async def run(self, name: str) -> None:
        """Run it once."""
        if self.graph is None:
            self.checkpoints.close()
        graph = copy.copy(self.graph or self._graph())
        if self.own:
            graph.checkpointer = self.own
            await graph.ainvoke({"came": []}, _config(name), durability=self.durability)
            return
        with self.checkpoints.of(lambda: None) as saver:
            graph.checkpointer = saver
            await graph.ainvoke({"came": []}, _config(name), durability=self.durability)

    def _graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
        nodes = list(dict.fromkeys(self.visits))
        for node in nodes:
            work: Any = _dispatched if node == "distributor" else _agent(node)
            graph.add_node(node, work)
            graph.add_edge(node, "verifier")
        route: Any = _router(self.visits)
        graph.add_node("verifier", route, destinations=(*nodes, END))
        graph.add_edge(START, "verifier")
        return graph.compile()


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


def _kept(checkpoints: Checkpoints, name: str) -> int:
    with checkpoints.of(lambda: None) as saver:
        return sum(1 for _ in saver.list(_config(name)))


OURS = "Definable: weekly-brief"
OWN = "bare LangGraph with its AsyncSqliteSaver, durability='sync'"
"""As its documentation shows it for graphs whose nodes are asynchronous, as ours are."""

SAME = "the same with our checkpointer, which is faster"
"""Both lose as little when they are killed: each node's result is on its way to the disk."""


async def measure(folder: Path, runs: int = RUNS) -> tuple[dict[str, Samples], str]:
    """Return the seconds of each run of ours and of the bare graphs, in turns, and how much they do."""
    ours = Ours(folder)
    async with AsyncExitStack() as stack:
        store = stack.enter_context(open_store(ours.path))
        saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(folder / "own.db")))
        await ours.follow(store)
        bare = {
            OWN: Bare(folder, ours.visits, "sync", own=saver),
            SAME: Bare(folder, ours.visits, "sync"),
            f"{SAME}, made anew for each run": Bare(folder, ours.visits, "sync", once=False),
            "bare LangGraph, durability='exit': killed, it begins again": Bare(folder, ours.visits, "exit"),
        }
        for each in (ours.checkpoints, *(graph.checkpoints for graph in bare.values())):
            stack.callback(each.close)
        ways = {OURS: lambda name: ours.run(store, name), **{name: each.run for name, each in bare.items()}}
        took = {name: Samples() for name in ways}
        for number in range(WARM + runs):
            for name, run in ways.items():
                start = time.perf_counter()
                await run(f"run-{number}")
                if number >= WARM:
                    took[name].append(time.perf_counter() - start)
        kept = _kept(ours.checkpoints, "run-0"), _kept(bare[SAME].checkpoints, "run-0")
    visits = 2 * len(ours.visits) + 1
    assert kept == (0, visits + 2), f"the graphs are not of one shape: {kept} checkpoints"
    notes = (
        f"{visits} node visits in each; {ours.events} log events and no checkpoint in ours, "
        f"{kept[1]} checkpoints with 'sync'"
    )
    return took, notes


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        took, notes = asyncio.run(measure(Path(folder)))
    ours = took[OURS]
    rows = [
        [name, *each.cells(), f"{ours.middle / each.middle:.2f}", f"{min(ours) / min(each):.2f}"]
        for name, each in took.items()
    ]
    heads = ["median", "least", "most", "ours over it", "by the least"]
    columns = [f"ms per run ({len(ours)} each, in turns)", *heads]
    show("Overhead of a run", columns, rows, notes)


if __name__ == "__main__":
    main()
