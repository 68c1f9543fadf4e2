"""One LangGraph `StateGraph` per set of agents: those, and `distributor`, `verifier`, `approval`."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from definable.graph.agents import agent
from definable.graph.approval import approval
from definable.graph.desk import Desk
from definable.graph.distributor import distributor
from definable.graph.state import State
from definable.graph.verifier import verifier
from definable.spec.workflow import Workflow

Graph = CompiledStateGraph[Any, Desk, Any, Any]


def build(workflow: Workflow, saver: BaseCheckpointSaver[Any] | None = None) -> Graph:
    """Return the graph of a workflow with a checkpointer; its nodes find their `Desk` in the runtime.

    It is compiled once for each set of agents. No node has a retry policy: the Verifier decides every retry.
    """
    graph = copy.copy(_compiled(tuple(agents_of(workflow))))
    graph.checkpointer = saver
    return graph


@lru_cache(maxsize=64)
def _compiled(agents: tuple[str, ...]) -> Graph:
    graph: StateGraph[Any, Desk, Any, Any] = StateGraph(State, context_schema=Desk)
    nodes: dict[str, Any] = dict.fromkeys(agents, agent)
    nodes |= {"distributor": distributor, "approval": approval}
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(name, "verifier")
    routes: Any = verifier
    graph.add_node("verifier", routes, destinations=(*nodes, END))
    graph.add_edge(START, "verifier")
    return graph.compile()


def agents_of(workflow: Workflow) -> list[str]:
    """Return the agents that a workflow uses, in the order of their first turn."""
    return list(dict.fromkeys(step.agent for step in workflow.steps if step.agent))
