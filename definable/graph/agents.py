"""An agent's node: one turn of its model, which sees verified results only."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from definable.errors import ModelError
from definable.graph.context import Context
from definable.graph.desk import Desk
from definable.graph.proposals import allowed
from definable.graph.state import State, turn_key
from definable.limits import check_model_call
from definable.models import Request, Round, ToolResult, ToolSpec, Turn
from definable.spec.artifacts import SHAPES
from definable.spec.paths import render
from definable.spec.workflow import Step
from definable.toolkits.arguments import schema


async def agent(state: State, runtime: Runtime[Desk]) -> dict[str, Any]:
    """The node of any agent: asks the model once and passes what comes on to the Verifier."""
    context = runtime.context.context
    step = context.step(state["step"])
    key = turn_key(step.id, state["history"])
    if key not in context.turns:
        failed, until = context.failures.get(key, (0, 0.0))
        if (left := until - context.now()) > 0:
            context.check_wait(step.id, left, f"the next request to {context.model(step)}", "it failed")
            await context.sleep(left)
        try:
            await _ask(context, step, state, key)
        except ModelError as error:
            at = [context.chances, failed]
            return {"came": [{"from": "agent", "failure": error.to_json(), "at": at}]}
    return {"came": [{"from": "agent", "key": key}]}


async def _ask(context: Context, step: Step, state: State, key: str) -> None:
    request = _request(context, step, state)
    most = check_model_call(
        context.budgets(step),
        context.models.serves(request.model),
        request.estimate,
        request.max_output_tokens,
    )
    started = time.monotonic()
    turn = await context.models.turn(replace(request, max_output_tokens=most))
    took = context.paid(step, turn.model, turn.usage)
    data = {
        "key": key,
        "model": turn.model,
        "offline": turn.offline,
        "input_tokens": turn.usage.input_tokens,
        "output_tokens": turn.usage.output_tokens,
        "usd": None if took.unpriced else float(took.usd),
        "seconds": round(time.monotonic() - started, 3),
        "turn": turn.model_dump(mode="json"),
    }
    context.turns[key] = data
    context.log("model.called", data, step=step.id)


def _request(context: Context, step: Step, state: State) -> Request:
    agent = context.agent(step)
    last_turn = len(state["history"]) >= agent.turns
    slugs = [] if last_turn else allowed(context, step)
    return Request(
        model=context.model(step),
        system=agent.prompt,
        prompt=_prompt(context, step, state),
        hands_in=SHAPES[agent.hands_in],
        tools=tuple(_tool(context, slug) for slug in slugs),
        history=tuple(_round(context, step, turn) for turn in state["history"]),
    )


def _prompt(context: Context, step: Step, state: State) -> str:
    """The step's own words, then as JSON what they are about."""
    scope = context.scope()
    about: dict[str, Any] = {"inputs": context.run.inputs, "run": scope["run"]}
    if step.with_ is not None:
        about["with"] = render(step.with_, scope)
    else:
        about["previous"] = _previous(context, state)
    body = json.dumps(about, indent=1, ensure_ascii=False)
    return f"{render(step.prompt, scope)}\n\n```json\n{body}\n```"


def _previous(context: Context, state: State) -> Any:
    """The output of the nearest step before this one that was not skipped."""
    for index in range(state["step"] - 1, -1, -1):
        if (output := context.outputs.get(context.step(index).id)) is not None:
            return output
    return None


def _tool(context: Context, slug: str) -> ToolSpec:
    toolkit, tool = context.catalog[slug]
    return ToolSpec(name=slug, description=tool.description, schema=schema(toolkit, tool))


def _round(context: Context, step: Step, past: Any) -> Round:
    turn = Turn.model_validate(context.turns[past["key"]]["turn"])
    results = tuple(_result(context, use, call) for use, call in past["uses"].items())
    return Round(turn=turn, results=results, say=past["say"])


def _result(context: Context, use: str, call: str) -> ToolResult:
    if call.startswith("!"):
        return ToolResult(id=use, content={"error": call[1:]}, error=True)
    receipt = context.receipts[call]
    seen = {"receipt": call, "tool": receipt.tool}
    if receipt.status == "verified":
        return ToolResult(id=use, content={**seen, "result": receipt.result})
    return ToolResult(id=use, content={**seen, "error": f"{receipt.status}: {receipt.message}"}, error=True)
