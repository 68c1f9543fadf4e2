"""Whether a workflow's names exist: its agents, its tools, and the fields of what its steps give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from definable.errors import Problem
from definable.spec.agent import Agent
from definable.spec.aliases import Schema
from definable.spec.artifacts import SHAPES
from definable.spec.coherence import Mention, mentioned
from definable.spec.explain import Place
from definable.spec.lookup import Json
from definable.spec.nearest import nearest, suggest
from definable.spec.source import Document
from definable.spec.toolkit import Tool, Toolkit
from definable.spec.workflow import Step, Workflow
from definable.workspace.arguments import Fit
from definable.workspace.shapes import lost_in

_GLOB: Final = "*?["


@dataclass(frozen=True)
class Names:
    """What a workflow may refer to. An agent that exists but is wrong is None.

    `whole` is false when a toolkit could not be read, so that a tool may exist though it is not here.
    """

    agents: Mapping[str, Agent | None]
    tools: Mapping[str, tuple[Tool, Toolkit]]
    whole: bool = True

    @property
    def offered(self) -> list[str]:
        """The tools that agents and workflows may name."""
        return [slug for slug, (tool, _) in self.tools.items() if not tool.internal]

    def no_tool(self, name: str) -> str:
        """Return why no tool goes by this name or glob, or an empty text."""
        if not self.whole or any(fnmatchcase(slug, name) for slug in self.offered):
            return ""
        if any(sign in name for sign in _GLOB):
            return f"no tool matches {name!r}"
        if name in self.tools:
            return f"the tool {name!r} only serves to verify others and cannot be called"
        meant = nearest(name, self.offered)
        known = f"did you mean {meant!r}?" if meant else "`definable tools` lists them"
        return f"there is no tool {name!r}; {known}"


def reference_problems(document: Document, workflow: Workflow, names: Names) -> Iterator[Problem]:
    """Yield a problem for each name in a workflow that leads nowhere outside of its own file."""
    for index, step in enumerate(workflow.steps):
        place: Place = ("steps", index)
        if step.agent is not None and step.agent not in names.agents:
            message = f"there is no agent {step.agent!r}{suggest(step.agent, names.agents)}"
            yield document.problem((*place, "agent"), message)
        yield from tool_problems(document, (*place, "tools"), step.tools or (), names)
        if step.call is not None:
            yield from _call(document, workflow, index, step, names)
    for index, rule in enumerate(workflow.approvals):
        yield from tool_problems(document, ("approvals", index, "tools"), rule.tools, names)
    for mention in mentioned(document, workflow)[0]:
        if wrong := _lost(mention, workflow, names):
            yield document.problem(mention.place, f"{mention.text}: {wrong}")


def tool_problems(document: Document, place: Place, globs: Iterable[str], names: Names) -> Iterator[Problem]:
    """Yield a problem for each entry of an allowlist that no tool goes by."""
    for index, name in enumerate(globs):
        if wrong := names.no_tool(name):
            yield document.problem((*place, index), wrong)


def _call(document: Document, workflow: Workflow, index: int, step: Step, names: Names) -> Iterator[Problem]:
    slug = step.call or ""
    if slug not in names.offered:
        glob = "a call names one tool, not a glob" if any(sign in slug for sign in _GLOB) else ""
        if wrong := glob or names.no_tool(slug):
            yield document.problem(("steps", index, "call"), wrong)
        return
    yield from Fit(document, workflow, index, step, slug, *names.tools[slug]).problems()


def _lost(mention: Mention, workflow: Workflow, names: Names) -> str:
    root, *rest = mention.parts or ("",)
    if root != "steps" or len(rest) < 3 or rest[1] != "output":
        return ""
    step = next((each for each in workflow.steps if each.id == rest[0]), None)
    if step is None:
        return ""
    source, schemas = _gives(step, names)
    reasons = [lost_in(schema, shapes, rest[2:]) for schema, shapes in schemas]
    return f"in what {source} gives, {reasons[0]}" if reasons and all(reasons) else ""


def _gives(step: Step, names: Names) -> tuple[str, list[tuple[Json, Mapping[str, Schema]]]]:
    if step.agent is not None:
        agent = names.agents.get(step.agent)
        if agent is None:
            return "", []
        schema = SHAPES[agent.hands_in].model_json_schema()
        return f"{step.agent} ({agent.hands_in})", [(schema, schema.get("$defs", {}))]
    slug = step.call or ""
    if slug not in names.tools:
        return "", []
    return slug, [(_response(tool), kit.shapes) for tool, kit in _answering(*names.tools[slug])]


def _answering(tool: Tool, toolkit: Toolkit) -> Iterator[tuple[Tool, Toolkit]]:
    if tool.poll is None or tool.poll.when is not None:
        yield tool, toolkit
    others = [tool.poll.call if tool.poll else "", tool.ensure.update.call if tool.ensure else ""]
    for other in others:
        if other in toolkit.tools:
            yield toolkit.tools[other], toolkit


def _response(tool: Tool) -> Json:
    return {"type": "null"} if tool.response is None else tool.response
