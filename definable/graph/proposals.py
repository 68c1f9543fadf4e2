"""From what a model or a definition wants to a call: allowed, well-formed, of known origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from definable.calls import ToolCall
from definable.errors import UsageError
from definable.graph.context import Context, strings
from definable.limits import check_tool_call
from definable.spec.allowlist import matches, offered
from definable.spec.paths import lookup, references, render
from definable.spec.toolkit import Tool
from definable.spec.workflow import Step
from definable.toolkits.arguments import normalise

OWN = {"inputs", "run"}
"""Roots of paths that lead to what the user gave, not to what a product or a model said."""


def allowed(context: Context, step: Step) -> list[str]:
    """Return the slugs an agent may ask for in this step: its allowlist with the globs filled in."""
    if step.id not in context.offers:
        globs = step.tools if step.tools is not None else context.agent(step).tools
        tools = {slug: tool for slug, (_, tool) in context.catalog.tools.items()}
        context.offers[step.id] = offered(tools, globs)
    return context.offers[step.id]


def propose(
    context: Context,
    step: Step,
    number: int,
    slug: str,
    arguments: Mapping[str, Any],
    *,
    trusted: Iterable[str] = (),
) -> ToolCall:
    """Return the `number`-th call of a step, and put it into the log; the same one when it is there already.

    `trusted` names arguments that come from the user's own words. Raises UsageError when the tool is not
    allowed or the arguments are wrong, LimitReached when it would be one call too many.
    """
    call_id = f"{step.id}.{number}"
    if (known := context.calls.get(call_id)) is not None:
        return known
    toolkit, tool = context.catalog[slug]
    exact = normalise(toolkit, tool, slug, dict(arguments))
    check_tool_call(context.budgets(step))
    concern = _concern(context, tool, exact, set(trusted))
    call = ToolCall(
        id=call_id,
        tool=slug,
        arguments=exact,
        step=step.id,
        run=context.run.id,
        ordinal=sum(
            c.step == step.id and c.tool == slug and c.arguments == exact for c in context.calls.values()
        ),
        ensure=step.ensure,
        approval=_approval(context, step, slug, concern),
        concern=concern,
    )
    context.propose(call)
    return call


def declared(context: Context, step: Step, number: int = 1) -> ToolCall:
    """Return the call that a step declares, its `${{ }}` filled in; a `number` above 1 makes it once more."""
    try:
        arguments = render(step.arguments, context.scope())
        own = [n for n, value in step.arguments.items() if all(r[0] in OWN for r in references(value))]
        return propose(context, step, number, step.call or "", arguments, trusted=own)
    except UsageError as error:
        raise UsageError(f"step {step.id!r}: {error.message}", hint=error.hint, **error.facts) from None


def _approval(context: Context, step: Step, slug: str, concern: str) -> Any:
    """Whether a person is asked. An answer given ahead never covers a target of doubtful origin.

    A call that may be made by another tool, where it has to ensure something, asks where either tool does.
    """
    tool = context.catalog[slug][1]
    if not tool.effect.writes:
        return "none"
    if concern:
        return "needed"
    either = [slug, tool.ensure.update.call] if step.ensure and tool.ensure else [slug]
    asking = [s for s in either if step.approve or _asks(context, s)]
    if not asking:
        return "none"
    ahead = step.approve is False or all(matches(s, context.yes_to) for s in asking)
    return "given" if ahead else "needed"


def _asks(context: Context, slug: str) -> bool:
    return context.catalog[slug][1].asks or context.workflow.rule_for(slug) is not None


def _concern(context: Context, tool: Tool, arguments: Mapping[str, Any], trusted: set[str]) -> str:
    """Why a person must look: a target that neither the user named nor a verified result gave as an id."""
    if not tool.effect.writes or not tool.targets:
        return ""
    known = context.identities()
    for path in tool.targets:
        if _top(path) in trusted or _snake(_top(path)) in trusted:
            continue
        for value in strings(lookup(arguments, path)):
            if value not in known:
                return (
                    f"{path} is {value!r}, which is neither an input of this run "
                    "nor an id in a verified result: is it the right target?"
                )
    return ""


def _top(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
