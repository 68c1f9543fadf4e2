"""A workflow's graph as text that draws itself."""

from __future__ import annotations

from definable.graph.build import build
from definable.spec.workflow import Workflow


def mermaid(workflow: Workflow) -> str:
    """Return the graph of a workflow in Mermaid's notation; nothing is run."""
    return build(workflow).get_graph().draw_mermaid()
