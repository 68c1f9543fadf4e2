"""What there is to run, over HTTP: workflows, tools, workers, and this service itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from definable import __version__
from definable.errors import DefinitionError
from definable.graph.picture import mermaid
from definable.service.desk import Desk
from definable.service.door import AtDesk, Viewer
from definable.service.problems import Refusal
from definable.service.views import StepView
from definable.spec.workflow import Workflow
from definable.store import WorkerRow
from definable.workspace.arguments import schema_of

router = APIRouter(prefix="/api", tags=["catalog"])

Name = Annotated[str, Path(max_length=200)]


class About(BaseModel):
    """This service, and what the caller may do."""

    name: str = "Definable"
    version: str = __version__
    workspace: str
    sandbox: bool
    """Runs talk to the simulator: nothing real is touched."""
    offline: list[str]
    """Agents whose turns an offline model takes: there is no key for theirs, or it was asked for."""
    caller: str
    level: str
    keys: bool
    """Whether a key is needed."""
    waiting: int
    """Questions that wait for a person."""


class InputView(BaseModel):
    """One input of a workflow."""

    name: str
    type: str
    description: str = ""
    required: bool
    default: Any = None
    enum: list[Any] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None


class WorkflowView(BaseModel):
    """A workflow, as far as its file is right."""

    name: str
    description: str = ""
    inputs: list[InputView] = Field(default_factory=list)
    steps: list[StepView] = Field(default_factory=list)
    problems: list[str] = Field(default_factory=list)
    """What is wrong with its file, each with its place; then it cannot be run."""


class WorkflowPage(WorkflowView):
    """A workflow with its file and its picture."""

    source: str = ""
    graph: str = ""
    """The graph as Mermaid."""


class ToolView(BaseModel):
    """A tool."""

    slug: str
    toolkit: str
    title: str
    description: str
    effect: str
    """`read`, or what it may change: `create`, `update`, `delete`, `run`, …"""
    asks: bool
    """Whether a person is asked before it is called."""
    evidence: str
    """How a success of it is known."""


class ToolPage(ToolView):
    """A tool with its arguments."""

    arguments: dict[str, Any]
    """As JSON Schema."""


@router.get("", tags=["service"])
async def about(desk: AtDesk, who: Viewer) -> About:
    """Say what this service is, and what the caller may do."""
    return About(
        workspace=str(desk.workspace.root.name),
        sandbox=desk.options.sandbox,
        offline=list(desk.offline),
        caller=who.name,
        level=who.level,
        keys=bool(who.id),
        waiting=len(desk.store.inbox()),
    )


@router.get("/workflows")
async def workflows(desk: AtDesk, who: Viewer) -> list[WorkflowView]:
    """Return the workflows, by name; those whose files are wrong say what is."""
    return [await _workflow(desk, name) for name in sorted(desk.fresh().workflows())]


@router.get("/workflows/{name}")
async def workflow(name: Name, desk: AtDesk, who: Viewer) -> WorkflowPage:
    """Show a workflow, with its file."""
    files = desk.fresh().workflows()
    if name not in files:
        raise Refusal(404, f"there is no workflow {name!r}", "see /api/workflows")
    found = await _workflow(desk, name)
    source = await asyncio.to_thread(files[name].read_text, "utf-8")
    graph = mermaid(await desk.workflow(name)) if not found.problems else ""
    return WorkflowPage(**found.model_dump(), source=source, graph=graph)


async def _workflow(desk: Desk, name: str) -> WorkflowView:
    try:
        return view(await desk.workflow(name))
    except DefinitionError as error:
        return WorkflowView(name=name, problems=[str(each) for each in error.problems])


def view(workflow: Workflow) -> WorkflowView:
    """Return what a client has to know of a workflow."""
    inputs = []
    for name, each in workflow.inputs.items():
        required = each.required if each.required is not None else each.default is None
        inputs.append(InputView(name=name, **{**each.model_dump(mode="json"), "required": required}))
    steps = [StepView(id=s.id, agent=s.agent, call=s.call) for s in workflow.steps]
    return WorkflowView(name=workflow.name, description=workflow.description, inputs=inputs, steps=steps)


@router.get("/tools")
async def tools(desk: AtDesk, who: Viewer) -> list[ToolView]:
    """Return the tools, by slug."""
    offered = {slug: tool for slug, tool in sorted(desk.workspace.tools().items()) if not tool.internal}
    return [ToolView(**_tool(desk, slug)) for slug in offered]


@router.get("/tools/{slug}")
async def tool(slug: Name, desk: AtDesk, who: Viewer) -> ToolPage:
    """Show a tool, with what it takes."""
    known = desk.workspace.tools()
    if slug not in known or known[slug].internal:
        raise Refusal(404, f"there is no tool {slug!r}", "see /api/tools")
    return ToolPage(**_tool(desk, slug), arguments=schema_of(known[slug], desk.workspace.toolkit_of(slug)))


def _tool(desk: Desk, slug: str) -> dict[str, Any]:
    found = desk.workspace.tools()[slug]
    return {
        "slug": slug,
        "toolkit": desk.workspace.toolkit_of(slug).toolkit,
        "title": found.title,
        "description": found.description,
        "effect": found.effect.value,
        "asks": bool(found.asks),
        "evidence": found.evidence.value if found.evidence else "",
    }


@router.get("/workers")
async def workers(desk: AtDesk, who: Viewer) -> list[WorkerRow]:
    """Return the workers that are there, and how many runs each works on."""
    return [row for row in desk.store.workers() if row.alive]
