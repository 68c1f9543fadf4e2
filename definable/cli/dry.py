"""`definable run --dry`: which calls would be made, with their arguments. None is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from definable.cli import ahead, words
from definable.cli.app import Session
from definable.cli.screen import Screen

if TYPE_CHECKING:
    from definable.engine.options import Options
    from definable.spec.workflow import Workflow


def rehearsal(
    session: Session, screen: Screen, workflow: Workflow, inputs: Mapping[str, Any], options: Options
) -> int:
    """Write what a run would do, step by step, and return the exit code."""
    steps, known = asyncio.run(_rehearse(session, workflow, inputs, options))
    if screen.json:
        what = {"workflow": workflow.name, "dry": True, "inputs": dict(inputs), "steps": steps}
        screen.data({**what, "ahead": known})
        return 0
    screen.say(f"{workflow.name}: a rehearsal; nothing is called and nothing is sent")
    for step in steps:
        for line in described(step):
            screen.result(line)
    for line in ahead.lines(known) if known else ("no quota is looked at: DEFINABLE_QUOTA_SHARE is off",):
        screen.result(line)
    return 0


async def _rehearse(
    session: Session, workflow: Workflow, inputs: Mapping[str, Any], options: Options
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    from definable.engine.runner import Runner

    _ = session.home
    opened = Runner.open(session.workspace, session.settings, session.environ, options)
    async with opened as runner:
        known = runner.ahead(workflow, inputs)
        return runner.rehearse(workflow, inputs), known.model_dump(mode="json") if known else None


def described(step: Mapping[str, Any]) -> list[str]:
    """Return what one step would do, as lines."""
    when = f"  (only when {step['when']})" if step.get("when") else ""
    if "agent" in step:
        may = step["may_call"]
        asks = "asks for no tools" if not may else f"may ask for any of {words.plural(len(may), 'tool')}:"
        return [f"{step['step']}: {step['agent']} {asks}{when}", *(f"  {slug}" for slug in may)]
    lines = [f"{step['step']}: calls {step['tool']} ({step['effect']}){when}"]
    for key, value in step["arguments"].items():
        lines.append(f"  {key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    if step.get("ensure"):
        lines.append(f"  once only: what has the same {', '.join(step['ensure'])} is updated instead")
    if step.get("asks"):
        lines.append("  a person is asked first")
    return lines
