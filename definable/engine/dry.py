"""A dry run: what would be called, with which arguments, as far as that is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from definable.spec.allowlist import offered
from definable.spec.paths import MISSING, has_template, render
from definable.spec.toolkit import Tool, Toolkit
from definable.spec.workflow import Step, Workflow
from definable.toolkits.arguments import foreseen


def rehearse(
    workflow: Workflow,
    allowlists: Mapping[str, tuple[str, ...]],
    tools: Mapping[str, Tool],
    scope: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return each step: `{step, agent, may_call}` or `{step, tool, effect, arguments, ensure, asks}`.

    What depends on an earlier step's output stays as the path it was written as. Nothing is sent.
    """
    return [_step(workflow, step, allowlists, tools, scope) for step in workflow.steps]


def _step(
    workflow: Workflow,
    step: Step,
    allowlists: Mapping[str, tuple[str, ...]],
    tools: Mapping[str, Tool],
    scope: dict[str, Any],
) -> dict[str, Any]:
    common = {"step": step.id, "when": step.when}
    if step.agent is not None:
        globs = step.tools if step.tools is not None else allowlists[step.agent]
        return {**common, "agent": step.agent, "may_call": offered(tools, globs)}
    slug = step.call or ""
    tool = tools[slug]
    asks = tool.effect.writes and (tool.asks or workflow.rule_for(slug) is not None)
    return {
        **common,
        "tool": step.call,
        "effect": tool.effect.value,
        "arguments": known(step.arguments, scope),
        "ensure": list(step.ensure),
        "asks": asks if step.approve is None else step.approve,
    }


def foresee(workflow: Workflow, toolkits: Mapping[str, Toolkit], scope: dict[str, Any]) -> list[str]:
    """Return what is wrong with arguments that are known before anything is called: inputs, above all."""
    problems: dict[str, str] = {}
    for step in workflow.steps:
        if step.call is None:
            continue
        kit = toolkits[step.call]
        given = {name: v for name, raw in step.arguments.items() if not has_template(v := known(raw, scope))}
        for problem in foreseen(kit, kit.tools[step.call], given):
            problems.setdefault(problem, step.id)
    return [f"step {step!r}: {problem}" for problem, step in problems.items()]


def known(value: Any, scope: dict[str, Any]) -> Any:
    """Return `value` with the paths filled in that lead somewhere in `scope`, and the others as they are."""
    if isinstance(value, dict):
        return {k: known(v, scope) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [known(v, scope) for v in value]
    filled = render(value, scope, missing="drop")
    return value if filled is MISSING else filled
