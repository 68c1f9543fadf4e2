"""What there is to call over MCP: each workflow, each tool of a product, and a run that goes on. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_types import Tool, ToolAnnotations

from definable.service.report import OneTold, RunTold
from definable.spec.inputs import needed
from definable.spec.model import Effect
from definable.spec.toolkit import Tool as ProductTool
from definable.spec.toolkit import Toolkit
from definable.spec.workflow import Workflow
from definable.workspace import Workspace
from definable.workspace.arguments import schema_of
from definable.workspace.reach import reach

RUN = "definable_run"
"""The tool that goes on waiting for a run. No workflow and no product's tool has such a name."""

DESTRUCTIVE = frozenset({Effect.UPDATE, Effect.DELETE, Effect.ADMIN})
"""What may take something away that was there: an update replaces what stood there."""

IDEMPOTENT = frozenset({Effect.READ, Effect.UPDATE, Effect.DELETE})
"""What leaves nothing more behind when it is done twice."""


def hints(title: str, effects: Iterable[Effect]) -> ToolAnnotations:
    """Return what clients are told of what a call may do."""
    found = set(effects)
    return ToolAnnotations(
        title=title,
        read_only_hint=found <= {Effect.READ},
        destructive_hint=bool(found & DESTRUCTIVE),
        idempotent_hint=found <= IDEMPOTENT,
        open_world_hint=True,
    )


def of_workflow(workspace: Workspace, workflow: Workflow) -> Tool:
    """Return a workflow as a tool."""
    tools = workspace.tools()
    steps = ", ".join(each.agent or each.call or each.id for each in workflow.steps)
    return Tool(
        name=workflow.name,
        title=workflow.name,
        description=f"{workflow.description}\nA workflow of these steps: {steps}. Each call in it is "
        "verified and, where it fails, healed.".strip(),
        input_schema=inputs_of(workflow),
        output_schema=RunTold.model_json_schema(),
        annotations=hints(workflow.name, (tools[slug].effect for slug in reach(workspace, workflow))),
    )


def inputs_of(workflow: Workflow) -> dict[str, Any]:
    """Return the inputs of a workflow as a JSON Schema."""
    fields = {}
    for name, each in workflow.inputs.items():
        said = each.model_dump(mode="json", exclude_none=True, exclude={"required"})
        fields[name] = {key: value for key, value in said.items() if value != ""}
    required = [name for name, each in workflow.inputs.items() if needed(each)]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def of_tool(slug: str, tool: ProductTool, toolkit: Toolkit) -> Tool:
    """Return a product's tool."""
    asks = " A person is asked before it is called." if tool.asks else ""
    schema = schema_of(tool, toolkit)
    if "#/$defs/" not in json.dumps(schema["properties"]):
        del schema["$defs"]
    return Tool(
        name=slug,
        title=f"{toolkit.title}: {tool.title}",
        description=f"{tool.description.strip()}\nThe call is verified and, where it fails, healed; the "
        f"answer says how its success is known.{asks}",
        input_schema=schema,
        output_schema=OneTold.model_json_schema(),
        annotations=hints(tool.title, [tool.effect]),
    )


def of_run() -> Tool:
    """Return the tool that goes on waiting for a run."""
    run = {"type": "string", "description": "Its id: `run` in the answer to the call that began it"}
    return Tool(
        name=RUN,
        title="Wait for a run",
        description="Go on waiting for a run that was not over, such as one that waited for a person or a "
        "key, and return what it brought. It starts nothing and sends nothing again.",
        input_schema={
            "type": "object",
            "properties": {"run": run},
            "required": ["run"],
            "additionalProperties": False,
        },
        output_schema=RunTold.model_json_schema(),
        annotations=hints("Wait for a run", [Effect.READ]),
    )


def offered(workspace: Workspace, workflows: Iterable[Workflow]) -> list[Tool]:
    """Return all there is to call, in an order that stays."""
    tools: Mapping[str, ProductTool] = workspace.tools()
    return [
        *(of_workflow(workspace, each) for each in workflows),
        *(
            of_tool(slug, tool, workspace.toolkit_of(slug))
            for slug, tool in sorted(tools.items())
            if not tool.internal
        ),
        of_run(),
    ]
