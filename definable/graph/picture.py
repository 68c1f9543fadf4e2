"""A workflow's graph as text that draws itself."""

from __future__ import annotations

from typing import Any, cast

from definable.graph.build import build
from definable.graph.context import Context
from definable.spec.workflow import Workflow


def mermaid(workflow: Workflow) -> str:
    """Return the graph of a workflow in Mermaid's notation; nothing is run."""
    # Nodes take their context when they run, and these never do.
    graph: Any = build(workflow, cast(Context, None)).compile()
    return str(graph.get_graph().draw_mermaid())
