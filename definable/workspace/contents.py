"""A workspace: what it holds, read when it is asked for and only once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from definable.errors import DefinitionError, Problem, UsageError
from definable.observe import logger
from definable.spec.agent import Agent
from definable.spec.coherence import workflow_problems
from definable.spec.load import read
from definable.spec.nearest import suggest
from definable.spec.source import Document, read_file
from definable.spec.toolkit import Tool, Toolkit
from definable.spec.workflow import Workflow
from definable.workspace.files import YAML, listed, mark, merged, refusal, toolkit_files

log = logger("workspace")

FOLDERS = ("agents", "tools", "workflows")

T = TypeVar("T")
Found = tuple[Document, T | None, list[Problem]]
"""A file that was read, what it says (as far as it can be used), and what is wrong with it."""


class Workspace:
    """Agents, toolkits and workflows of a folder, with the built-in ones behind them; the user's win by name.

    `root` is the folder, `home` holds the state of runs, and file names in messages are relative to `start`.
    """

    def __init__(self, root: Path, home: Path, start: Path, builtin: Traversable) -> None:
        self.root = root
        self.home = home
        self.start = start
        own = isinstance(builtin, Path) and builtin.resolve() == root.resolve()
        self._layers: tuple[Traversable, ...] = (root,) if own else (root, builtin)
        self._agents: dict[str, Found[Agent]] = {}
        self._toolkits: dict[str, Found[Toolkit]] = {}
        self._workflows: dict[str, Found[Workflow]] = {}
        self._tools: dict[str, tuple[Tool, Toolkit]] | None = None
        self._wrong: Workspace | None = None
        """A later state of the files that cannot be used."""
        self._marks = {layer / kind: mark(layer / kind) for layer in self._layers for kind in FOLDERS}
        """What was read, and the folders that it is in, as they were then."""

    def anew(self) -> Workspace:
        """Return the same workspace with nothing read yet: its files may have changed."""
        again = Workspace(self.root, self.home, self.start, self._layers[-1])
        again._layers = self._layers
        return again

    def current(self) -> Workspace:
        """Return the workspace as its files are now: this one while none that it has read has changed.

        While one of them is wrong, such as one that is being written, they stay as they were.
        """
        if self._same() or (self._wrong is not None and self._wrong._same()):
            return self
        later = self.anew()
        try:
            later.agents()
            later.tools()
        except DefinitionError as error:
            self._wrong = later
            log.warning("files changed and are wrong: runs begin as if they had not", problems=str(error))
            return self
        return later

    def _same(self) -> bool:
        return all(mark(path) == was for path, was in self._marks.items())

    def agents(self) -> dict[str, Agent]:
        """Return all agents by name. DefinitionError has the problems of every agent's file."""
        return _all(self.agent_names(), self.read_agent)

    def agent(self, name: str) -> Agent:
        """Return one agent, reading no other file. UsageError when there is none of this name."""
        if name not in self._agents and name not in (names := self.agent_names()):
            raise UsageError(f"there is no agent {name!r}{suggest(name, names)}")
        return _sound(self.read_agent(name))

    def toolkits(self) -> dict[str, Toolkit]:
        """Return all toolkits by name. DefinitionError has the problems of every toolkit."""
        return _all(self.toolkit_names(), self.read_toolkit)

    def tools(self) -> dict[str, Tool]:
        """Return the tools of all toolkits by slug, internal ones too. DefinitionError as for `toolkits`."""
        return {slug: tool for slug, (tool, _) in self._by_slug().items()}

    def toolkit_of(self, slug: str) -> Toolkit:
        """Return the toolkit that a tool belongs to. UsageError when there is no such tool."""
        tools = self._by_slug()
        if slug not in tools:
            offered = [name for name, (tool, _) in tools.items() if not tool.internal]
            raise UsageError(
                f"there is no tool {slug!r}{suggest(slug, offered, most=0)}",
                hint="`definable tools` lists them.",
            )
        return tools[slug][1]

    def workflows(self) -> dict[str, Traversable]:
        """Return the files of all workflows by name, without reading them."""
        return self._named(lambda layer: listed(layer / "workflows", YAML))

    def workflow(self, name_or_path: str) -> Workflow:
        """Return one workflow, reading no other file. References to agents and tools are left to `checked`.

        UsageError when there is no such workflow; DefinitionError when it is wrong.
        """
        return _sound(self.read_workflow(name_or_path))

    def agent_names(self) -> dict[str, Traversable]:
        """Return the files of all agents by name, without reading them."""
        return self._named(lambda layer: listed(layer / "agents", (".md",)))

    def toolkit_names(self) -> dict[str, list[Traversable]]:
        """Return the files of all toolkits by name, without reading them."""
        return self._named(lambda layer: toolkit_files(layer / "tools"))

    def read_agent(self, name: str) -> Found[Agent]:
        """Return an agent that exists, with its problems. DefinitionError when nothing can be read."""
        if name not in self._agents:
            document = self._document(self.agent_names()[name])
            agent, problems = read(document, Agent)
            problems += _misnamed(document, "name", name)
            self._agents[name] = (document, agent, problems)
        return self._agents[name]

    def read_toolkit(self, name: str) -> Found[Toolkit]:
        """Return a toolkit that exists, with its problems. DefinitionError when nothing can be read."""
        if name not in self._toolkits:
            document = merged(_each(self.toolkit_names()[name], self._document))
            toolkit, problems = read(document, Toolkit)
            problems += _misnamed(document, "toolkit", name)
            self._toolkits[name] = (document, toolkit, problems)
        return self._toolkits[name]

    def read_workflow(self, name_or_path: str) -> Found[Workflow]:
        """Return a workflow as read, with its problems. DefinitionError when nothing can be read."""
        if name_or_path not in self._workflows:
            path, name = self.locate(name_or_path)
            document = self._document(path)
            workflow, problems = read(document, Workflow)
            if workflow is not None:
                problems += workflow_problems(document, workflow)
            if name is not None:
                problems += _misnamed(document, "name", name)
            self._workflows[name_or_path] = (document, workflow, problems)
        return self._workflows[name_or_path]

    def locate(self, name_or_path: str) -> tuple[Traversable, str | None]:
        """Return a workflow's file, and the name it must have, if any. UsageError when there is no file."""
        names = self.workflows()
        if name_or_path in names:
            return names[name_or_path], name_or_path
        path = self.start / name_or_path
        if name_or_path and (name_or_path.endswith(YAML) or os.sep in name_or_path or path.is_dir()):
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist"
                raise UsageError(
                    f"the workflow file {name_or_path!r} {what}", hint="name a workflow, or a YAML file"
                )
            return path, path.stem if path.parent.resolve() == (self.root / "workflows").resolve() else None
        raise UsageError(f"there is no workflow {name_or_path!r}{suggest(name_or_path, names)}")

    def _named(self, files: Callable[[Traversable], dict[str, T]]) -> dict[str, T]:
        found: dict[str, T] = {}
        for layer in self._layers:
            for name, each in files(layer).items():
                found.setdefault(name, each)
        return found

    def _document(self, path: Traversable) -> Document:
        around = (path.parent,) if isinstance(path, Path) else ()
        self._marks.update((each, mark(each)) for each in (path, *around))
        return read_file(path, self.shown(path))

    def shown(self, path: Traversable) -> str:
        """Return a file's name for messages: relative to where the command runs, when it is below that."""
        if isinstance(path, Path) and path.absolute().is_relative_to(self.start.absolute()):
            return str(path.absolute().relative_to(self.start.absolute()))
        return str(path)

    def _by_slug(self) -> dict[str, tuple[Tool, Toolkit]]:
        if self._tools is None:
            found: dict[str, tuple[Tool, Toolkit]] = {}
            for name, toolkit in self.toolkits().items():
                for slug, tool in toolkit.tools.items():
                    if slug in found:
                        other = found[slug][1].toolkit
                        raise refusal(
                            self.read_toolkit(name)[0].file, f"the tool {slug!r} is in {other!r} as well"
                        )
                    found[slug] = (tool, toolkit)
            self._tools = found
        return self._tools


def _sound(found: Found[T]) -> T:
    _, value, problems = found
    if problems or value is None:
        raise DefinitionError(problems)
    return value


def _all(names: Iterable[str], read_one: Callable[[str], Found[T]]) -> dict[str, T]:
    names = list(names)
    values = _each(names, lambda name: _sound(read_one(name)))
    return dict(zip(names, values, strict=True))


def _each(items: Iterable[object], read_one: Callable[..., T]) -> list[T]:
    problems: list[Problem] = []
    values: list[T] = []
    for item in items:
        try:
            values.append(read_one(item))
        except DefinitionError as error:
            problems += error.problems
    if problems:
        raise DefinitionError(problems)
    return values


def _misnamed(document: Document, key: str, stem: str) -> list[Problem]:
    name = document.data.get(key) if isinstance(document.data, dict) else None
    if not isinstance(name, str) or name == stem:
        return []
    return [document.problem((key,), f"{key}: {name!r} stands in a file named {stem!r}; make them the same")]
