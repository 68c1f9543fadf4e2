"""What is known of the requests of a run that has not begun, or of many, from definition and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from definable.engine.ahead import Ahead, ahead, of_steps
from definable.graph.governor import Governor
from definable.spec.allowlist import offered
from definable.spec.workflow import RunLimits, Step, Workflow
from definable.workspace import Workspace
from definable.workspace.reach import products


def foretell(
    workspace: Workspace, governor: Governor, workflow: Workflow, scope: Mapping[str, Any], runs: int
) -> Ahead:
    """Return what is known of so many runs, by the quotas as they stand; `scope` has the inputs of one."""
    toolkits = {slug: kit for kit in products(workspace, workflow).values() for slug in kit.tools}
    tools = workspace.tools()

    def may_ask(step: Step) -> bool:
        globs = step.tools if step.tools is not None else workspace.agent(step.agent or "").tools
        return bool(offered(tools, globs))

    work = of_steps(workflow.steps, toolkits, scope, may_ask).times(runs)
    limits = workflow.limits if runs == 1 else RunLimits()
    return ahead(work, toolkits, governor, calls=limits.calls, time=limits.time)
