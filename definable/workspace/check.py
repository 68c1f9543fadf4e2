"""Checks files against each other and says everything that is wrong, in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeVar

from definable.errors import DefinitionError, Problem, UsageError
from definable.spec.agent import Agent
from definable.spec.source import Document
from definable.spec.toolkit import Tool, Toolkit
from definable.spec.workflow import Workflow
from definable.workspace.contents import Found, Workspace
from definable.workspace.recipes import toolkit_problems
from definable.workspace.steps import Names, reference_problems, tool_problems

T = TypeVar("T")
Part = Callable[[], Iterable[Problem]]
"""One check, still to be made."""

_ELSEWHERE: Final = "Give --workspace DIR to check the files of another one."


def check(workspace: Workspace, files: Sequence[str | Path] | None = None) -> list[Problem]:
    """Return every problem in a workspace, in file order; an empty list means that all of it can run.

    `files` limits this to some: names or paths of workflows, paths of the workspace's agents and toolkits.
    What they refer to is read as well, but its own problems are not listed. UsageError for a file that is not
    there, or that is an agent or a toolkit of another workspace.
    """
    checks = Checks(workspace)
    parts = checks.all() if files is None else [checks.one(str(file)) for file in files]
    return _gathered(parts)


def checked(workspace: Workspace, name_or_path: str) -> Workflow:
    """Return a workflow that can run: it, the agents that it names and all toolkits are free of problems.

    Toolkits are only read here, their recipes are not gone through. DefinitionError has every problem found;
    UsageError when there is no such workflow.
    """
    checks = Checks(workspace)
    workflow = workspace.read_workflow(name_or_path)[1]
    named = {step.agent for step in workflow.steps} if workflow else set()
    parts: list[Part] = [partial(checks.workflow, name_or_path)]
    parts += [partial(checks.agent, name) for name in workspace.agent_names() if name in named]
    parts += [partial(checks.readable, name) for name in workspace.toolkit_names()]
    if (problems := _gathered(parts)) or workflow is None:
        raise DefinitionError(problems)
    return workflow


def _gathered(parts: Iterable[Part]) -> list[Problem]:
    found: set[Problem] = set()
    for part in parts:
        try:
            found |= set(part())
        except DefinitionError as error:
            found |= set(error.problems)
    return sorted(found, key=lambda p: (p.file, p.line, p.column, p.message))


class Checks:
    """The checks of one workspace's files; what they may refer to is read once, when it is first needed."""

    def __init__(self, workspace: Workspace) -> None:
        """Keep the workspace; nothing is read yet."""
        self.workspace = workspace

    def all(self) -> list[Part]:
        """Return a check for each agent, toolkit and workflow."""
        space = self.workspace
        return [
            *(partial(self.agent, name) for name in space.agent_names()),
            *(partial(self.toolkit, name) for name in space.toolkit_names()),
            *(partial(self.workflow, name) for name in space.workflows()),
        ]

    def one(self, file: str) -> Part:
        """Return the check of one file: a workflow, or one of the workspace's agents or toolkits."""
        path = (self.workspace.start / file).resolve()
        for name, agent in self.workspace.agent_names().items():
            if _is(agent, path):
                return partial(self.agent, name)
        for name, parts in self.workspace.toolkit_names().items():
            if any(_is(each, path) or _is(each, path / each.name) for each in parts):
                return partial(self.toolkit, name)
        if path.suffix == ".md" or (
            path.is_file() and "tools" in (path.parent.name, path.parent.parent.name)
        ):
            where = self.workspace.root
            raise UsageError(
                f"{file!r} is no agent or toolkit of the workspace {str(where)!r}", hint=_ELSEWHERE
            )
        self.workspace.locate(file)
        return partial(self.workflow, file)

    def agent(self, name: str) -> Iterator[Problem]:
        """Yield the problems of an agent's file."""
        document, agent, problems = self.workspace.read_agent(name)
        yield from problems
        if agent is not None:
            yield from tool_problems(document, ("tools",), agent.tools, self.names)
            if not agent.prompt:
                yield document.problem(("prompt",), "the prompt is missing: the text below the front matter")

    def readable(self, name: str) -> Iterable[Problem]:
        """Return the problems that keep a toolkit from being read."""
        return self.workspace.read_toolkit(name)[2]

    def toolkit(self, name: str) -> Iterator[Problem]:
        """Yield the problems of a toolkit's files."""
        document, toolkit, problems = self.workspace.read_toolkit(name)
        yield from problems
        if toolkit is not None:
            yield from toolkit_problems(document, toolkit)
            for slug in toolkit.tools:
                if (other := self.names.tools[slug][1]) is not toolkit:
                    message = f"the tool {slug!r} is in the toolkit {other.toolkit!r} as well"
                    yield document.problem(("tools", slug), message, key=True)

    def workflow(self, name_or_path: str) -> Iterator[Problem]:
        """Yield the problems of a workflow's file, and of its references to agents and tools."""
        document, workflow, problems = self.workspace.read_workflow(name_or_path)
        yield from problems
        if workflow is not None:
            yield from reference_problems(document, workflow, self.names)
            yield from self._shared_webhooks(document, workflow)

    def _shared_webhooks(self, document: Document, workflow: Workflow) -> Iterator[Problem]:
        for index, trigger in enumerate(workflow.triggers):
            if trigger.webhook is None:
                continue  # the other files are not read
            for file, at in self.webhooks.get(trigger.webhook, []):
                if (file, at) != (document.file, index):
                    where = file if file != document.file else f"triggers[{at}]"
                    yield document.problem(
                        ("triggers", index, "webhook"),
                        f"the webhook {trigger.webhook!r} is in {where} as well",
                    )

    @cached_property
    def webhooks(self) -> Mapping[str, list[tuple[str, int]]]:
        """Name of a webhook → the files that declare it, and as which of their triggers."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name in self.workspace.workflows():
            workflow = _or_none(self.workspace.read_workflow, name)
            for index, trigger in enumerate(workflow.triggers if workflow else ()):
                if trigger.webhook is not None:
                    file = self.workspace.read_workflow(name)[0].file
                    found.setdefault(trigger.webhook, []).append((file, index))
        return found

    @cached_property
    def names(self) -> Names:
        """The agents and tools that exist; what is wrong with them is left to their own check."""
        agents: dict[str, Agent | None] = {}
        tools: dict[str, tuple[Tool, Toolkit]] = {}
        whole = True
        for name in self.workspace.agent_names():
            agents[name] = _or_none(self.workspace.read_agent, name)
        for name in self.workspace.toolkit_names():
            toolkit = _or_none(self.workspace.read_toolkit, name)
            if toolkit is None:
                whole = False
                continue
            for slug, tool in toolkit.tools.items():
                tools.setdefault(slug, (tool, toolkit))
        return Names(agents, tools, whole)


def _or_none(read_one: Callable[[str], Found[T]], name: str) -> T | None:
    try:
        return read_one(name)[1]
    except DefinitionError:
        return None


def _is(file: Traversable, path: Path) -> bool:
    return isinstance(file, Path) and file.resolve() == path
