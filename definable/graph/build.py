"""One LangGraph `StateGraph` per workflow: its agents, and `distributor`, `verifier`, `approval`."""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph

from definable.graph.agents import agent
from definable.graph.approval import approval
from definable.graph.context import Context
from definable.graph.distributor import distributor
from definable.graph.state import State
from definable.graph.verifier import verifier
from definable.spec.workflow import Workflow


def build(workflow: Workflow, context: Context) -> StateGraph[Any, Any, Any, Any]:
    """Return the graph, to be compiled with a checkpointer.

    No node has a retry policy: the Verifier decides every retry.
    """
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    names = agents_of(workflow)
    nodes: dict[str, Any] = {name: agent(context) for name in names}
    nodes |= {"distributor": distributor(context), "approval": approval(context)}
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(name, "verifier")
    routes: Any = verifier(context)
    graph.add_node("verifier", routes, destinations=(*nodes, END))
    graph.add_edge(START, "verifier")
    return graph


def agents_of(workflow: Workflow) -> list[str]:
    """Return the agents that a workflow uses, in the order of their first turn."""
    return list(dict.fromkeys(step.agent for step in workflow.steps if step.agent))
