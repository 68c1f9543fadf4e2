"""A new run that begins where another one was: what that did before a step is taken over, not done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.errors import UsageError
from definable.spec.inputs import complete
from definable.spec.nearest import suggest
from definable.spec.workflow import Workflow
from definable.store import Event, RunRow

TAKEN = ("step.started", "step.done", "step.skipped", "artifact")
"""What the new run's log has of the other's as it stands. Receipts go along, each with its result."""


def fork(runner: Runner, run: str, step: str, inputs: Mapping[str, Any]) -> RunRow:
    """Create a run that goes on from `step` as `run` would have, with some other `inputs`.

    The steps before it keep what they brought, by the inputs of that time, and cost nothing again; effects
    that they had stay the other run's. UsageError when there is no such step, or it was never come to.
    """
    row = runner.store.run(run)
    workflow = Workflow.model_validate_json(json.dumps(row.definition))
    before = _before(row, workflow, step)
    log = runner.store.events(row.id)
    ended = {event.step for event in log if event.type in ("step.done", "step.skipped")}
    if missing := [each for each in before if each not in ended]:
        raise UsageError(
            f"run {row.id} has not come to step {step!r}: {missing[0]!r} is not done",
            hint=f"fork from {missing[0]!r} or before",
        )
    given = complete(workflow, {**row.inputs, **inputs})
    new = runner.row(workflow, given, Options.model_validate(row.options))
    store = runner.store
    with store.together(new.id, durable=True):
        created = store.create_run(new)
        store.append(new.id, "run.forked", {"of": row.id, "step": step})
        for event in log:
            if event.step in before:
                _take(runner, new.id, event)
        for receipt in store.receipts(row.id):
            if receipt.call.rpartition(".")[0] in before:
                store.settle(new.id, receipt)
    return created


def _before(row: RunRow, workflow: Workflow, step: str) -> list[str]:
    ids = [each.id for each in workflow.steps]
    if step not in ids:
        raise UsageError(f"{row.workflow} has no step {step!r}{suggest(step, ids)}")
    return ids[: ids.index(step)]


def _take(runner: Runner, run: str, event: Event) -> None:
    kind = "call.taken" if event.type == "call.proposed" else event.type
    if kind in (*TAKEN, "call.taken"):
        runner.store.append(run, kind, event.data, step=event.step, call=event.call)
