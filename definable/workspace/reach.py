"""Which tools, and so which products, a workflow may touch."""

from __future__ import annotations

from definable.spec.allowlist import offered
from definable.spec.toolkit import Toolkit
from definable.spec.workflow import Workflow
from definable.workspace.contents import Workspace


def reach(workspace: Workspace, workflow: Workflow) -> list[str]:
    """Return the slugs that a workflow may call: its declared calls, and its agents' allowlists filled in."""
    globs: list[str] = []
    for step in workflow.steps:
        if step.call is not None:
            globs.append(step.call)
        else:
            globs += step.tools if step.tools is not None else workspace.agent(step.agent or "").tools
    return offered(workspace.tools(), globs)


def products(workspace: Workspace, workflow: Workflow) -> dict[str, Toolkit]:
    """Return the toolkits that a workflow may touch, by name."""
    kits = map(workspace.toolkit_of, reach(workspace, workflow))
    return {kit.toolkit: kit for kit in kits}
