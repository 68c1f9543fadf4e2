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
    for name in names:
        graph.add_node(name, agent(context))
        graph.add_edge(name, "verifier")
    graph.add_node("distributor", distributor(context))
    graph.add_node("approval", approval(context))
    graph.add_node("verifier", verifier(context), destinations=("distributor", "approval", *names, END))
    graph.add_edge(START, "verifier")
    graph.add_edge("distributor", "verifier")
    graph.add_edge("approval", "verifier")
    return graph


def agents_of(workflow: Workflow) -> list[str]:
    """Return the agents that a workflow uses, in the order of their first turn."""
    return list(dict.fromkeys(step.agent for step in workflow.steps if step.agent))
